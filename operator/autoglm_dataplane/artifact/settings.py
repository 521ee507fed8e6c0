"""What `autoglm verify-artifact` is told by its environment."""

from pathlib import Path
from typing import Annotated

from pydantic import Field

from autoglm_api.settings import Settings


class ArtifactSettings(Settings):
    """Where the files are, and what they must be."""

    artifact_path: Path
    """Directory or file."""
    artifact_volume: Path
    """Where the volume that holds it is mounted; links may lead anywhere inside."""
    artifact_digest: Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]
    """The digest that they must have."""
    termination_log: Path = Path("/dev/termination-log")
    """Where the kubelet reads a container's last words."""
