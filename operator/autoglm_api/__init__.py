"""The words that both planes share: kinds, names, conditions, field types and metrics.

It exists so that the control plane and the data plane never import each other. It imports pydantic
and the standard library, and never does I/O.
"""
