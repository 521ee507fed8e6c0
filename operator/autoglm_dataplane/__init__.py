"""The data plane: one package per process, and what several of them share.

Its processes hold no API token and never talk to the Kubernetes API; what they need to know arrives
by environment, by mounted files and by the routing document.
"""
