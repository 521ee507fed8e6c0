"""The `autoglm` command: one entry for every process of the image.

It never does a process's work: it finds the subcommand's module, imports it only then, and runs it.
"""
