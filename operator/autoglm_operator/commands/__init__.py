"""Composition roots: one module per process, where settings, clients and loops meet."""
