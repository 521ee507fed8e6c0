"""ModelEndpoint: one model behind an OpenAI-compatible API, the unit of release.

Either a URL that somebody else runs, or server pods that the operator runs. These types only
describe it; they never resolve an address or read a Secret.
"""

from datetime import timedelta
from enum import StrEnum
from typing import Annotated, ClassVar, Final, Self

from pydantic import Field, model_validator

from autoglm_api.autoscaling import REPLICAS_XOR_AUTOSCALING, Autoscaling
from autoglm_api.base import (
    NAME_RULE,
    Generation,
    KubernetesName,
    SecretKeyRef,
    SpecModel,
    StatusModel,
    Timestamp,
)
from autoglm_api.conditions import MESSAGE_LIMIT, Conditions
from autoglm_api.durations import Between, Duration, not_longer
from autoglm_api.kinds import MODEL_ENDPOINT
from autoglm_api.pods import PodOptions
from autoglm_api.resource import AGE, Column, Definition, Resource, Scale, condition_column
from autoglm_api.rules import ATOMIC, Rule, rules

_MODEL_PATTERN: Final = r"^[A-Za-z0-9][-A-Za-z0-9._:/@+]*$"

ModelName = Annotated[
    str,
    Field(min_length=1, max_length=128, pattern=_MODEL_PATTERN),
    Rule(
        f"self.matches(r'{_MODEL_PATTERN}')",
        "use letters, digits and -._:/@+ only, a letter or digit first",
    ),
]
"""Name of a model as in the OpenAI API; no spaces, quotes or control characters."""

_HOST: Final = r"([A-Za-z0-9]([-A-Za-z0-9.]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])"
_PORT: Final = (
    "([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])"
)
_PATH: Final = "(/[-A-Za-z0-9._~%/]*)?"

_URL_RULES: Final = (
    Rule(
        "self.startsWith('https://') || self.startsWith('http://')",
        "start with https:// or http://, as in https://models.example.com/v1",
    ),
    Rule(
        "!self.matches('^[^/]*//[^/?#]*@')",
        "write no credentials here: put the key into a Secret and name it in apiKeySecretRef",
    ),
    Rule(
        "!self.contains('?') && !self.contains('#')",
        "end before '?' and '#': only scheme, host, port and path are used",
    ),
    Rule(
        "!self.startsWith('http') || self.contains('@') || self.contains('?') || self.contains('#')"
        f" || self.matches(r'^[a-z]+://{_HOST}(:{_PORT})?{_PATH}$')",
        "write scheme://host[:port][/path] with letters, digits and -._~% only",
    ),
)


class EndpointType(StrEnum):
    """Who runs the model server."""

    EXTERNAL = "External"
    MANAGED = "Managed"


