"""Builds the Go programs of the test cluster: pinned modules in, static programs in the cache out.

Each folder beside this file that holds a go.mod is a Go module of its own. Programs are built by
the ordinary Go client; nothing is patched and nothing is installed on the machine.
"""

from programs.building import ensure

__all__ = ["ensure"]
