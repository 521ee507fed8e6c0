"""The routing document: everything that a router needs to know, and nothing else.

The operator writes it into the Secret `c-routing` and pushes it to the router agents, which render
HAProxy's configuration from it. It carries keys, so it lives only in that Secret and in router
pods. Every string that reaches HAProxy's text has a strict allow-list pattern here: the first of
two fences against injection (the renderer's templates are the other). This module never talks to
anything and never decides which upstream is eligible.

How a changed field is brought into force by the agent is said in the field's docstring:

- *runtime*: through HAProxy's runtime API, without a new worker;
- *reload*: by a hitless reload, the first at once and then at most one per 2 s.
"""

import hashlib
import json
from enum import StrEnum
from typing import Annotated, Final, Self

from pydantic import Field, ValidationError, model_validator

from autoglm_api.base import ObjectName
from autoglm_api.routingpolicies import AccessLog, Limits, Sharing
from autoglm_api.routingsecurity import AuthenticationType, ListenerCertificate, Tokens
from autoglm_api.routingvalues import (
    Address,
    BasePath,
    CertificateBundle,
    Credential,
    HostName,
    Milliseconds,
    ModelName,
    Network,
    Part,
    Port,
    ServerUid,
    Sha256,
)

MAX_DOCUMENT_BYTES: Final = 900 * 1024
"""A Secret holds 1 MiB, not counting base64, and this one also carries a certificate."""
MAX_UPSTREAMS: Final = 256
"""Arbitrary, because a table that a person wrote by hand is far smaller."""
MAX_SERVERS: Final = 512
"""Per upstream. Arbitrary, but connections to all servers must fit HAProxy's file descriptors."""
MAX_WEIGHT: Final = 1_000_000
"""The bound of a weight in AutoGLMCluster; the agent scales weights to HAProxy's 1..256."""
SERVER_UID_LENGTH: Final = 8
"""So many characters of a pod's UID tell apart the pods of one upstream."""


class RoutingDocumentError(ValueError):
    """A routing document cannot be used; the message is one sentence and never quotes a value."""


class RoutingTooLargeError(RoutingDocumentError):
    """The document is over `MAX_DOCUMENT_BYTES`."""


class Scheme(StrEnum):
    """How an external endpoint is reached."""

    HTTP = "http"
    HTTPS = "https"


class ChatCompletionRetry(StrEnum):
    """Whether a chat completion that was sent may be sent again."""

    BEFORE_FIRST_BYTE = "BeforeFirstByte"
    NEVER = "Never"


class Server(Part):
    """One ready pod that serves a role or a managed endpoint. All runtime."""

    uid: ServerUid
    """First 8 characters of the pod's UID; the server's name ends in it, so that a new pod on an
    old address is never taken for the old one."""
    address: Address
    """The pod's address."""
    port: Port
    """The pod's port, spoken to in plain HTTP."""


class External(Part):
    """An endpoint behind a URL. The agent resolves, checks and pins its addresses (runtime)."""

    scheme: Scheme
    """Reload."""
    host: HostName
    """Sent as Host, resolved by the agent. Reload."""
    server_name: HostName | None = None
    """Sent as SNI and checked in the certificate; without it that is the host. Reload."""
    port: Port
    """Reload."""
    path: BasePath = ""
    """Takes the place of the client's `/v1`; nothing is appended to it but what follows. Reload."""
    api_key: Annotated[Credential | None, Field(repr=False)] = None
    """Sent as bearer token to this endpoint only; without it no Authorization is sent. Runtime."""
    ca: CertificateBundle | None = None
    """Certificates that may have signed the endpoint's; without it those of the system. Reload."""

    @model_validator(mode="after")
    def _verifiable(self) -> Self:
        checked = self.server_name or self.host
        if self.scheme is Scheme.HTTPS and checked.replace(".", "").isdigit():
            raise ValueError("an https endpoint needs a host name, because HAProxy checks names")
        if self.scheme is Scheme.HTTP and (self.ca or self.server_name) is not None:
            raise ValueError("certificates have no use for an http endpoint")
        return self


class Timeouts(Part):
    """Limits of one upstream. Reload. Managed upstreams of one tier share the largest of theirs."""

    connect_milliseconds: Milliseconds = 2_000
    """Until a connection stands."""
    first_byte_milliseconds: Milliseconds = 60_000
    """From the request until the reply's headers; a frozen endpoint is noticed by nothing else."""
    request_milliseconds: Milliseconds = 600_000
    """Longest silence after the first byte, and longest time of a whole request. HAProxy has no
    limit for the latter: the agent ends what is over it, about once a second."""


