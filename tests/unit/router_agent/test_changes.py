"""Decisions against a pretended HAProxy that does what each step says."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoglm_api.routing import RoutingDocument, Security, Upstream, key_digest, seal
from autoglm_dataplane.router_agent import changes
from autoglm_dataplane.router_agent.changes import Command, Live, Reload, Removal, ReplaceMap
from autoglm_dataplane.router_agent.layout import Layout, Ports
from autoglm_dataplane.router_agent.observed import Observed, ObservedServer, ServerState
from autoglm_dataplane.router_agent.render import render
from autoglm_dataplane.router_agent.rendered import Rendered
from routingtables import a_document, a_managed, a_server, a_table, an_external

WHERE = Layout(Path("/run/router"), "0.0.0.0", Ports(8080, 8090, 8404), 600)  # noqa: S104
PINS = {"out": ["203.0.113.7"]}


def rendered(*upstreams: Upstream, **fields: object) -> Rendered:
    return render(seal(a_table(upstreams, **fields), 1), PINS, WHERE)


def running(table: Rendered) -> Observed:
    """A HAProxy that was just started on this table."""
    return Observed(
        table.structure,
        {
            backend.name: {
                name: ObservedServer(line.address or "-", line.port, line.weight, ServerState.UP)
                for name, line in backend.servers.items()
            }
            for backend in table.backends
        },
        dict(table.maps),
    )


def after(observed: Observed, plan: Live) -> Observed:
    """What HAProxy says once the steps are done."""
    servers = {backend: dict(found) for backend, found in observed.servers.items()}
    maps = dict(observed.maps)
    for step in plan.steps:
        match step:
            case ReplaceMap(path, entries):
                maps[path] = entries
            case Removal(server):
                backend, _, name = server.partition("/")
                del servers[backend][name]
            case Command(text):
                _obey(text, servers)
    return Observed(observed.structure, servers, maps)


def _obey(text: str, servers: dict[str, dict[str, ObservedServer]]) -> None:
    words = text.split()
    backend, _, name = words[2].partition("/")
    found = servers.setdefault(backend, {})
    if words[0] == "add":
        address, _, port = words[3].rpartition(":")
        assert words[4] == "weight"
        found[name] = ObservedServer(address, int(port), int(words[5]), ServerState.MAINTENANCE)
    elif words[:2] == ["set", "server"]:
        found[name] = _changed(found[name], words[3:])
    else:
        assert words[:2] == ["enable", "health"]


def _changed(server: ObservedServer, words: list[str]) -> ObservedServer:
    match words:
        case ["weight", weight]:
            return replace(server, weight=int(weight))
        case ["addr", address, "port", port]:
            return replace(server, address=address, port=int(port))
        case ["state", "ready"]:
            return replace(server, state=ServerState.UP)
        case ["state", "maint"]:
            return replace(server, state=ServerState.MAINTENANCE)
        case _:
            raise AssertionError(words)


def test_nothing_is_planned_when_nothing_changed() -> None:
    table = rendered(a_managed("one", 80), an_external("out", 443, host="a.example"))
    assert changes.plan(running(table), table) == Live(())


@pytest.mark.parametrize(
    "upstreams",
    [
        (a_managed("one", 80), a_managed("two", 81)),
        (a_managed("one", 80, model="other"),),
        (a_managed("one", 80, priority=1),),
        (a_managed("one", 80, 81),),
        (),
    ],
)
def test_structure_needs_a_reload(upstreams: tuple[Upstream, ...]) -> None:
    assert changes.plan(running(rendered(a_managed("one", 80))), rendered(*upstreams)) == Reload()


def test_a_weight_is_one_command() -> None:
    before = rendered(a_managed("one", 80), a_managed("two", 81))
    wanted = rendered(a_managed("one", 80, weight=3), a_managed("two", 81))
    plan = changes.plan(running(before), wanted)
    assert isinstance(plan, Live)
    assert [type(step) for step in plan.steps] == [Command]
    assert "/one.00000050 weight 3" in str(plan.steps[0])


def test_a_client_key_replaces_one_map() -> None:
    security = Security(client_keys=(key_digest("other"),))
    before = running(rendered(a_managed("one", 80)))
    plan = changes.plan(before, rendered(a_managed("one", 80), security=security))
    assert isinstance(plan, Live)
    paths = [step.path for step in plan.steps if isinstance(step, ReplaceMap)]
    assert paths[0] == "/run/router/client-keys.map"
    assert len(paths) == len(plan.steps) == 3


def test_new_pods_come_before_old_ones_go() -> None:
    before = rendered(a_managed("one", 80, 81))
    plan = changes.plan(running(before), rendered(a_managed("one", 82, 83)))
    assert isinstance(plan, Live)
    kinds = [
        "add" if "add server" in str(step) else "maint"
        for step in plan.steps
        if "add server" in str(step) or "state maint" in str(step)
    ]
    assert kinds == ["add", "add", "maint", "maint"] * 2
    assert not plan.settled


def test_a_server_that_waits_for_removal_counts_as_applied() -> None:
    wanted = rendered(a_managed("one", 80, 81))
    observed = running(wanted)
    stray = ObservedServer("10.0.0.9", 80, 1, ServerState.MAINTENANCE)
    tier = next(name for name in observed.servers if name.startswith("tier."))
    servers = {**observed.servers, tier: {**observed.servers[tier], "one.ffffffff": stray}}
    plan = changes.plan(replace(observed, servers=servers), wanted)
    assert plan == Live((Removal(f"{tier}/one.ffffffff"),))
    assert isinstance(plan, Live)
    assert plan.settled


def test_a_wanted_server_in_maintenance_is_switched_on() -> None:
    wanted = rendered(a_managed("one", 80))
    observed = running(wanted)
    off = {
        backend: {name: replace(one, state=ServerState.MAINTENANCE) for name, one in found.items()}
        for backend, found in observed.servers.items()
    }
    plan = changes.plan(replace(observed, servers=off), wanted)
    assert isinstance(plan, Live)
    # In its tier, by its name, and the lane.
    assert sum("state ready" in str(step) for step in plan.steps) == 3


def test_an_open_circuit_is_left_open() -> None:
    wanted = rendered(a_managed("one", 80))
    observed = running(wanted)
    down = {
        backend: {name: replace(one, state=ServerState.DOWN) for name, one in found.items()}
        for backend, found in observed.servers.items()
    }
    assert changes.plan(replace(observed, servers=down), wanted) == Live(())
    assert [step.text for step in changes.reopened(replace(observed, servers=down), observed)] == [
        f"set server {backend}/{name} health down"
        for backend, found in down.items()
        for name in found
    ]


def test_an_address_that_moved_is_set() -> None:
    before = running(rendered(a_managed("one", 80)))
    moved = a_managed("one", servers=(a_server(80, address="10.0.0.2"),))
    plan = changes.plan(before, rendered(moved))
    assert isinstance(plan, Live)
    assert all("addr 10.0.0.2 port 80" in str(step) for step in plan.steps)


@st.composite
def tables(draw: st.DrawFn) -> RoutingDocument:
    """Documents that are often alike, so that live changes happen as well."""
    upstreams: list[Upstream] = []
    for name in draw(st.lists(st.sampled_from(["a", "b"]), unique=True)):
        ports = draw(st.lists(st.integers(1, 4), min_size=1, unique=True))
        upstreams.append(
            a_managed(
                name, *ports, weight=draw(st.integers(1, 5)), priority=draw(st.integers(0, 1))
            )
        )
    if draw(st.booleans()):
        upstreams.append(an_external("out", 443, host="a.example"))
    keys = draw(st.lists(st.sampled_from(["k1", "k2"]), unique=True))
    security = Security(client_keys=tuple(map(key_digest, keys)))
    return a_document(upstreams, security=security, version=draw(st.integers(1, 9)))


@settings(deadline=None)
@given(tables(), tables())
def test_deciding_again_after_success_plans_nothing(
    old: RoutingDocument, new: RoutingDocument
) -> None:
    observed, wanted = running(render(old, PINS, WHERE)), render(new, PINS, WHERE)
    plan = changes.plan(observed, wanted)
    observed = running(wanted) if isinstance(plan, Reload) else after(observed, plan)
    assert changes.plan(observed, wanted) == Live(())


@settings(deadline=None)
@given(tables(), tables())
def test_live_changes_lead_to_what_the_file_says(
    old: RoutingDocument, new: RoutingDocument
) -> None:
    wanted = render(new, PINS, WHERE)
    before = running(render(old, PINS, WHERE))
    plan = changes.plan(before, wanted)
    if isinstance(plan, Live):
        assert after(before, plan) == running(wanted)
