from pathlib import Path

import pytest

from autoglm_dataplane.router_agent.observed import (
    LINGER_SECONDS,
    ObservedServer,
    ObservedStream,
    ServerState,
    entries_of,
    is_staying,
    open_circuits_of,
    servers_of,
    streams_of,
    structure_of,
    workers_of,
)

HEADER = (
    "1\n# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight"
    " srv_iweight srv_time_since_last_change srv_check_status srv_port"
)


def a_line(name: str, op: int, admin: int, address: str = "10.0.0.1", port: int = 80) -> str:
    return f"3 tier.0.m 1 {name} {address} {op} {admin} 7 3 10 6 {port}"


def test_reads_servers_and_their_states() -> None:
    lines = [
        a_line("up.aaaaaaaa", 2, 0),
        a_line("starting.aaaaaaaa", 1, 0),
        a_line("down.aaaaaaaa", 0, 0),
        a_line("off.aaaaaaaa", 0, 1),
        a_line("drain.aaaaaaaa", 2, 8),
        a_line("hop", 2, 0, "-", 0),
        a_line("one.tls", 0, 4),
    ]
    found = servers_of("\n".join([HEADER, *lines, ""]))
    assert {name: server.state for name, server in found["tier.0.m"].items()} == {
        "up.aaaaaaaa": ServerState.UP,
        "starting.aaaaaaaa": ServerState.UP,
        "down.aaaaaaaa": ServerState.DOWN,
        "off.aaaaaaaa": ServerState.MAINTENANCE,
        "drain.aaaaaaaa": ServerState.DRAIN,
        "hop": ServerState.UP,
    }
    assert found["tier.0.m"]["up.aaaaaaaa"] == ObservedServer("10.0.0.1", 80, 7, ServerState.UP)


def test_no_answer_has_no_servers() -> None:
    assert servers_of("") == {}


def test_reads_the_structure_from_the_description() -> None:
    assert structure_of("Pid: 7\ndescription: 0123456789abcdef\n") == "0123456789abcdef"
    assert structure_of("Pid: 7\n") == ""


def test_reads_maps_with_strange_values() -> None:
    assert entries_of('\n0x7f1 key va;l"ue\\#\n0x7f2 other 1\n\n') == {
        "key": 'va;l"ue\\#',
        "other": "1",
    }


@pytest.mark.parametrize(
    ("answer", "staying"),
    [
        ("Name: HAProxy\nStopping: 0\nTainted: 0\n", True),
        ("Name: HAProxy\nStopping: 1\nTainted: 0\n", False),
        ("Can't find the target PID matching the prefix '@1'\n", False),
        ("", False),
    ],
)
def test_tells_a_worker_that_stays_from_one_that_ends(answer: str, staying: bool) -> None:
    assert is_staying(answer) is staying


def a_row(server: str, status: str, opened: int, seconds: int, backend: str = "tier.0.m") -> str:
    return f"{backend},{server},{status},{opened},{seconds},"


@pytest.mark.parametrize(
    ("row", "open_"),
    [
        (a_row("vendor", "DOWN", 1, 3), True),
        (a_row("vendor", "DOWN 1/2", 1, 300), True),
        (a_row("local.aaaaaaaa", "DOWN", 1, 3, "u.local"), True),
        (a_row("vendor", "UP", 4, LINGER_SECONDS - 1), True),
        (a_row("vendor", "UP 1/5", 4, LINGER_SECONDS - 1), True),
        (a_row("vendor", "UP", 4, LINGER_SECONDS), False),
        (a_row("vendor", "UP", 0, 1), False),
        (a_row("vendor", "MAINT", 1, 1), False),
        (a_row("vendor", "DRAIN", 1, 1), False),
        (a_row("vendor.0a000001", "no check", 0, 1, "out.vendor"), False),
        (a_row("planner.aaaaaaaa", "DOWN", 1, 1, "planner"), False),
        (a_row("_first", "DOWN", 1, 1, "fall.tier.0.m"), False),
    ],
)
def test_a_circuit_counts_as_open_until_it_stayed_closed(row: str, open_: bool) -> None:
    upstream = row.split(",")[1].partition(".")[0]
    found = open_circuits_of(f"# pxname,svname,status,chkdown,lastchg,\n{row}\n")
    assert found == ((upstream,) if open_ else ())


def test_many_servers_of_an_upstream_are_told_once() -> None:
    rows = [a_row(f"b.{uid}", "DOWN", 1, 1) for uid in ("aaaaaaaa", "bbbbbbbb")]
    rows += [a_row("b.aaaaaaaa", "DOWN", 1, 1, "u.b"), a_row("a", "DOWN", 1, 1)]
    told = open_circuits_of("\n".join(["# pxname,svname,status,chkdown,lastchg,", *rows]))
    assert told == ("a", "b")


SESSIONS = Path(__file__).parent / "golden" / "show-sess-all.txt"
"""Of HAProxy 3.2.26: probes, a WebSocket, a stream on the way to two tiers, a request without an
answer through a hop, and the question itself, which is no request."""


def test_reads_the_streams_of_a_worker() -> None:
    found = streams_of(SESSIONS.read_text())
    assert found == [
        ObservedStream("0x7fe1c511bc00", "hop.ext", "out.ext", "ext.7f000001", -1),
        ObservedStream("0x7fe1c511c000", "clients", "tier.0.ws.50a66195", "ws.00008b55", 101),
        ObservedStream(
            "0x7fe1c511c400",
            "fall.tier.0.glm-test.606f0ee2_first",
            "tier.0.glm-test.606f0ee2",
            "one.0000a4d1",
            200,
        ),
        ObservedStream("0x7fe1c5491000", "hop.ext", "out.ext", "ext.7f000001", -1),
        ObservedStream("0x7fe1c5491400", "clients", "fall.tier.0.glm-test.606f0ee2", "_first", 200),
        ObservedStream("0x7fe1c5491800", "clients", "tier.0.mext.1d54c37b", "ext", -1),
        ObservedStream("0x7fe1c5491c00", "hop.ext", "out.ext", "ext.7f000001", -1),
    ]


def test_an_answer_without_streams_has_none() -> None:
    assert streams_of("\n") == []
    assert streams_of("Can't find the target PID matching the prefix '@!999'\n") == []


def test_reads_the_workers_new_and_old() -> None:
    answer = (
        "#<PID>          <type>          <reloads>       <uptime>        <version>      \n"
        "12647           master          2 [failed: 0]   0d00h00m03s     3.2.26-1       \n"
        "# workers\n"
        "12731           worker          0               0d00h00m00s     3.2.26-1       \n"
        "# old workers\n"
        "12655           worker          1               0d00h00m03s     3.2.26-1       \n\n"
    )
    assert workers_of(answer) == (12731, 12655)
    assert workers_of("") == ()
