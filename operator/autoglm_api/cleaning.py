"""What healer and cleaner say to each other: where the node's folders are mounted, and the report.

The healer starts the cleaner as a Job on a full node; the cleaner's only answer is the termination
message of its container. These types only describe it.
"""

from typing import Annotated, Final

from pydantic import Field

from autoglm_api.base import COUNTER_LIMIT, StatusModel
from autoglm_api.healingladder import Rubbish
from autoglm_api.rules import ATOMIC

SUBCOMMAND: Final = "clean-disk"
"""Runs in the Job."""
HOLD_SUBCOMMAND: Final = "hold-image"
"""Runs on every node so that the kubelet never collects the image."""

LOGS: Final = "/node/log"
"""Where the node's `HOST_LOGS` is mounted; the journal lies inside."""
TEMPORARY: Final = "/node/tmp"
"""Where the node's `HOST_TEMPORARY` is mounted."""
KEPT_TEMPORARY: Final = "/node/var-tmp"
"""Where the node's `HOST_KEPT_TEMPORARY` is mounted."""
RUNTIME_SOCKET: Final = "/node/cri.sock"
"""Where the container runtime's socket is mounted."""
VOLUMES: Final = "/node/volumes"
"""Where an emptyDir is mounted: it lies on the kubelet's own disk, so that can be measured."""

HOST_LOGS: Final = "/var/log"
HOST_TEMPORARY: Final = "/tmp"  # noqa: S108 - the node's, not ours
HOST_KEPT_TEMPORARY: Final = "/var/tmp"  # noqa: S108 - the node's, not ours

REPORT_LIMIT: Final = 4096
"""Bytes of a termination message. Source: the kubelet's MaxContainerTerminationMessageLength."""
REPORT_PATH: Final = "/dev/termination-log"
"""Source: default of terminationMessagePath."""

Count = Annotated[int, Field(ge=0, le=COUNTER_LIMIT)]


class DiskMeasure(StatusModel):
    """What the file system said at one moment."""

    free_bytes: Count
    """Bytes that anybody may still write."""
    free_inodes: Count
    """Files that may still be made; 0 on file systems that do not count them."""


class DiskReport(StatusModel):
    """One file system of the node, before and after."""

    path: Annotated[str, Field(max_length=64)]
    """A folder of the node that lies on it."""
    total_bytes: Count
    """Its size."""
    total_inodes: Count
    """Its inodes; 0 if it does not count them."""
    before: DiskMeasure
    """Before anything was removed."""
    after: DiskMeasure
    """After everything was removed."""


class Removed(StatusModel):
    """How much of one sort was removed."""

    rubbish: Rubbish
    """The sort."""
    count: Count
    """Files, images or containers."""
    size_bytes: Count = 0
    """What they took, as far as it is known."""


class Consumer(StatusModel):
    """Something large that is still there."""

    what: Annotated[str, Field(max_length=200)]
    """A folder of the node, or an image."""
    size_bytes: Count
    """What it takes."""
    why: Annotated[str, Field(max_length=64)]
    """Why it was kept."""


class CleaningReport(StatusModel):
    """What one run of the cleaner did, measured on the node."""

    disks: Annotated[tuple[DiskReport, ...], Field(min_length=1, max_length=8), ATOMIC]
    """Every file system that was looked at."""
    removed: Annotated[tuple[Removed, ...], Field(max_length=5), ATOMIC] = ()
    """What was removed, one entry per sort."""
    kept: Annotated[tuple[Consumer, ...], Field(max_length=8), ATOMIC] = ()
    """The largest things that were looked at and kept, largest first."""
    problems: Annotated[
        tuple[Annotated[str, Field(max_length=200)], ...], Field(max_length=8), ATOMIC
    ] = ()
    """What could not be done, one sentence each."""
