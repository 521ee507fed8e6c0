"""How busy a server is, in percent, from what it says of itself or from what it works on. Pure."""

import math
import re
from collections.abc import Mapping
from typing import Final

from autoglm_api.routing import RoutingDocument, Upstream

CACHE_NAMES: Final = (
    "vllm:kv_cache_usage_perc",
    "vllm:gpu_cache_usage_perc",
    "sglang:token_usage",
)
"""Gauges of 0..1: the part of the cache for running requests that is taken.

Source: the documentation of vLLM's production metrics (the second name is that before 0.11) and
SGLang's.
"""
WAITING_NAMES: Final = ("vllm:num_requests_waiting", "sglang:num_queue_reqs")
"""Gauges of requests that wait inside the server: with any, it has no room."""
FULL: Final = 100

_SAMPLE: Final = re.compile(r"^([A-Za-z_:][A-Za-z0-9_:]*)(?:\{[^}]*\})?\s+(\S+)", re.MULTILINE)


def said(metrics: str) -> int | None:
    """The utilisation in a server's own metrics; None if they do not tell."""
    found: dict[str, float] = {}
    for name, text in _SAMPLE.findall(metrics):
        if name in CACHE_NAMES or name in WAITING_NAMES:
            value = _number(text)
            if value is not None:
                # One process may serve several models, each with its own sample.
                found[name] = max(value, found.get(name, 0.0))
    if any(found.get(name, 0.0) > 0 for name in WAITING_NAMES):
        return FULL
    taken = [found[name] for name in CACHE_NAMES if name in found]
    return _percent(max(taken)) if taken else None


def worked(in_flight: int, limit: int | None) -> int:
    """The utilisation by requests in flight; nothing is known without a limit."""
    return 0 if limit is None else _percent(in_flight / limit)


def of_document(
    document: RoutingDocument, said_by: Mapping[str, int | None], in_flight: Mapping[str, int]
) -> dict[str, int]:
    """Utilisation of every server by name."""
    found: dict[str, int] = {}
    for upstream in document.upstreams:
        limit = upstream.limits.max_concurrency
        for name in servers_of(upstream):
            own = said_by.get(name)
            found[name] = worked(in_flight.get(name, 0), limit) if own is None else own
    return found


def servers_of(upstream: Upstream) -> dict[str, str | None]:
    """The servers of an upstream with the address of their metrics; None for external ones."""
    if upstream.external is not None:
        return {upstream.name: None}
    return {f"{upstream.name}.{one.uid}": _url(one.address, one.port) for one in upstream.servers}


def _url(address: str, port: int) -> str:
    host = f"[{address}]" if ":" in address else address
    return f"http://{host}:{port}/metrics"


def _percent(part: float) -> int:
    return min(FULL, max(0, round(part * 100)))


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
