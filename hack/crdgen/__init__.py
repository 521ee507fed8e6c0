"""Writes the CustomResourceDefinitions in crds/ from the types in autoglm_api.

A development tool: it reads types, writes files, and never talks to an API server.
"""
