import pytest

from autoglm_api.autoglmcluster import CircuitState, UpstreamStatus
from autoglm_api.conditions import Reason
from autoglm_operator.decisions import circuits
from operator_views import a_cluster

OPEN, CLOSED = CircuitState.OPEN, CircuitState.CLOSED
WELL: frozenset[str] = frozenset()
BAD = frozenset({"a"})
CLUSTER = a_cluster(
    {"name": "a", "endpointRef": {"name": "vendor"}},
    circuitBreaker={"consecutiveFailures": 7},
)


def an_upstream(
    circuit: CircuitState | None = None, *, name: str = "a", eligible: bool = True
) -> UpstreamStatus:
    return UpstreamStatus(name=name, eligible=eligible, share_percent=100, circuit=circuit)


@pytest.mark.parametrize(
    ("before", "reports", "after"),
    [
        (None, (WELL, WELL), CLOSED),
        (None, (WELL, None), None),
        (None, (None, None), None),
        (None, (), None),
        (CLOSED, (WELL, BAD), OPEN),
        (CLOSED, (None, BAD), OPEN),
        (CLOSED, (frozenset({"b"}),), CLOSED),
        (OPEN, (BAD, BAD), OPEN),
        (OPEN, (WELL, WELL), CLOSED),
        (OPEN, (WELL, None), OPEN),
        (OPEN, (), OPEN),
    ],
)
def test_one_open_circuit_is_enough_and_silence_changes_nothing(
    before: CircuitState | None,
    reports: tuple[frozenset[str] | None, ...],
    after: CircuitState | None,
) -> None:
    (found,) = circuits.told([an_upstream()], [an_upstream(before)], reports)
    assert found == an_upstream(after)


def test_an_upstream_outside_the_table_has_no_circuit() -> None:
    out = an_upstream(eligible=False)
    assert circuits.told([out], [an_upstream(OPEN)], [BAD]) == (out,)


def test_an_upstream_that_is_new_has_no_past() -> None:
    (found,) = circuits.told([an_upstream()], [an_upstream(OPEN, name="b")], [WELL])
    assert found.circuit is CLOSED


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        (None, OPEN, Reason.CIRCUIT_OPENED),
        (CLOSED, OPEN, Reason.CIRCUIT_OPENED),
        (OPEN, CLOSED, Reason.CIRCUIT_CLOSED),
        (None, CLOSED, None),
        (OPEN, OPEN, None),
        (CLOSED, CLOSED, None),
        (OPEN, None, None),
        (CLOSED, None, None),
    ],
)
def test_a_transition_is_told_once_and_nothing_else(
    before: CircuitState | None, after: CircuitState | None, reason: Reason | None
) -> None:
    found = circuits.news(CLUSTER, [an_upstream(before)], [an_upstream(after)])
    assert [each.reason for each in found] == ([reason] if reason else [])


def test_news_name_upstream_cluster_and_endpoint() -> None:
    (opened,) = circuits.news(CLUSTER, [], [an_upstream(OPEN)])
    (closed,) = circuits.news(CLUSTER, [an_upstream(OPEN)], [an_upstream(CLOSED)])
    assert (opened.endpoint, opened.warning) == ("vendor", True)
    assert (closed.endpoint, closed.warning) == ("vendor", False)
    assert "upstream a of AutoGLMCluster demo" in opened.message
    assert "(7 open it)" in opened.message
    assert "upstream a of AutoGLMCluster demo" in closed.message
