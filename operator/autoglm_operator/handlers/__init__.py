"""Kopf registration: each event updates the store and enqueues a key. Never acts on an event."""