class Upstream(Part):
    """One eligible upstream; those that are not eligible are absent. Adding or removing: reload."""

    name: ObjectName
    """Name in the AutoGLMCluster; part of server names and of `/u/<name>/`. Reload."""
    model: ModelName
    """What clients ask for. Reload."""
    endpoint_model: ModelName | None = None
    """What the endpoint itself calls it, if that is another name: the lane writes it into every
    body. All its servers are then one server of the tier, and share behind it. Reload."""
    priority: Annotated[int, Field(ge=0, le=1000)] = 0
    """The tier: a higher number is a later fallback. Reload."""
    weight: Annotated[int, Field(ge=1, le=MAX_WEIGHT)] = 1
    """Share within its tier, split evenly over its servers. Runtime."""
    servers: Annotated[tuple[Server, ...], Field(max_length=MAX_SERVERS)] = ()
    """Ready pods of a managed endpoint. Runtime, but a tier's first growth over one server reloads,
    because only a tier of several repeats a 429 elsewhere."""
    external: External | None = None
    """The endpoint behind a URL, instead of servers."""
    timeouts: Timeouts = Timeouts()
    """Time limits towards this upstream."""
    limits: Limits = Limits()
    """How much it may be asked."""

    @property
    def hopped(self) -> bool:
        """Whether requests get an identity or a model's name of their own on the way to it."""
        return self.external is not None or self.endpoint_model is not None

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if bool(self.servers) == (self.external is not None):
            raise ValueError("an upstream has either servers or an external endpoint")
        if len({server.uid for server in self.servers}) != len(self.servers):
            raise ValueError("two servers of an upstream have the same uid")
        if self.endpoint_model == self.model:
            raise ValueError("a model that is not renamed has no other name")
        if self.servers and self.limits.requests_per_minute is not None:
            raise ValueError("only an external endpoint has a limit of requests per minute")
        return self


class Planner(Part):
    """Where `/v1/tasks`, `/v1/runs` and virtual models go."""

    models: Annotated[tuple[ModelName, ...], Field(max_length=64)] = ()
    """Virtual models that the planner answers. Reload."""
    servers: Annotated[tuple[Server, ...], Field(max_length=MAX_SERVERS)] = ()
    """Ready planner pods. Runtime."""


class Breaker(Part):
    """The circuit of every server, local to each router. Reload."""

    consecutive_failures: Annotated[int, Field(ge=1, le=1000)] = 5
    """Failures in a row (no connection, time-out, 5xx) that open the circuit."""
    open_milliseconds: Milliseconds = 10_000
    """Until the router sends a request of its own to see whether the server is well again."""
    half_open_requests: Annotated[int, Field(ge=1, le=10)] = 1
    """Good answers in a row to such requests that close the circuit."""


class Retry(Part):
    """When a request is sent again, to another server where there is one. Reload."""

    max_attempts: Annotated[int, Field(ge=1, le=10)] = 3
    """Attempts per request. HAProxy counts a refused connection as one, too."""
    chat_completions: ChatCompletionRetry = ChatCompletionRetry.BEFORE_FIRST_BYTE
    """`Never`: a chat completion that was sent is not sent again."""


class Listener(Part):
    """What clients may send, and what is kept of it. Reload."""

    max_body_bytes: Annotated[int, Field(ge=1024, le=1 << 30)] = 20 * 1024 * 1024
    """Larger bodies are answered 413."""
    access_log: AccessLog = AccessLog.ALL
    """Which requests are logged."""
    certificate: ListenerCertificate | None = None
    """With it the port speaks TLS alone."""


class Security(Part):
    """Who may come in. Keys of clients and internal tokens: runtime; all else: reload."""

    authentication: AuthenticationType = AuthenticationType.API_KEY
    """How clients prove who they are."""
    tokens: Tokens | None = None
    """Which tokens are let in, for JWT."""
    client_keys: Annotated[tuple[Sha256, ...], Field(max_length=1000)] = ()
    """`key_digest` of every valid API key; none: every client is refused."""
    internal_tokens: Annotated[tuple[Credential, ...], Field(max_length=4, repr=False)] = ()
    """Tokens of port 8090, all accepted; the first is also shown to the planner."""

    @model_validator(mode="after")
    def _told(self) -> Self:
        if (self.authentication is AuthenticationType.JWT) is not (self.tokens is not None):
            raise ValueError("rules of tokens go with JWT and with nothing else")
        return self


