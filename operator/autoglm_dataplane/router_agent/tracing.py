"""How a request is known by: its identities, and its line in the access log. Pure.

A line never holds a key, a body or a query. What comes from a client is bounded and written by
HAProxy's own JSON encoder.
"""

from typing import Final

from autoglm_api.routingpolicies import AccessLog
from autoglm_dataplane.router_agent import answers

LANE_UPSTREAM: Final = "x-autoglm-lane-upstream"
LANE_SERVER: Final = "x-autoglm-lane-server"
LANE_NAMED: Final = "x-autoglm-lane-named"
"""Of an answer on its way back through sockets: who gave it, and to which model's request."""

_LINE_BYTES: Final = 8192
"""More than the longest line, whatever has to be escaped in it."""
_PATH_BYTES: Final = 256
_TRACEPARENT: Final = (
    "^(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-.*)?$"
)
"""Source: the W3C's Trace Context, 3.2.2; a longer one is of a later version."""

_ENDPOINT: Final = "regsub(^_[a-z]+$,,)"
"""Leaves nothing of a server that is only a way: what was told on the way back takes its place."""
_UPSTREAM: Final = f"srv_name,field(1,.),{_ENDPOINT},concat(,txn.lane_upstream)"
_SERVER: Final = f"srv_name,{_ENDPOINT},concat(,txn.lane_server)"

_FIELDS: Final = (
    "%(time)[accept_date(ms),ms_utime(%Y-%m-%dT%H:%M:%S.%3NZ)]",
    "%(logger)[str(access)]",
    "%(listener)[fe_name]",
    "%(request_id)[var(txn.request_id)]",
    "%(trace_id)[var(txn.traceparent),field(2,-)]",
    "%(client)ci",
    "%(caller)[var(txn.caller)]",
    "%(method)HM",
    "%(path)[var(txn.path)]",
    "%(model)[var(txn.named)]",
    f"%(upstream)[{_UPSTREAM}]",
    f"%(server)[{_SERVER}]",
    "%(status:sint)ST",
    "%(retries:sint)rc",
    "%(queue_ms:sint)Tw",
    "%(connect_ms:sint)Tc",
    "%(first_byte_ms:sint)Tr",
    "%(total_ms:sint)Ta",
    "%(request_bytes:sint)U",
    "%(response_bytes:sint)B",
    "%(termination)ts",
)


def identified() -> tuple[str, ...]:
    """Keeps or makes a request's id and its place in a trace, and returns both with the answer.

    A trace that begins here is marked as sampled: an endpoint that records traces does so as it
    would without a router. No span is recorded here.
    """
    untraced = f"unless {{ req.fhdr(traceparent) -m reg {answers.quoted(_TRACEPARENT)} }}"
    made = "%[uuid(),regsub(-,,g)]-%[uuid(),regsub(-,,g),bytes(0,16)]"
    return (
        "    unique-id-format %[uuid()]",
        "    http-request set-header x-request-id %[unique-id] "
        "unless { req.fhdr(x-request-id) -m reg ^[A-Za-z0-9._-]{8,128}$ }",
        "    http-request set-var(txn.request_id) req.fhdr(x-request-id)",
        "    http-after-response set-header x-request-id %[var(txn.request_id)]",
        # The state of a trace is worth nothing without the trace, so it goes first.
        f"    http-request del-header tracestate {untraced}",
        f"    http-request set-header traceparent 00-{made}-01 {untraced}",
        "    http-request set-var(txn.traceparent) req.fhdr(traceparent)",
        "    http-after-response set-header traceparent %[var(txn.traceparent)]",
    )


def logged(choice: AccessLog) -> tuple[str, ...]:
    """The access log of a listener, beside HAProxy's own messages."""
    if choice is AccessLog.NONE:
        return ("    no log",)
    line = " ".join(_FIELDS)
    every = "no option" if choice is AccessLog.ALL else "option"
    return (
        "    no log",
        f"    log stdout len {_LINE_BYTES} format raw local0 info",
        f"    {every} dontlog-normal",
        f"    log-format {answers.quoted('%{+json}o ' + line)}",
        f"    http-request set-var(txn.path) path,bytes(0,{_PATH_BYTES})",
    )


def told() -> tuple[str, ...]:
    """Writes who answers into an answer that goes back through the lane or a fallback."""
    return (
        f"    http-after-response set-header {LANE_UPSTREAM} %[{_UPSTREAM}]",
        f"    http-after-response set-header {LANE_SERVER} %[{_SERVER}]",
        f"    http-after-response set-header {LANE_NAMED} %[var(txn.named)]",
    )


def heard() -> tuple[str, ...]:
    """Reads that out of the answer again, so that it does not reach a client."""
    found = {
        "txn.lane_upstream": LANE_UPSTREAM,
        "txn.lane_server": LANE_SERVER,
        "txn.named": LANE_NAMED,
    }
    return (
        *(
            f"    http-response set-var({name}) res.fhdr({header})"
            for name, header in found.items()
        ),
        *(f"    http-response del-header {header}" for header in found.values()),
    )