_SERVER_NAME = r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?([.][a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)*$"


class EndpointTLS(SpecModel):
    """How an https endpoint is trusted."""

    model_config = rules(
        Rule(
            "has(self.caSecretRef) || has(self.serverName)",
            "write caSecretRef, serverName or both, or remove tls",
        )
    )

    ca_secret_ref: SecretKeyRef | None = None
    """Secret with the PEM certificates of the authorities that may have signed the endpoint's
    certificate; they replace the system's. Absent: the system's."""
    server_name: (
        Annotated[
            str,
            Field(min_length=1, max_length=253, pattern=_SERVER_NAME),
            Rule(
                f"self.matches(r'{_SERVER_NAME}')",
                "write a DNS name in lower case, such as models.example.com",
            ),
        ]
        | None
    ) = None
    """DNS name that the endpoint is asked for by SNI and that its certificate must have, where that
    is not the host of baseURL. Absent: the host."""


class ExternalEndpoint(SpecModel):
    """A server that somebody else runs."""

    model_config = rules(
        Rule(
            "!has(self.tls) || self.baseURL.startsWith('https://')",
            "tls needs a baseURL that starts with https://",
        )
    )

    base_url: Annotated[str, Field(min_length=1, max_length=1024, alias="baseURL"), *_URL_RULES]
    """URL to which /chat/completions and /models are appended; used as is, /v1 is never added.
    Addresses of this machine, of cloud metadata and of the API server are refused."""
    api_key_secret_ref: SecretKeyRef | None = None
    """Secret with the key that is sent as bearer token; absent means that none is sent."""
    tls: EndpointTLS | None = None
    """Trust of an https endpoint; absent means the system's certificate authorities."""


class Engine(StrEnum):
    """What runs in the pods of a managed endpoint."""

    VLLM = "VLLM"
    SGLANG = "SGLang"
    SIMULATOR = "Simulator"
    CUSTOM = "Custom"


_CLAIM_PATH: Final = r"^pvc://[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?(/[-A-Za-z0-9_.@+=]+)*$"


class Artifact(SpecModel):
    """The model's files, and what they must be."""

    uri: Annotated[
        str,
        Field(min_length=1, max_length=1024),
        Rule(
            f"self.matches(r'{_CLAIM_PATH}') && !self.matches('/[.][.]?(/|$)')",
            "write pvc://claim/path: a PersistentVolumeClaim of this namespace and a path inside"
            " it, of letters, digits and -_.@+= between single slashes",
        ),
    ]
    """Where the files are: pvc://CLAIM/PATH, a directory or a single file in a
    PersistentVolumeClaim of the same namespace. Pods mount it read-only."""
    digest: Annotated[str, Field(min_length=1, max_length=71, pattern="^sha256:[0-9a-f]{64}$")]
    """What the files must be, checked before a server starts: sha256 of the list that
    `find -L . -type f` and `sha256sum` make of them in the order of their names; see the
    documentation of endpoints."""


class PullSecret(SpecModel):
    """A Secret that the kubelet pulls images with; the operator never reads it."""

    name: KubernetesName
    """Name of a Secret of type kubernetes.io/dockerconfigjson in the same namespace."""


class ManagedEndpoint(PodOptions):
    """Server pods that the operator runs."""

    model_config = rules(
        Rule(
            "self.engine == 'Simulator' || has(self.image)",
            "this engine needs an image: only engine Simulator has one of its own",
        ),
        Rule(
            "self.engine != 'Simulator' || (!has(self.image) && !has(self.args))",
            "engine Simulator runs the operator's own image: remove image and args,"
            " or set engine: Custom",
        ),
        REPLICAS_XOR_AUTOSCALING,
    )

    engine: Engine
    """VLLM and SGLang are started with model, name and port, and args after them; Simulator is a
    model double without weights; Custom is any image with an OpenAI-compatible server."""
    image: (
        Annotated[str, Field(min_length=1, max_length=512, pattern=r"^[A-Za-z0-9][-\w./:@]*$")]
        | None
    ) = None
    """Container image of every engine but Simulator; it runs as user 65532 on a read-only root file
    system, with /tmp to write to."""
    args: (
        Annotated[tuple[Annotated[str, Field(max_length=1024)], ...], Field(max_length=64), ATOMIC]
        | None
    ) = None
    """Arguments of the server, after those that the engine needs; of engine Custom, all arguments
    of the image's entrypoint. Absent means none."""
    port: Annotated[int, Field(ge=1, le=65535)] = 8000
    """TCP port on which the server speaks HTTP, with the API under /v1. Default: that of vLLM and
    SGLang examples."""
    artifact: Artifact | None = None
    """The model's files; absent means that the image or the engine brings them."""
    replicas: Annotated[int, Field(ge=0, le=1000)] | None = None
    """Number of pods; the scale subresource writes it. Absent without autoscaling means 1, because
    a model server may need a whole accelerator."""
    autoscaling: Autoscaling | None = None
    """An autoscaler that chooses the number of pods, instead of replicas."""
    startup_timeout: Annotated[Duration, Between("10s", "6h")] = timedelta(minutes=30)
    """Time for a pod to load the model, 10s to 6h; then its container is started again. Default
    30m: large models load for many minutes."""
    drain_timeout: Annotated[Duration, Between("1s", "1h")] = timedelta(seconds=30)
    """Time for which a pod that leaves goes on with the requests that it has, 1s to 1h. Routers
    stop sending it new ones at once. Default 30s, as in a pod."""
    runtime_class_name: KubernetesName | None = None
    """RuntimeClass of the pods, such as nvidia; absent means the nodes' default."""
    image_pull_secrets: Annotated[tuple[PullSecret, ...], Field(max_length=8), ATOMIC] = ()
    """Secrets that the kubelet pulls the image with; none by default."""

    @property
    def initial_replicas(self) -> int:
        """Number of pods to start with; an autoscaler moves on from there."""
        if self.autoscaling is not None:
            return self.autoscaling.min_replicas
        return 1 if self.replicas is None else self.replicas


class EndpointTimeouts(SpecModel):
    """How long the router waits for the endpoint."""

    model_config = rules(not_longer("firstByte", "request"))

    connect: Annotated[Duration, Between("100ms", "1m")] = timedelta(seconds=2)
    """Time for a TCP connection, 100ms to 1m. Default 2s: a lost packet is sent again in it."""
    first_byte: Annotated[Duration, Between("100ms", "1h")] = timedelta(seconds=60)
    """Time from the end of the request to the first byte of the answer, 100ms to 1h. Default 1m:
    long prompts take that long; it is what finds a frozen server."""
    request: Annotated[Duration, Between("100ms", "1h")] = timedelta(seconds=600)
    """Longest time of a whole request with all its attempts, from when the router has it until the
    answer is over, 100ms to 1h. Checked about once a second: it ends up to 3 s late, never early.
    WebSockets are exempt. Default 10m, the time-out of OpenAI's clients."""


class EndpointLimits(SpecModel):
    """How much the routers of one cluster together may ask of the endpoint."""

    max_concurrency: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    """Requests in flight at each of its servers: a pod of type Managed, the URL of type External.
    Every router takes an equal part, rounded up; as many again may wait, for 10 s at most, then
    the answer is 503. Absent: no limit."""
    requests_per_minute: Annotated[int, Field(ge=1, le=10_000_000)] | None = None
    """Requests in any minute, for type External. Every router takes an equal part, rounded up;
    further requests go to another upstream of the tier, or are answered 429. Absent: no limit."""


class HealthCheckMode(StrEnum):
    """What the operator asks an endpoint."""

    MODELS = "Models"
    COMPLETION = "Completion"


class HealthCheck(SpecModel):
    """How the operator finds out whether the endpoint works."""

    model_config = rules(not_longer("timeout", "interval"))

    mode: HealthCheckMode = HealthCheckMode.MODELS
    """Models asks for the list of models, which must hold the model; Completion asks for one token,
    which costs money but proves more. Default Models."""
    interval: Annotated[Duration, Between("1s", "1h")] = timedelta(seconds=30)
    """Time between two checks, 1s to 1h. Default 30s: routers notice failing traffic themselves."""
    timeout: Annotated[Duration, Between("100ms", "1m")] = timedelta(seconds=5)
    """Time for one check, 100ms to 1m. Default 5s: a busy server still lists its models."""
    failure_threshold: Annotated[int, Field(ge=1, le=100)] = 3
    """Failed checks in a row that make it unhealthy. Default 3, as in a pod's probes."""
    success_threshold: Annotated[int, Field(ge=1, le=100)] = 1
    """Good checks in a row that make it healthy again. Default 1, as in a pod's probes."""


class ModelEndpointSpec(SpecModel):
    """The model, where it is served, and how it is watched."""

    model_config = rules(
        Rule(
            "self.type != 'External' || (has(self.external) && !has(self.managed))",
            "type External needs the block external and no block managed",
        ),
        Rule(
            "self.type != 'Managed' || (has(self.managed) && !has(self.external))",
            "type Managed needs the block managed and no block external",
        ),
        Rule(
            "self.type != 'Managed' || !has(self.limits) || !has(self.limits.requestsPerMinute)",
            "limits.requestsPerMinute goes with type External: write maxConcurrency instead",
        ),
    )

    type: Annotated[
        EndpointType,
        Rule("self == oldSelf", "type cannot be changed: create an endpoint of another name"),
    ]
    """External is a URL, Managed are pods that the operator runs. It cannot be changed."""
    model: ModelName
    """The name by which the endpoint itself knows the model; clients ask for it."""
    external: ExternalEndpoint | None = None
    """The server of type External."""
    managed: ManagedEndpoint | None = None
    """The servers of type Managed."""
    timeouts: EndpointTimeouts = EndpointTimeouts()
    """How long the router waits for the endpoint."""
    limits: EndpointLimits = EndpointLimits()
    """How much routers may ask of the endpoint."""
    health_check: HealthCheck = HealthCheck()
    """How the operator finds out whether the endpoint works."""
    suspend: bool = False
    """Whether every cluster stops sending requests to it, while its pods stay. Default false."""

    @model_validator(mode="after")
    def _exactly_the_block_of_the_type(self) -> Self:
        external = self.type is EndpointType.EXTERNAL
        if (self.external is not None) is external and (self.managed is not None) is not external:
            return self
        message = f"type {self.type} needs exactly the block {self.type.lower()}"
        raise ValueError(message)


class EndpointFailure(StatusModel):
    """The last thing that went wrong; it stays after the endpoint recovered."""

    time: Timestamp
    """When it was first seen."""
    reason: Annotated[str, Field(min_length=1, max_length=64)]
    """One word for why, the same as in the condition that it made."""
    message: Annotated[str, Field(max_length=MESSAGE_LIMIT)]
    """One sentence for a person; nothing of an answer is in it but its status code."""


class ModelEndpointStatus(StatusModel):
    """What the operator last saw of the endpoint."""

    observed_generation: Generation = 0
    """The metadata.generation that this status is about."""
    url: Annotated[str, Field(max_length=1024)] | None = None
    """URL to which /chat/completions is appended, inside the cluster for type Managed."""
    replicas: Annotated[int, Field(ge=0, le=2**31 - 1)] = 0
    """Number of pods of type Managed, for the scale subresource."""
    ready_replicas: Annotated[int, Field(ge=0, le=2**31 - 1)] = 0
    """Number of ready pods of type Managed."""
    selector: Annotated[str, Field(max_length=1024)] | None = None
    """Label selector of the pods of type Managed, for the scale subresource."""
    active_revision: Annotated[str, Field(max_length=63)] | None = None
    """Revision of the pods that serve, for type Managed; part of the Deployment's name."""
    discovered_models: Annotated[
        tuple[Annotated[str, Field(max_length=128)], ...], Field(max_length=32), ATOMIC
    ] = ()
    """Models that the endpoint listed at its last good check of mode Models, the first 32 by
    name."""
    last_failure: EndpointFailure | None = None
    """The last thing that went wrong, kept after the endpoint recovered."""
    conditions: Conditions = ()
    """Accepted, ResolvedRefs, Healthy, Ready and Degraded."""


class ModelEndpoint(Resource[ModelEndpointSpec, ModelEndpointStatus]):
    """One model behind an OpenAI-compatible API: an external URL or managed server pods."""

    definition: ClassVar[Definition] = Definition(
        kind=MODEL_ENDPOINT,
        short_name="mep",
        columns=(
            Column("Type", ".spec.type", "External or Managed."),
            Column("Model", ".spec.model", "The name by which the endpoint knows the model."),
            condition_column("Ready"),
            condition_column("Ready", "reason"),
            Column("Pods", ".status.readyReplicas", "Ready pods of type Managed.", type="integer"),
            Column("URL", ".status.url", "Where the endpoint is reached.", wide=True),
            condition_column("Ready", "message"),
            AGE,
        ),
        rules=(NAME_RULE,),
        scale=Scale(".spec.managed.replicas", ".status.replicas", ".status.selector"),
    )
