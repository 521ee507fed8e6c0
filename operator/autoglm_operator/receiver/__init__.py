"""Alertmanager's webhook: stores alerts as HealingRuns, and does nothing else with them.

It answers 2xx only for what the API server has stored, and never acts on anything.
"""
