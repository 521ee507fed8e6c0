"""What every process of the data plane is told by its environment, and how it reads a secret file.

The environment itself is read by `autoglm_api.settings`, alike in both planes.
"""

from pathlib import Path
from typing import Annotated

from pydantic import Field

from autoglm_api.durations import Between, Duration
from autoglm_api.settings import Settings, SettingsError


class ProcessSettings(Settings):
    """What every process of the data plane is told."""

    host: Annotated[str, Field(max_length=45)] = ""
    """Address to listen on; empty means every address."""
    port: Annotated[int, Field(ge=1, le=65535)] = 8000
    """Port of the API and of `/healthz`, `/readyz` and `/metrics`."""
    shutdown_grace: Annotated[Duration, Between("0s", "1h")] = Field(
        default="25s", validate_default=True
    )
    """How long requests in flight may go on after SIGTERM; below Kubernetes' default of 30 s."""


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
