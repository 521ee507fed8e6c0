"""What an executor is told by its environment."""

from typing import Annotated

from pydantic import Field

from autoglm_dataplane.taskstore.settings import TaskSettings


class ExecutorSettings(TaskSettings):
    """One executor."""

    port: Annotated[int, Field(ge=1, le=65535)] = 8001
    """Port of `/healthz`, `/readyz` and `/metrics`."""
    slots: Annotated[int, Field(ge=1, le=256)] = 8
    """Tasks that it works on at once. Default 8: they wait for models and need little here."""
