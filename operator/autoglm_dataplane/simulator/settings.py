"""What the simulator is told by its environment."""

from pathlib import Path
from typing import Annotated

from pydantic import Field, field_validator, model_validator

from autoglm_api.durations import Between, Duration
from autoglm_dataplane.serving.settings import ProcessSettings


class SimulatorSettings(ProcessSettings):
    """One simulated model server."""

    models: tuple[str, ...] = ("autoglm-simulated",)
    """Comma-separated names that the endpoint knows; any other is answered 404, as real ones do."""
    seed: int = 0
    """Answers and plans follow from this number and the question alone."""
    base_path: Annotated[str, Field(pattern=r"^(/[A-Za-z0-9._-]+)*$")] = "/v1"
    """Path in front of `/chat/completions` and `/models`, as vendors have their own."""
    api_key_file: Path | None = None
    """File with the API key that callers must show; absent means that none is asked for."""
    latency: Annotated[Duration, Between("0s", "1h")] = Field(default="0s", validate_default=True)
    """Time before the first byte of every answer."""
    chunk_delay: Annotated[Duration, Between("0s", "1h")] = Field(
        default="0s", validate_default=True
    )
    """Time between two chunks of a streamed answer."""
    faults_file: Path | None = None
    """File in which faults set by admin call outlive a restart; a file that does not parse ends
    the process at start, with exit code 2."""
    tls_cert_file: Path | None = None
    """Certificate chain to serve HTTPS with; goes with the key file."""
    tls_key_file: Path | None = None
    """Private key of the certificate."""

    @field_validator("models")
    @classmethod
    def _at_least_one(cls, models: tuple[str, ...]) -> tuple[str, ...]:
        if not models:
            raise ValueError("name at least one model")
        return models

    @model_validator(mode="after")
    def _certificate_with_key(self) -> "SimulatorSettings":
        if (self.tls_cert_file is None) != (self.tls_key_file is None):
            raise ValueError("set both AUTOGLM_TLS_CERT_FILE and AUTOGLM_TLS_KEY_FILE or neither")
        return self
