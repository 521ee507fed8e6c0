"""Renders a routing document into HAProxy's configuration. Pure and deterministic.

Only fields of the document's types reach the text, each through a template of ours in the modules
`frontends` and `backends`; their patterns allow no blank, quote or line break. Nothing here asks
whether a change needs a reload: see `changes`.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Final

from autoglm_api.routing import RoutingDocument, Upstream
from autoglm_dataplane.router_agent import (
    admission,
    backends,
    backoff,
    fallback,
    frontends,
    lanes,
    layout,
    names,
)
from autoglm_dataplane.router_agent.answers import NOT_CONFIGURED
from autoglm_dataplane.router_agent.balancing import Loads
from autoglm_dataplane.router_agent.layout import Layout
from autoglm_dataplane.router_agent.rendered import Backend, Rendered
from autoglm_dataplane.router_agent.sections import defaults_section, global_section

Pins = Mapping[str, Sequence[str]]
"""Addresses of every external endpoint by upstream, already checked."""
NO_LOADS: Final[Loads] = {}


def bootstrap(where: Layout) -> Rendered:
    """What HAProxy starts with before there is a document: every client is told to come back."""
    lines = (
        *global_section(where),
        *defaults_section(where, retries=0),
        *frontends.metrics(where, ready=False),
        "frontend clients",
        f"    bind {where.address(where.ports.clients)}",
        f"    http-request return {NOT_CONFIGURED.arguments()}",
        "frontend internal",
        f"    bind {where.address(where.ports.internal)}",
        f"    http-request return {NOT_CONFIGURED.arguments()}",
    )
    return Rendered(lines, (), {})


def render(
    document: RoutingDocument, pins: Pins, where: Layout, loads: Loads = NO_LOADS
) -> Rendered:
    """Everything that HAProxy reads for this document."""
    models = _models_file(document, where)
    authorities = {
        where.path(_digested(f"ca-{upstream.name}", upstream.external.ca, "pem")): (
            upstream.external.ca
        )
        for upstream in document.upstreams
        if upstream.external is not None and upstream.external.ca is not None
    }
    maps = _maps(document, where)
    ranks = sum(path.startswith(where.path("models-")) for path in maps)
    prelude = (
        *global_section(where),
        *defaults_section(where, retries=document.retry.max_attempts - 1),
        *frontends.metrics(where, ready=True),
        *frontends.clients(document, where, models=next(iter(models)), ranks=ranks),
        *frontends.internal(document, where, models=next(iter(models)), ranks=ranks),
        *(
            line
            for listener in (names.CLIENTS, names.INTERNAL)
            for line in frontends.from_lane(document, where, listener=listener, ranks=ranks)
        ),
        *(
            line
            for upstream in _by_name(document)
            if upstream.hopped
            for line in frontends.hop(upstream, where)
        ),
        *(
            line
            for upstream in _by_name(document)
            if upstream.endpoint_model is not None
            for line in frontends.renamed(upstream, where)
        ),
        *(
            line
            for model in _models(document)
            if fallback.reachable(document)
            for line in frontends.fallbacks(document, model, where)
        ),
    )
    behind = tuple(_backends(document, pins, loads, where))
    return Rendered(
        prelude,
        behind,
        _named(maps, (*prelude, *(line for backend in behind for line in backend.lines))),
        models | authorities | admission.files(document, where),
    )


def _named(
    maps: Mapping[str, Mapping[str, str]], lines: Iterable[str]
) -> dict[str, Mapping[str, str]]:
    """The maps that the configuration names: HAProxy knows no others, and cannot be asked."""
    text = "\n".join(lines)
    return {path: entries for path, entries in maps.items() if f"({path})" in text}


def tiers(document: RoutingDocument) -> dict[tuple[str, int], tuple[Upstream, ...]]:
    """Upstreams by model and priority, preferred tiers first."""
    ordered = sorted(document.upstreams, key=lambda one: (one.model, one.priority, one.name))
    return {
        key: tuple(members)
        for key, members in groupby(ordered, key=lambda one: (one.model, one.priority))
    }


def _models(document: RoutingDocument) -> list[list[fallback.Tier]]:
    """Tiers by model, preferred ones first."""
    by_model = groupby(tiers(document).items(), key=lambda each: each[0][0])
    return [
        [(names.tier(model, priority), members) for (_, priority), members in found]
        for model, found in by_model
    ]


def _backends(document: RoutingDocument, pins: Pins, loads: Loads, where: Layout) -> list[Backend]:
    found = [
        backends.unavailable(),
        backends.planner(document, where),
        lanes.lane(document, where),
    ]
    if any(upstream.hopped for upstream in document.upstreams):
        found.append(backoff.table())
    found += [
        backends.tier(document, members, loads, where) for members in tiers(document).values()
    ]
    found += [
        fallback.backend(document, model[at:], where)
        for model in _models(document)
        if fallback.reachable(document)
        for at in range(len(model) - 1)
    ]
    for upstream in _by_name(document):
        found.append(backends.direct(document, upstream, where))
        if upstream.external is not None:
            ca = upstream.external.ca
            bundle = where.path(_digested(f"ca-{upstream.name}", ca, "pem")) if ca else None
            addresses = pins.get(upstream.name, ())
            found.append(backends.outside(document, upstream, addresses, where, bundle))
        elif upstream.endpoint_model is not None:
            found.append(backends.behind(document, upstream, loads))
        if upstream.endpoint_model is not None:
            found.append(lanes.rename(document, upstream, where))
    return found


def _by_name(document: RoutingDocument) -> list[Upstream]:
    """Upstreams in an order that means nothing, so that another order is no change."""
    return sorted(document.upstreams, key=lambda one: one.name)


def _maps(document: RoutingDocument, where: Layout) -> dict[str, dict[str, str]]:
    by_rank: list[dict[str, str]] = [{}]
    by_rank[0] |= dict.fromkeys(document.models, names.UNAVAILABLE)
    by_rank[0] |= dict.fromkeys(document.planner.models, names.PLANNER)
    for model, keys in groupby(tiers(document), key=lambda key: key[0]):
        for rank, (_, priority) in enumerate(keys):
            if rank == len(by_rank):
                by_rank.append({})
            by_rank[rank][model] = names.tier(model, priority)
    endpoint_keys = {
        upstream.name: upstream.external.api_key
        for upstream in document.upstreams
        if upstream.external is not None and upstream.external.api_key is not None
    }
    tokens = {
        hashlib.sha256(token.encode()).hexdigest(): "1"
        for token in document.security.internal_tokens
    }
    if document.security.internal_tokens:
        endpoint_keys[backends.PLANNER_KEY] = document.security.internal_tokens[0]
    found = {
        layout.CLIENT_KEYS: dict.fromkeys(document.security.client_keys, "1"),
        layout.INTERNAL_TOKENS: tokens,
        layout.TOKEN_SECRETS: admission.secrets_map(document),
        layout.ENDPOINT_KEYS: endpoint_keys,
        layout.UPSTREAMS: {
            upstream.name: names.direct(upstream.name) for upstream in document.upstreams
        },
        **fallback.maps(document, _models(document)),
        **{names.model_map(rank): entries for rank, entries in enumerate(by_rank)},
    }
    return {where.path(name): entries for name, entries in found.items()}


def _models_file(document: RoutingDocument, where: Layout) -> dict[str, str]:
    listed = [
        {"id": model, "object": "model", "created": 0, "owned_by": "autoglm"}
        for model in sorted((*document.models, *document.planner.models))
    ]
    text = json.dumps({"object": "list", "data": listed}) + "\n"
    return {where.path(_digested("models", text, "json")): text}


def _digested(stem: str, text: str, suffix: str) -> str:
    return f"{stem}-{hashlib.sha256(text.encode()).hexdigest()[:16]}.{suffix}"
