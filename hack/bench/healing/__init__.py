"""Healing under an alert storm: what is stored, how fast, and what it costs."""
