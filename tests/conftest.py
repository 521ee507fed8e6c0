"""Fixtures of every tier that needs a cluster, and what the terminal says at the end.

Exists so that a test asks for `kube`, `namespace` or `faults` and gets a clean one. Never starts a
cluster: the run happens inside `hack/cluster exec`.
"""

import re
import secrets
from collections.abc import Callable, Generator
from pathlib import Path

import pytest

import builders
import kubeconfig
from clusterlink import ClusterCommand, kubeconfig_path, nodes_required
from faults import Faults
from kube import Kube, KubeError, KubeUnreachableError
from statuses import is_ready, taints
from summary import Summary
from timeline import Timeline, within

SUMMARY = pytest.StashKey[Summary]()
FAILED = pytest.StashKey[bool]()

RECOVERY_SECONDS = 120.0
"""Arbitrary, because a mended node is whole within 35 s (measured) on an idle machine."""
ACCOUNT_SECONDS = 60.0
"""Arbitrary, because an idle controller manager takes milliseconds."""


def pytest_configure(config: pytest.Config) -> None:
    """Register the summary."""
    summary = Summary(root=Path(__file__).parent, nodes_required=nodes_required())
    config.stash[SUMMARY] = summary
    config.pluginmanager.register(summary)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Tell fixtures whether the test failed."""
    report = yield
    item.stash[FAILED] = item.stash.get(FAILED, False) or report.failed
    return report


@pytest.fixture(scope="session")
def access() -> kubeconfig.Access:
    """How the run reaches the cluster's API server; without a cluster the test is skipped."""
    path = kubeconfig_path()
    if path is None:
        pytest.skip(
            "There is no cluster here: run hack/cluster up, then hack/cluster exec -- pytest."
        )
    return kubeconfig.load(path)


@pytest.fixture(scope="session")
def cluster(access: kubeconfig.Access) -> ClusterCommand:
    """`hack/cluster` for the cluster that the run happens in."""
    assert access.server
    return ClusterCommand()


@pytest.fixture(scope="session")
def kube(access: kubeconfig.Access) -> Kube:
    """A client with the administrator's rights."""
    return Kube(access)


@pytest.fixture
def make_namespace(
    request: pytest.FixtureRequest, kube: Kube
) -> Generator[Callable[[str], str], None, None]:
    """Make fresh namespaces at a level of Pod Security, kept when the test fails."""
    made: list[str] = []
    test: pytest.Item = request.node

    def make(level: str) -> str:
        name = namespace_name(test.name)
        kube.create(builders.a_namespace(name, level, **{builders.OF_A_TEST: "true"}))
        made.append(name)
        # Pods are refused until a busy controller manager has made the account they run as.
        Timeline().want(
            within(ACCOUNT_SECONDS),
            "the namespace has its ServiceAccount",
            lambda: kube.get("ServiceAccount", "default", name) is not None,
        )
        return name

    yield make
    if test.stash.get(FAILED, False):
        request.config.stash[SUMMARY].leftovers.update(dict.fromkeys(made, test.nodeid))
        for name in made:
            # The cluster may be gone before somebody looks.
            test.add_report_section("teardown", f"events in {name}", _events(kube, name))
    else:
        for name in made:
            kube.delete("Namespace", name)


@pytest.fixture
def namespace(make_namespace: Callable[[str], str]) -> str:
    """A fresh namespace under Pod Security "restricted"."""
    return make_namespace("restricted")


@pytest.fixture
def timeline(request: pytest.FixtureRequest) -> Generator[Timeline, None, None]:
    """Scripted time; what it measured is printed at the end of the run."""
    timeline = Timeline()
    test: pytest.Item = request.node
    yield timeline
    request.config.stash[SUMMARY].measured[test.nodeid] = timeline.lines


@pytest.fixture
def faults(cluster: ClusterCommand, kube: Kube) -> Generator[Faults, None, None]:
    """Faults of the cluster, undone at the end of the test however it ends."""
    faults = Faults(cluster)
    yield faults
    faults.undo_all()
    if faults.broke_something:
        # The next test must not meet the last one's taints.
        Timeline().want(within(RECOVERY_SECONDS), "every node is whole", lambda: _whole(kube))


def namespace_name(test: str) -> str:
    """Return a new name that tells the test: its words, shortened, and six random digits."""
    words = re.sub(r"[^a-z0-9]+", "-", test.removeprefix("test_").lower()).strip("-")
    return f"{words[:50].strip('-')}-{secrets.token_hex(3)}"


def _events(kube: Kube, namespace: str) -> str:
    try:
        events = kube.list("Event", namespace)
    except (KubeError, KubeUnreachableError) as error:
        return str(error)
    lines = [
        f"{event['involvedObject']['kind']} {event['involvedObject']['name']}: "
        f"{event['reason']}: {event['message']}"
        for event in events
    ]
    return "\n".join(lines or ["none"])


def _whole(kube: Kube) -> bool:
    return all(is_ready(node) and not taints(node) for node in kube.list("Node"))
