"""What a cluster says about its routers: how traffic is shared, protected and let in.

Part of AutoGLMCluster. It only describes; how a router does it stands in the data plane.
"""

from typing import Annotated

from pydantic import Field

from autoglm_api.base import Quantity
from autoglm_api.clusteraccess import RouterTLS
from autoglm_api.pods import PodOptions
from autoglm_api.routingpolicies import AccessLog, Strategy
from autoglm_api.rules import Rule, rules

BodySize = Annotated[
    Quantity,
    Rule(
        "isQuantity(string(self)) && quantity(string(self)).compareTo(quantity('1Ki')) >= 0"
        " && quantity(string(self)).compareTo(quantity('1Gi')) <= 0",
        "write a size from 1Ki to 1Gi",
    ),
]
"""Size of a request body."""


class RouterRole(PodOptions):
    """The pods that take requests from clients."""

    model_config = rules(
        Rule(
            "(has(self.strategy) && self.strategy == 'ConsistentHash') == has(self.hashHeader)",
            "hashHeader goes with strategy ConsistentHash and with no other: name the header whose"
            " value decides, or remove it",
        ),
        Rule(
            "!has(self.hashLoadPercent) || (has(self.strategy) && self.strategy.endsWith('Hash'))",
            "hashLoadPercent goes with strategy ConsistentHash or SourceIPHash: remove it",
        ),
    )

    replicas: Annotated[int, Field(ge=1, le=100)] = 2
    """Number of pods. Default 2: one may be lost without an outage."""
    strategy: Strategy = Strategy.ROUND_ROBIN
    """How each router shares the requests of a tier among its servers, a Managed endpoint counting
    as many as it has ready pods. RoundRobin: in turn, by weight. LeastConnections: to who has the
    fewest in flight for its weight. SourceIPHash and ConsistentHash: one address or one value of
    hashHeader always to one server. LoadAware: in turn, by weight times what is left of the server,
    at least a tenth; read every second from its own metrics (vLLM's and SGLang's names) or from its
    requests in flight over maxConcurrency. Default RoundRobin: it needs no state."""
    hash_header: (
        Annotated[
            str,
            Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9]([-A-Za-z0-9]*[A-Za-z0-9])?$"),
            Rule(
                "self.matches(r'^[A-Za-z0-9]([-A-Za-z0-9]*[A-Za-z0-9])?$')",
                "write the name of a header: letters, digits and '-'",
            ),
        ]
        | None
    ) = None
    """Header whose value decides, for ConsistentHash; requests without it are shared in turn."""
    hash_load_percent: Annotated[int, Field(ge=101, le=1000)] | None = None
    """For the hashes, 101 to 1000: a server with more than this percentage of the average requests
    in flight hands further ones on to the next. Absent: a key never moves, however hot it is."""
    sticky_cookie: (
        Annotated[
            str,
            Field(min_length=1, max_length=63, pattern=r"^[A-Za-z][A-Za-z0-9_-]*$"),
            Rule(
                "self.matches(r'^[A-Za-z][A-Za-z0-9_-]*$')",
                "write a cookie's name: a letter, then letters, digits, '_' and '-'",
            ),
        ]
        | None
    ) = None
    """Name of a cookie that the router sets, so that a client that sends it back stays at its
    server while that is usable, whatever the strategy. Absent: no cookie."""
    tls: RouterTLS | None = None
    """Certificate of the port for clients, which then speaks nothing but TLS and is port 443 of the
    Service. Absent: port 80, without TLS."""
    access_log: AccessLog = AccessLog.ALL
    """Which requests get a line of JSON on the router's standard output, with trace id, model,
    upstream, status and times, never with a key or a body. All; Failures: those that ended in a
    5xx, a time-out or a broken connection, or had to be repeated; None. Default All."""
    max_body_size: BodySize = "20Mi"
    """Largest request body, 1Ki to 1Gi; a larger one is answered 413. Default 20Mi: some large
    images."""
