"""`up` works after any other `up`, and `down` leaves nothing."""

import re
import subprocess
from collections.abc import Callable, Generator

import pytest

import leftovers
from clusterlink import UNAVAILABLE, ClusterCommand
from timeline import Timeline

UP = ("up", "--provider", "embedded", "--nodes", "1")

KINDS = {"processes", "mounts", "loop devices", "control groups", "folders"}
"""What a cluster has on a machine."""

Started = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def started(spare: ClusterCommand) -> Generator[Started, None, None]:
    """Start a verb of the spare cluster and read on until it says something."""
    processes: list[subprocess.Popen[str]] = []

    def start(*words: str, until: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            spare.line(*words), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        processes.append(process)
        assert process.stdout is not None
        said: list[str] = []
        for line in process.stdout:
            said.append(line)
            if re.search(until, line):
                return process
        if process.wait() == UNAVAILABLE:
            pytest.skip(said[-1])
        raise AssertionError(f"It ended before it said {until!r}: {''.join(said[-5:])}")

    yield start
    for process in processes:
        with process:
            process.kill()


@pytest.mark.parametrize(
    "moment", ["network made", "API server answers", "image pause is in the registry"]
)
def test_up_works_after_one_that_was_killed(
    moment: str, spare: ClusterCommand, started: Started, timeline: Timeline
) -> None:
    process = started(*UP, until=moment)
    process.kill()
    process.wait()
    assert leftovers.found(str(spare.name)), "it was killed before it made anything"
    timeline.start(f"killed when it said: {moment}")
    spare(*UP)
    timeline.note("up has ended well")
    spare("kubectl", "wait", "--for=condition=Ready", "nodes", "--all", "--timeout=1s")


def test_the_second_of_two_ups_says_that_the_first_is_at_it(
    spare: ClusterCommand, started: Started
) -> None:
    first = started(*UP, until="network made")
    second = spare.attempt(*UP)
    assert second.code == 1
    assert re.fullmatch(
        rf"hack/cluster: .*process {first.pid} .*{spare.name}.*\.", second.err.strip()
    )
    assert first.wait(120) == 0


def test_down_leaves_nothing(spare: ClusterCommand, timeline: Timeline) -> None:
    before = leftovers.kernel_settings()
    outcome = spare.attempt(*UP)
    if outcome.code == UNAVAILABLE:
        pytest.skip(outcome.sentence)
    assert outcome.code == 0, outcome.sentence
    # Or nothing would be found because it is looked for in the wrong places.
    assert leftovers.found(str(spare.name)).keys() == KINDS
    timeline.start("down is called")
    spare("down")
    timeline.note("down has ended")
    assert not leftovers.found(str(spare.name))
    after = leftovers.kernel_settings()
    changed = {name: after.get(name) for name, value in before.items() if after.get(name) != value}
    assert not changed


def test_down_without_a_cluster_is_fine(spare: ClusterCommand) -> None:
    assert spare.attempt("down").code == 0


def test_up_mends_a_cluster_that_is_up_and_forgets_nothing(
    spare: ClusterCommand, started: Started
) -> None:
    started("up", "--provider", "embedded", "--nodes", "0", until="is up").wait(60)
    spare("kubectl", "create", "configmap", "stored")
    spare("fault", "stop-apiserver")
    assert spare.attempt("kubectl", "get", "--raw", "/readyz").code != 0
    spare("up")
    spare("kubectl", "get", "configmap", "stored")
