"""Reads `AUTOGLM_*` environment variables into the frozen settings type of one process.

An unknown variable or a bad value ends in one sentence: a setting that is silently ignored is one
that somebody believes in. This module never reads anything but the environment and secret files.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final, TypeVar, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from autoglm_api.durations import Between, Duration

PREFIX: Final = "AUTOGLM_"
DOWNWARD: Final = {
    "pod_name": "POD_NAME",
    "pod_namespace": "POD_NAMESPACE",
    "pod_uid": "POD_UID",
    "pod_ip": "POD_IP",
}
"""The downward API gives these their names; they carry no prefix by convention."""
BUILD_VARIABLES: Final = frozenset({"AUTOGLM_CACHE", "AUTOGLM_CLUSTER"})
"""Set in the shells of people who work on this project; they are no settings of a process."""


class SettingsError(Exception):
    """The environment cannot be used; the message is one sentence for a person."""


class ProcessSettings(BaseModel):
    """What every process of the data plane is told."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    pod_name: Annotated[str, Field(max_length=253)] = ""
    """Name of this pod; it names this process in replies, journals and logs."""
    pod_namespace: Annotated[str, Field(max_length=63)] = ""
    """Namespace of this pod, for logs."""
    pod_uid: Annotated[str, Field(max_length=64)] = ""
    """UID of this pod, for logs."""
    pod_ip: Annotated[str, Field(max_length=45)] = ""
    """Address of this pod, for logs."""
    log_level: Annotated[str, Field(pattern=r"^(DEBUG|INFO|WARNING|ERROR)$")] = "INFO"
    """Lowest level of log lines that are printed."""
    host: Annotated[str, Field(max_length=45)] = ""
    """Address to listen on; empty means every address."""
    port: Annotated[int, Field(ge=1, le=65535)] = 8000
    """Port of the API and of `/healthz`, `/readyz` and `/metrics`."""
    shutdown_grace: Annotated[Duration, Between("0s", "1h")] = Field(
        default="25s", validate_default=True
    )
    """How long requests in flight may go on after SIGTERM; below Kubernetes' default of 30 s."""


S = TypeVar("S", bound=ProcessSettings)


def read(kind: type[S], environ: Mapping[str, str] | None = None) -> S:
    """Build the settings of one process; fields that hold a tuple take a comma-separated list.

    Raises:
        SettingsError: a variable is unknown or has a bad value.
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


def known(kind: type[ProcessSettings]) -> str:
    """Name every variable that a process understands."""
    return ", ".join(PREFIX + name.upper() for name in kind.model_fields if name not in DOWNWARD)


def read_secret(path: Path, variable: str) -> str:
    """The text of a secret file without white space around it.

    Raises:
        SettingsError: it cannot be read or is empty.
    """
    try:
        text = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{variable} names a file that cannot be read: {error}.") from error
    if not text:
        raise SettingsError(f"{variable} names an empty file, {path}; write the secret into it.")
    return text


def _field(kind: type[ProcessSettings], variable: str) -> str:
    name = variable.removeprefix(PREFIX).lower()
    if name not in kind.model_fields or name in DOWNWARD:
        raise SettingsError(
            f"{variable} is not a setting of this process; known are: {known(kind)}."
        )
    return name


def _parsed(kind: type[ProcessSettings], name: str, text: str) -> object:
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
