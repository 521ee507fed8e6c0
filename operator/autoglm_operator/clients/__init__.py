"""All network I/O of the control plane. Never decides what ought to be written."""
