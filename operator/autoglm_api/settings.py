"""Reads `AUTOGLM_*` environment variables into the frozen settings type of one process.

Both planes read alike; each process declares its own type, a subclass of `Settings`. A variable
that no field knows, or a bad value, ends in one sentence: a setting that is silently ignored is one
that somebody believes in. This module never reads anything but the environment.
"""

import os
from collections.abc import Mapping
from typing import Annotated, Final, TypeVar, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationError

PREFIX: Final = "AUTOGLM_"
DOWNWARD: Final = {
    "pod_name": "POD_NAME",
    "pod_namespace": "POD_NAMESPACE",
    "pod_uid": "POD_UID",
    "pod_ip": "POD_IP",
}
"""The downward API gives these their names; they carry no prefix by convention."""
BUILD_VARIABLES: Final = frozenset(
    {
        "AUTOGLM_CACHE",
        "AUTOGLM_CLUSTER",
        "AUTOGLM_CLUSTER_EXEC",
        "AUTOGLM_CLUSTER_STATE",
        "AUTOGLM_DEBIAN_ARCHIVE",
        "AUTOGLM_KEEP_CLUSTER",
        "AUTOGLM_NODE_IMAGE",
        "AUTOGLM_REQUIRE_NODES",
    }
)
"""Set in the shells of people who work on this project; they are no settings of a process."""


class SettingsError(Exception):
    """The environment cannot be used; the message is one sentence for a person."""


class Settings(BaseModel):
    """What every process is told."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    pod_name: Annotated[str, Field(max_length=253)] = ""
    """Name of this pod; it names this process in Events, replies, journals and logs."""
    pod_namespace: Annotated[str, Field(max_length=63)] = ""
    """Namespace of this pod, where its Lease lives."""
    pod_uid: Annotated[str, Field(max_length=64)] = ""
    """UID of this pod: the holder of its Lease, the same after a container restart."""
    pod_ip: Annotated[str, Field(max_length=45)] = ""
    """Address of this pod."""
    log_level: Annotated[str, Field(pattern=r"^(DEBUG|INFO|WARNING|ERROR)$")] = "INFO"
    """Lowest level of log lines that are printed."""


S = TypeVar("S", bound=Settings)


def read(kind: type[S], environ: Mapping[str, str] | None = None) -> S:
    """Build the settings of one process; fields that hold a tuple take a comma-separated list.

    Raises:
        SettingsError: A variable is unknown or has a bad value.
    """
    environ = os.environ if environ is None else environ
    values: dict[str, object] = {}
    for variable in environ:
        if variable.startswith(PREFIX) and variable not in BUILD_VARIABLES:
            name = _field(kind, variable)
            values[name] = _parsed(kind, name, environ[variable])
    values |= {name: environ[key] for name, key in DOWNWARD.items() if environ.get(key)}
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        raise SettingsError(_sentence(error)) from error


def known(kind: type[Settings]) -> str:
    """Name every variable that a process understands."""
    return ", ".join(PREFIX + name.upper() for name in kind.model_fields if name not in DOWNWARD)


def _field(kind: type[Settings], variable: str) -> str:
    name = variable.removeprefix(PREFIX).lower()
    if name not in kind.model_fields or name in DOWNWARD:
        raise SettingsError(
            f"{variable} is not a setting of this process; known are: {known(kind)}."
        )
    return name


def _parsed(kind: type[Settings], name: str, text: str) -> object:
    if get_origin(kind.model_fields[name].annotation) is tuple:
        return tuple(part.strip() for part in text.split(",") if part.strip())
    return text


def _sentence(error: ValidationError) -> str:
    first = error.errors()[0]
    field = str(first["loc"][0]) if first["loc"] else ""
    message = first["msg"].removeprefix("Value error, ")
    if not field:
        return f"The settings do not fit together: {message}."
    return f"{DOWNWARD.get(field, PREFIX + field.upper())} cannot be used: {message}."
