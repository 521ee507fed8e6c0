"""AutoGLMCluster: one stack of router, planner, executor and store over weighted model endpoints.

These types only describe it; they never decide which upstream is eligible.
"""

from datetime import timedelta
from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from autoglm_api.autoscaling import REPLICAS_XOR_AUTOSCALING, Autoscaling
from autoglm_api.base import (
    COUNTER_LIMIT,
    NAME_RULE,
    Generation,
    LocalRef,
    ObjectName,
    Quantity,
    SpecModel,
    StatusModel,
)
from autoglm_api.clusteraccess import ClusterSecurity
from autoglm_api.conditions import Conditions
from autoglm_api.durations import Between, Duration
from autoglm_api.kinds import AUTOGLM_CLUSTER
from autoglm_api.modelendpoint import ModelName
from autoglm_api.pods import PodOptions
from autoglm_api.resource import AGE, Column, Definition, Resource, Scale, condition_column
from autoglm_api.routerrole import RouterRole
from autoglm_api.rules import Rule, list_map, rules

UPSTREAM_LIMIT = 128
"""Upstreams of one cluster. Arbitrary, because 128 entries keep the routing document well below the
900 KiB that fit into its Secret."""


class Upstream(SpecModel):
    """One model endpoint that the cluster sends requests to."""

    name: ObjectName
    """Name inside this cluster, in metrics, in status and in the header x-autoglm-upstream."""
    endpoint_ref: LocalRef
    """The ModelEndpoint behind it."""
    weight: Annotated[int, Field(ge=0, le=1_000_000)] = 1
    """Share of the requests relative to the other upstreams of the same model and priority. 0 means
    none. Default 1: equal shares."""
    served_model_name: ModelName | None = None
    """What clients ask for, so that one name stands over endpoints that know the model by other
    names; the router writes the endpoint's own into every request. The answer is not changed.
    Absent: the endpoint's model."""
    priority: Annotated[int, Field(ge=0, le=100)] = 0
    """Tier. Requests go to the lowest number that has a usable upstream; higher numbers are later
    fallbacks. Default 0: the first tier."""


class PlannerRole(PodOptions):
    """The pods that split a task into subtasks and join the results."""

    replicas: Annotated[int, Field(ge=1, le=100)] = 2
    """Number of pods. Default 2: one may be lost without an outage."""


class ExecutorRole(PodOptions):
    """The pods that work on subtasks."""

    model_config = rules(REPLICAS_XOR_AUTOSCALING)

    replicas: Annotated[int, Field(ge=1, le=1000)] | None = None
    """Number of pods; the scale subresource writes it. Absent without autoscaling means 2: one may
    be lost without an outage."""
    autoscaling: Autoscaling | None = None
    """An autoscaler that chooses the number of pods, instead of replicas."""

    @property
    def initial_replicas(self) -> int:
        """Number of pods to start with; an autoscaler moves on from there."""
        if self.autoscaling is not None:
            return self.autoscaling.min_replicas
        return 2 if self.replicas is None else self.replicas


class CooperationStrategy(StrEnum):
    """How a request for a virtual model is worked on."""

    SINGLE = "Single"
    PLAN = "Plan"


class Cooperation(SpecModel):
    """How planner and executors work on a request together."""

    strategy: CooperationStrategy = CooperationStrategy.PLAN
    """Single asks one model once; Plan splits the task into subtasks that run in parallel. Default
    Plan, because a client that wants one model asks for that model itself."""
    timeout: Annotated[Duration, Between("1s", "1h")] = timedelta(minutes=5)
    """Time for a whole request, 1s to 1h; then the client gets an error. Default 5m: three rounds
    of a slow model."""


class CircuitBreaker(SpecModel):
    """When a router stops sending requests to a failing upstream."""

    consecutive_failures: Annotated[int, Field(ge=1, le=1000)] = 5
    """Failures in a row (no connection, time-out, 5xx) that open the circuit. Default 5: one bad
    answer is no outage."""
    open_duration: Annotated[Duration, Between("1s", "10m")] = timedelta(seconds=10)
    """Time until the router probes an open upstream once, 1s to 10m. Default 10s: most servers
    restart within it."""


class ChatCompletionRetry(StrEnum):
    """Until when a chat completion may be sent again."""

    BEFORE_FIRST_BYTE = "BeforeFirstByte"
    NEVER = "Never"


class Retry(SpecModel):
    """When a router sends a failed request again, to another upstream if there is one."""

    max_attempts: Annotated[int, Field(ge=1, le=10)] = 3
    """Times that a request is really sent, the first included; 1 means no retry. Default 3: one
    upstream may fail and the next be overloaded."""
    chat_completions: ChatCompletionRetry = ChatCompletionRetry.BEFORE_FIRST_BYTE
    """BeforeFirstByte repeats a chat completion until its answer begins, which may cost tokens
    twice; Never repeats it only when it was not sent. Default BeforeFirstByte."""


class StoreType(StrEnum):
    """Where runs and tasks are kept."""

    EMBEDDED = "Embedded"


StorageSize = Annotated[
    Quantity,
    Rule(
        "isQuantity(string(self)) && quantity(string(self)).compareTo(quantity('64Mi')) >= 0"
        " && quantity(string(self)).compareTo(quantity('16Ti')) <= 0",
        "write a size from 64Mi to 16Ti",
    ),
    Rule(
        "self == oldSelf",
        "storage cannot be changed: delete the cluster and create it with the new size",
    ),
]
"""Size of a volume, fixed at creation."""


