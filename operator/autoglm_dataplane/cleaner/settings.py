"""What `autoglm clean-disk` is told by its environment; folders are fixed, never told."""

from pydantic import Field

from autoglm_api.healingladder import Rubbish
from autoglm_api.settings import Settings


class CleanerSettings(Settings):
    """Settings of the cleaner; every one is a variable `AUTOGLM_<NAME>`."""

    remove: tuple[Rubbish, ...] = Field((), max_length=5)
    """What is removed."""
    minimum_age_seconds: float = Field(86_400.0, ge=600, le=7_776_000)
    """Files changed within this time stay, in seconds. Default one day."""
    minimum_size_bytes: int = Field(2**20, ge=0)
    """Files that take less of the disk stay, in bytes. Default 1 MiB."""
    budget_seconds: float = Field(480.0, ge=1, le=3600)
    """When to stop and report, in seconds; shorter than the Job's deadline. Default 8 minutes."""
