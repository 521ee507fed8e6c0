"""What a run keeps of its target's state: before a step, after it, and what metrics said."""

from typing import Annotated

from pydantic import Field

from autoglm_api.base import COUNTER_LIMIT, StatusModel
from autoglm_api.rules import ATOMIC


class WorkloadEvidence(StatusModel):
    """The state of a workload's pods at one moment."""

    desired: Annotated[int, Field(ge=0, le=2**31 - 1)]
    """Pods that the workload wants."""
    updated: Annotated[int, Field(ge=0, le=2**31 - 1)]
    """Pods of its current revision."""
    available: Annotated[int, Field(ge=0, le=2**31 - 1)]
    """Pods that serve."""
    restarts: Annotated[int, Field(ge=0, le=COUNTER_LIMIT)]
    """Restarts of the containers of all its present pods."""


class DiskEvidence(StatusModel):
    """The state of a node's disk at one moment; what nobody has measured is absent."""

    free_bytes: Annotated[int, Field(ge=0, le=COUNTER_LIMIT)] | None = None
    """Bytes that are free, as measured on the node."""
    free_inodes: Annotated[int, Field(ge=0, le=COUNTER_LIMIT)] | None = None
    """Inodes that are free, as measured on the node."""
    pressure: bool | None = None
    """Whether the node reports DiskPressure."""


class NodeEvidence(StatusModel):
    """The state of a node at one moment."""

    ready: bool
    """Whether its kubelet reports Ready."""
    schedulable: bool
    """Whether new pods may be scheduled to it."""
    pods: Annotated[int, Field(ge=0, le=2**31 - 1)]
    """Pods on it that an isolation would displace."""
    recovery_seconds: Annotated[int, Field(ge=0, le=COUNTER_LIMIT)] | None = None
    """Seconds from the start of the isolation until every displaced workload was Available
    elsewhere; absent while one is not."""


class MetricReading(StatusModel):
    """The answer to one query of the verification."""

    name: Annotated[str, Field(max_length=1024)]
    """The query's name in the catalogue, or the query itself."""
    value: Annotated[str, Field(max_length=64)] | None = None
    """The sample that is furthest from good, as text; absent if there was no answer."""
    good: bool
    """Whether every sample lies in the range."""


class Evidence(StatusModel):
    """What was seen of the target at one moment."""

    workload: WorkloadEvidence | None = None
    """Of a pod, workload or endpoint."""
    disk: DiskEvidence | None = None
    """Of a node whose disk is cleaned."""
    node: NodeEvidence | None = None
    """Of a node that is isolated."""
    metrics: Annotated[tuple[MetricReading, ...], Field(max_length=8), ATOMIC] = ()
    """The answers of the verification's queries."""