class EndpointSafety(Part):
    """Which addresses an external endpoint must not have; the agent checks what it resolves."""

    denied_cidrs: Annotated[tuple[Network, ...], Field(max_length=256)] = ()
    """Refused besides what `endpointsafety` always refuses."""
    allowed_addresses: Annotated[tuple[Network, ...], Field(max_length=256)] = ()
    """Allowed whatever else is said."""


class RoutingTable(Part):
    """What is to be in force, without a version."""

    cluster: ObjectName
    """Name of the AutoGLMCluster."""
    namespace: Annotated[str, Field(max_length=63, pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")]
    """Its namespace."""
    listener: Listener = Listener()
    security: Security = Security()
    models: Annotated[tuple[ModelName, ...], Field(max_length=MAX_UPSTREAMS)] = ()
    """Every model name of an upstream, eligible or not: one without an upstream is answered 503, a
    name that is not here 404. Reload."""
    upstreams: Annotated[tuple[Upstream, ...], Field(max_length=MAX_UPSTREAMS)] = ()
    planner: Planner = Planner()
    sharing: Sharing = Sharing()
    breaker: Breaker = Breaker()
    retry: Retry = Retry()
    endpoint_safety: EndpointSafety = EndpointSafety()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        names = (*self.models, *self.planner.models)
        if len(set(names)) != len(names):
            raise ValueError("a model name is listed twice")
        if len({upstream.name for upstream in self.upstreams}) != len(self.upstreams):
            raise ValueError("an upstream name is listed twice")
        if not {upstream.model for upstream in self.upstreams} <= set(self.models):
            raise ValueError("every upstream's model must be listed in models")
        return self


class RoutingDocument(RoutingTable):
    """A table with its version and the hash that proves it whole."""

    version: Annotated[int, Field(ge=1, le=2**53)]
    """The live one plus 1 at every change; the highest wins."""
    hash: Sha256
    """`sha256` of the canonical JSON without this field."""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.hash != _hash_of(self):
            raise ValueError("the hash is not that of the content")
        return self

    def table(self) -> RoutingTable:
        """The content without version and hash, to see whether anything changed."""
        return RoutingTable.model_validate(self.model_dump(exclude={"version", "hash"}))


def seal(table: RoutingTable, version: int) -> RoutingDocument:
    """Give a table its version and hash."""
    values = table.model_dump()
    unsealed = RoutingDocument.model_construct(
        **dict(RoutingTable.model_validate(values)), version=version, hash=""
    )
    signed = {**values, "version": version, "hash": _hash_of(unsealed)}
    return RoutingDocument.model_validate(signed)


def encode(document: RoutingDocument) -> bytes:
    """The document as canonical JSON: sorted keys, no blanks, ASCII.

    Raises:
        RoutingTooLargeError: It would not fit.
    """
    text = _canonical(document.model_dump(mode="json", exclude_none=True))
    if len(text) > MAX_DOCUMENT_BYTES:
        raise RoutingTooLargeError(
            f"the routing document has {len(text)} bytes, more than {MAX_DOCUMENT_BYTES}"
        )
    return text


def decode(text: bytes) -> RoutingDocument:
    """Read a document and check its every field and its hash.

    Raises:
        RoutingDocumentError: It cannot be used.
    """
    if len(text) > MAX_DOCUMENT_BYTES:
        raise RoutingTooLargeError(f"the document has more than {MAX_DOCUMENT_BYTES} bytes")
    try:
        return RoutingDocument.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "document"
        raise RoutingDocumentError(f"{place}: {first['msg']}") from None


def key_digest(key: str) -> str:
    """What the document holds of a client's API key."""
    return hashlib.sha256(key.encode()).hexdigest()


def _canonical(values: object) -> bytes:
    return json.dumps(values, sort_keys=True, separators=(",", ":")).encode()


def _hash_of(document: RoutingDocument) -> str:
    values = document.model_dump(mode="json", exclude_none=True, exclude={"hash"})
    return hashlib.sha256(_canonical(values)).hexdigest()
