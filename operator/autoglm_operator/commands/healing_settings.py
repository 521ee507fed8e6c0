"""What `autoglm receiver` and `autoglm healer` are told by their environment."""

from datetime import timedelta
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, model_validator

from autoglm_api.durations import Duration
from autoglm_operator.clients.alertmanager import AlertmanagerAccess
from autoglm_operator.manifests.cleaning import CleaningSite
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

    max_bytes_at_once: int = Field(20 * 2**20, ge=1024, le=1024 * 2**20)
    """Size of all deliveries under way together, in bytes. Default 20 MiB: read, each takes some
    eight times as much memory."""

    token_directory: Path | None = None
    """Directory whose files hold static tokens, one per line; absent for none."""

    client_authority_file: Path | None = None
    """PEM certificates of the authorities that sign callers' certificates; absent for none."""

    client_names: tuple[str, ...] = ()
    """Names of client certificates that may post: common name, DNS or URI alternative name."""

    event_namespaces: tuple[str, ...] = ()
    """Namespaces whose policies may match flat events; empty means that none are taken."""

    episodes_name: str = Field("autoglm-event-episodes", min_length=1, max_length=253)
    """Name of the ConfigMap in the pod's namespace in which episodes of events are noted."""

    alertmanager_receiver: str = Field("autoglm", min_length=1, max_length=253)
    """Name of our receiver in Alertmanager's configuration, for the poll."""

    @model_validator(mode="after")
    def _names_belong_to_an_authority(self) -> Self:
        if (self.client_authority_file is None) is not (not self.client_names):
            raise ValueError(
                "AUTOGLM_CLIENT_AUTHORITY_FILE and AUTOGLM_CLIENT_NAMES are needed together:"
                " without names nobody is let in by a certificate"
            )
        return self


class DeadManMode(StrEnum):
    """Whether the healer acts while the alert that always fires does not arrive."""

    REQUIRE = "Require"
    OFF = "Off"


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

    dead_man_mode: DeadManMode = DeadManMode.OFF
    """Require: act only while Alertmanager lists the alert that always fires, and was told of it a
    short while ago. Off: act without knowing what fires or is silenced, if nobody answers."""

    dead_man_alert: str = Field("Watchdog", pattern=r"^[a-zA-Z_][a-zA-Z0-9_]*$", max_length=128)
    """Name of the alert that always fires."""

    dead_man_timeout: Duration = timedelta(minutes=3)
    """How long it may not arrive, as a duration such as 3m."""

    dead_man_poll_seconds: float = Field(30.0, ge=0.1, le=300)
    """Time between two questions for it, in seconds."""

    alertmanager_settle: Duration = timedelta(minutes=3)
    """How long an Alertmanager that was just started is not believed that an alert fires no more,
    as a duration: Prometheus repeats what fires every minute or two."""

    budget_max_concurrent: int = Field(5, ge=1, le=1000)
    """Runs that may act at the same time, of all policies together."""

    budget_max_runs_per_hour: int = Field(30, ge=1, le=100_000)
    """Runs that may begin to act within an hour, of all policies together."""

    budget_max_node_actions: int = Field(1, ge=1, le=1000)
    """Actions on nodes that may stand at the same time."""

    retention_ttl: Duration = timedelta(days=30)
    """How long the record of an ended run is kept, as a duration such as 720h."""

    retention_per_policy: int = Field(200, ge=1, le=10_000)
    """Records of ended runs that are kept of one policy, the youngest."""

    prometheus_url: str = Field("", max_length=2048)
    """Base URL of the Prometheus that verification asks; empty if there is none."""

    prometheus_ca_file: Path | None = None
    """PEM certificates to trust for it instead of the system's."""

    prometheus_token_file: Path | None = None
    """File with a bearer token for it."""

    queries_directory: Path | None = None
    """Directory of the admin's catalogue: one file per query, named as policies name it."""

    denied_cidrs: tuple[IPv4Network | IPv6Network, ...] = ()
    """Networks that no notice is sent to, besides the built-in refusals."""

    allowed_addresses: tuple[IPv4Network | IPv6Network, ...] = ()
    """Networks that notices may be sent to whatever else is said."""

    allowed_namespaces: tuple[str, ...] = ()
    """Namespaces whose Services the notices of every other namespace may be sent to."""

    protected_namespaces: tuple[str, ...] = ("kube-system", "kube-public", "kube-node-lease")
    """Namespaces in which nothing is healed, besides the pod's own."""

    trusted_namespaces: tuple[str, ...] = ()
    """Namespaces whose policies may act on nodes."""

    @model_validator(mode="after")
    def _a_dead_man_needs_somebody_to_ask(self) -> Self:
        if self.dead_man_mode is DeadManMode.REQUIRE and not self.alertmanager_urls:
            raise ValueError(
                "AUTOGLM_DEAD_MAN_MODE=Require needs AUTOGLM_ALERTMANAGER_URLS: without an"
                " Alertmanager that can be asked nothing would ever be healed"
            )
        return self

    node_healing: bool = False
    """Whether nodes may be isolated; the chart grants the rights for it."""

    node_jobs_namespace: str = Field("", max_length=63)
    """Namespace of the Jobs that clean disks; empty means that no disk is cleaned."""

    image: str = Field("", max_length=512)
    """Our own image, which those Jobs run."""

    image_pull_policy: str = Field("", max_length=16)
    """When a node pulls it; empty leaves it to Kubernetes."""

    image_pull_secrets: tuple[str, ...] = ()
    """Secrets of that namespace for pulling it."""

    runtime_socket: str = Field(
        "/run/containerd/containerd.sock", max_length=256, pattern=r"^/[A-Za-z0-9._/-]+$"
    )
    """The container runtime's socket on every node."""

    @property
    def cleaning_site(self) -> CleaningSite | None:
        """Where and with what disks are cleaned; None if they are not."""
        if not self.node_jobs_namespace:
            return None
        return CleaningSite(
            namespace=self.node_jobs_namespace,
            image=self.image,
            pull_policy=self.image_pull_policy,
            runtime_socket=self.runtime_socket,
            pull_secrets=self.image_pull_secrets,
        )

    @model_validator(mode="after")
    def _cleaning_has_an_image(self) -> Self:
        if self.node_jobs_namespace and not self.image:
            raise ValueError("AUTOGLM_NODE_JOBS_NAMESPACE needs AUTOGLM_IMAGE, which its Jobs run")
        return self
