"""Settings that planner and executors share: the store and the way to the models."""

import os
import socket
from pathlib import Path
from typing import Annotated

from pydantic import Field

from autoglm_api.durations import Between, Duration
from autoglm_dataplane.serving.settings import ProcessSettings
from autoglm_dataplane.taskstore.connection import Connection
from autoglm_dataplane.taskstore.keys import Keys


class TaskSettings(ProcessSettings):
    """A process that works on runs."""

    store_url: Annotated[str, Field(pattern=r"^(valkey|valkeys|redis|rediss)://")]
    """URL of the task store, as `valkey://demo-store:6379/0`, without a password."""
    store_password_file: Path | None = None
    """File with the store's password; absent means that it has none."""
    store_prefix: Annotated[str, Field(max_length=128)] = "autoglm:"
    """Beginning of every key, so that clusters may share a store."""
    internal_url: Annotated[str, Field(pattern=r"^https?://[^/]+$")]
    """The router's internal listener, as `http://demo-router-internal:8090`, without a path."""
    internal_token_file: Path
    """File with the token that the roles of a cluster show each other."""
    run_retention: Annotated[Duration, Between("1m", "24h")] = Field(
        default="1h", validate_default=True
    )
    """How long an answered run can still be read, and its `Idempotency-Key` is known."""

    @property
    def name(self) -> str:
        """How the store and journals tell this process from others of its role."""
        return self.pod_name or f"{socket.gethostname()}-{os.getpid()}"

    def connection(self) -> Connection:
        """A connection to the store."""
        return Connection(self.store_url, self.store_password_file)

    def keys(self) -> Keys:
        """The names in the store."""
        return Keys(self.store_prefix)
