"""Builds the container images of the test cluster without Docker.

Packages of Debian are unpacked, never installed: no maintainer script runs, and no package manager
is left inside. What came out is packed into reproducible OCI layers. Images are built into the
cache; no registry is spoken to.
"""

from images.building import Image, ensure
from images.roots import command_inside

__all__ = ["Image", "command_inside", "ensure"]
