"""Reads `AUTOGLM_*` environment variables into frozen settings types.

Each process declares its own type, a subclass of `ProcessSettings`; this module only reads and
refuses. A variable that no field knows, or a bad value, ends in one sentence: a setting that is
silently ignored is a setting that somebody believes in.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, TypeVar, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationError

if TYPE_CHECKING:
    from collections.abc import Mapping

PREFIX = "AUTOGLM_"
# The downward API gives these their names; they carry no prefix by convention.
DOWNWARD = {
    "pod_name": "POD_NAME",
    "pod_namespace": "POD_NAMESPACE",
    "pod_uid": "POD_UID",
    "pod_ip": "POD_IP",
}

# Set in the shells of people who work on this project; they are no settings of a process.
BUILD_VARIABLES = frozenset({"AUTOGLM_CACHE", "AUTOGLM_CLUSTER"})


class SettingsError(Exception):
    """The environment cannot be used; the message is one sentence for a person."""


class ProcessSettings(BaseModel):
    """What every process of the control plane is told by its environment."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    pod_name: str = Field("", max_length=253)
    """Name of this pod, from the downward API; part of Event sources."""

    pod_namespace: str = Field("", max_length=63)
    """Namespace of this pod, where its Lease lives."""

    pod_uid: str = Field("", max_length=64)
    """UID of this pod: the holder of the Lease, the same after a container restart."""

    pod_ip: str = Field("", max_length=45)
    """Address of this pod, for logs."""

    log_level: str = Field("INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$")
    """Lowest level of log lines that are printed."""

    probe_host: str = Field("", max_length=45)
    """Address of `/healthz`, `/readyz` and `/metrics`; empty means every address."""

    probe_port: int = Field(8081, ge=0, le=65535)
    """Port of `/healthz`, `/readyz` and `/metrics`; 0 picks a free one."""

    api_timeout_seconds: float = Field(10.0, gt=0, le=60)
    """Time limit of one call to the API server, in seconds."""

    api_concurrency: int = Field(16, ge=1, le=256)
    """Calls to the API server that may be under way at once."""


_S = TypeVar("_S", bound=ProcessSettings)


def read(kind: type[_S], environ: Mapping[str, str] | None = None) -> _S:
    """Build the settings of one process from the environment.

    Fields that hold a tuple take a comma-separated list.

    Raises:
        SettingsError: A variable is unknown or has a bad value.
    """
    environ = os.environ if environ is None else environ
    values: dict[str, Any] = {}
    for variable, text in environ.items():
        if not variable.startswith(PREFIX) or variable in BUILD_VARIABLES:
            continue
        name = variable[len(PREFIX) :].lower()
        if name not in kind.model_fields:
            raise SettingsError(
                f"{variable} is not a setting of this process; known are: {known(kind)}."
            )
        values[name] = _parsed(kind, name, text)
    for name, variable in DOWNWARD.items():
        if environ.get(variable):
            values[name] = environ[variable]
    try:
        return kind(**values)
    except ValidationError as error:
        first = error.errors()[0]
        field = str(first["loc"][0]) if first["loc"] else "settings"
        variable = DOWNWARD.get(field, PREFIX + field.upper())
        raise SettingsError(f"{variable} cannot be used: {first['msg']}.") from error


def known(kind: type[ProcessSettings]) -> str:
    """Name every variable that a process understands."""
    return ", ".join(PREFIX + name.upper() for name in kind.model_fields if name not in DOWNWARD)


def _parsed(kind: type[ProcessSettings], name: str, text: str) -> object:
    if get_origin(kind.model_fields[name].annotation) is tuple:
        return tuple(part.strip() for part in text.split(",") if part.strip())
    return text
