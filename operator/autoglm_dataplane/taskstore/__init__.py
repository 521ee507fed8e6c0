"""The words and the store that planner and executors share.

Plans, journals and tasks are plain values here; only `client` and what builds on it talk to Valkey.
It never calls a model.
"""