class EmbeddedStore(PodOptions):
    """A Valkey that the operator runs, with a volume of its own."""

    storage: StorageSize = "1Gi"
    """Size of the volume, 64Mi to 16Ti. It cannot be changed. Default 1Gi: about a million journal
    entries; finished runs are trimmed."""


class Store(SpecModel):
    """Where runs and tasks are kept, so that no accepted task is lost."""

    type: StoreType = StoreType.EMBEDDED
    """Embedded is a Valkey that the operator runs. Default Embedded: it needs nothing else."""
    embedded: EmbeddedStore = EmbeddedStore()
    """The store of type Embedded."""


class Sessions(SpecModel):
    """What planner and executors remember."""

    store: Store = Store()
    """Where runs and tasks are kept."""


class AutoGLMClusterSpec(SpecModel):
    """The upstreams of the stack and the size and behaviour of its roles."""

    paused: bool = False
    """Whether the operator leaves everything of this cluster as it is. Default false."""
    upstreams: Annotated[
        tuple[Upstream, ...], Field(min_length=1, max_length=UPSTREAM_LIMIT), list_map("name")
    ]
    """The model endpoints, 1 to 128, each with weight and priority."""
    router: RouterRole = RouterRole()
    """The pods that take requests from clients."""
    planner: PlannerRole = PlannerRole()
    """The pods that split a task into subtasks and join the results."""
    executor: ExecutorRole = ExecutorRole()
    """The pods that work on subtasks; `kubectl scale` changes their number."""
    cooperation: Cooperation = Cooperation()
    """How planner and executors work on a request together."""
    circuit_breaker: CircuitBreaker = CircuitBreaker()
    """When a router stops sending requests to a failing upstream."""
    retry: Retry = Retry()
    """When a router sends a failed request again."""
    sessions: Sessions = Sessions()
    """What planner and executors remember."""
    security: ClusterSecurity = ClusterSecurity()
    """Who may send requests."""


Count = Annotated[int, Field(ge=0, le=2**31 - 1)]
"""A number of pods."""


class RoleStatus(StatusModel):
    """The pods of one role."""

    name: Annotated[str, Field(min_length=1, max_length=32)]
    """Name of the role: router, planner, executor or store."""
    replicas: Count = 0
    """Number of pods that exist."""
    updated: Count = 0
    """Number of pods of the current generation."""
    ready: Count = 0
    """Number of ready pods of the current generation."""


class CircuitState(StrEnum):
    """Whether requests go to an upstream."""

    OPEN = "Open"
    CLOSED = "Closed"


class UpstreamStatus(StatusModel):
    """One upstream as the operator sees it."""

    name: ObjectName
    """Name of the upstream."""
    eligible: bool = False
    """Whether it may get requests: its endpoint is Ready and not suspended, its weight above 0."""
    share_percent: Annotated[int, Field(ge=0, le=100)] = 0
    """Its share of the requests in its model and tier, in percent, rounded."""
    circuit: CircuitState | None = None
    """Open if a router keeps requests from it, or from a pod of it, or did so in the last half
    minute, because of failures in a row; absent until its routers have told."""


class RoutingStatus(StatusModel):
    """The routing document and who has it in force."""

    version: Annotated[int, Field(ge=0, le=COUNTER_LIMIT)] = 0
    """Version of the newest document."""
    hash: Annotated[str, Field(max_length=64)] = ""
    """SHA-256 of the newest document, in hexadecimal."""
    acknowledged: Count = 0
    """Number of routers that have it in force."""
    routers: Count = 0
    """Number of ready routers."""


class AutoGLMClusterStatus(StatusModel):
    """What the operator last saw of the cluster; it changes on transitions only."""

    observed_generation: Generation = 0
    """The metadata.generation that this status is about."""
    url: Annotated[str, Field(max_length=1024)] | None = None
    """URL of the router's Service inside the Kubernetes cluster."""
    replicas: Count = 0
    """Number of executor pods, for the scale subresource."""
    selector: Annotated[str, Field(max_length=1024)] | None = None
    """Label selector of the executor pods, for the scale subresource."""
    roles: Annotated[tuple[RoleStatus, ...], Field(max_length=8), list_map("name")] = ()
    """The pods of every role."""
    upstreams: Annotated[
        tuple[UpstreamStatus, ...], Field(max_length=UPSTREAM_LIMIT), list_map("name")
    ] = ()
    """Every upstream of the spec."""
    routing: RoutingStatus | None = None
    """The routing document and who has it in force."""
    conditions: Conditions = ()
    """Accepted, ResolvedRefs, RolesReady, RoutingProgrammed, Degraded and Ready; Insecure while
    clients are not authenticated."""


class AutoGLMCluster(Resource[AutoGLMClusterSpec, AutoGLMClusterStatus]):
    """One stack: router, planner, executor, session store, and its weighted upstreams."""

    definition: ClassVar[Definition] = Definition(
        kind=AUTOGLM_CLUSTER,
        short_name="agc",
        columns=(
            condition_column("Ready"),
            condition_column("Ready", "reason"),
            condition_column("Degraded"),
            Column("Executors", ".status.replicas", "Number of executor pods.", type="integer"),
            Column("URL", ".status.url", "Where clients inside the cluster send requests."),
            Column(
                "Routing",
                ".status.routing.version",
                "Version of the newest routing document.",
                type="integer",
                wide=True,
            ),
            condition_column("Ready", "message"),
            AGE,
        ),
        rules=(NAME_RULE,),
        scale=Scale(".spec.executor.replicas", ".status.replicas", ".status.selector"),
    )
