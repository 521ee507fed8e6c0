"""What `autoglm receiver` and `autoglm healer` are told by their environment."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

from pydantic import Field

from autoglm_operator.clients.alertmanager import AlertmanagerAccess
from autoglm_operator.runtime.settings import ProcessSettings

AlertmanagerURL = Annotated[
    str, Field(pattern=r"^https?://[^/?#@\s]+(/[^?#\s]*)?$", max_length=512)
]
"""http or https, with a path if Alertmanager has a route prefix; no credentials, no query."""


class HealingSettings(ProcessSettings):
    """What both processes are told."""

    watch_namespaces: tuple[str, ...] = ()
    """Namespaces to work in; empty means all."""

    sweep_seconds: float = Field(300.0, ge=5, le=3600)
    """Time between two lists that find what the watches missed, in seconds."""

    alertmanager_urls: tuple[AlertmanagerURL, ...] = ()
    """Base URLs of every Alertmanager, without `/api/v2`; empty means that none can be asked."""

    alertmanager_ca_file: Path | None = None
    """PEM certificates to trust for https instead of the system's, which may be renewed."""

    alertmanager_token_file: Path | None = None
    """File with a bearer token to show to Alertmanagers, which may be renewed."""

    @property
    def alertmanagers(self) -> AlertmanagerAccess:
        """Where the Alertmanagers are and how they are trusted."""
        return AlertmanagerAccess(
            self.alertmanager_urls, self.alertmanager_ca_file, self.alertmanager_token_file
        )


class ReceiverSettings(HealingSettings):
    """Settings of the receiver; every one is a variable `AUTOGLM_<NAME>`."""

    trusted_namespaces: tuple[str, ...] = ()
    """Namespaces whose policies may match alerts of other namespaces."""

    tls_directory: Path = Path("/run/tls")
    """Directory with `tls.crt` and `tls.key`, which may be renewed while the process runs."""

    webhook_host: str = Field("", max_length=45)
    """Address of the webhook; empty means every address."""

    webhook_port: int = Field(8443, ge=0, le=65535)
    """Port of the webhook; 0 picks a free one."""

    max_body_bytes: int = Field(10 * 2**20, ge=1024, le=100 * 2**20)
    """Size of the largest delivery that is read, in bytes. Default 10 MiB: thousands of alerts."""


class Admission(StrEnum):
    """Whether the healer acts without a proof that admission policies bound it."""

    REQUIRED = "Required"
    OFF = "Off"


class HealerSettings(HealingSettings):
    """Settings of the healer; every one is a variable `AUTOGLM_<NAME>`."""

    lease_name: str = Field("autoglm-healer", min_length=1, max_length=63)
    """Name of the Lease in the pod's namespace."""

    workers: int = Field(8, ge=1, le=64)
    """Runs that may be looked at at once."""

    admission: Admission = Admission.REQUIRED
    """Required: act only while a forbidden dry-run change of the healer's own Deployment is refused
    by an admission policy. Off: act without that proof, for development without the chart."""

    deployment_name: str = Field("autoglm-healer", min_length=1, max_length=253)
    """Name of the healer's own Deployment in the pod's namespace, for that proof."""

    protected_namespaces: tuple[str, ...] = ("kube-system", "kube-public", "kube-node-lease")
    """Namespaces in which nothing is healed, besides the pod's own."""

    trusted_namespaces: tuple[str, ...] = ()
    """Namespaces whose policies may act on nodes."""
