"""The operator is killed after every single write of one scenario, and starts again.

However far it came, the end is the same, and nothing was made twice.
"""

from collections import Counter
from operator import eq

import pytest

from control_objects import a_simulator
from customresources import a_cluster
from kube import Kube
from operator_process import MakeOperator, running
from played_pods import PlayedPods
from recording_proxy import Moment, RecordingProxy, kill
from statuses import condition
from timeline import Timeline, within

MADE = 18
"""Objects that the scenario makes: 3 of the endpoint, 3 Secrets and 12 other children."""
WRITTEN = MADE + 1 + 4
"""What it writes at least once: those, the certificate authority, and the statuses of endpoint,
cluster and two pods; `test_the_scenario_writes_this_and_nothing_else` keeps it true."""
WRITES = WRITTEN + 3
"""Its writes on an idle machine, where most changes of a status or table come together."""


def play(kube: Kube, namespace: str) -> None:
    kube.create(a_simulator("local", replicas=2), namespace)
    kube.create(a_cluster(), namespace)


def ready(kube: Kube, namespace: str) -> bool:
    cluster = kube.get("AutoGLMCluster", "demo", namespace)
    return condition(cluster, "Ready") == "True" and condition(cluster, "Degraded") == "False"


def made(proxy: RecordingProxy) -> Counter[str]:
    """How often each object was made, by the server's own word."""
    return Counter(
        f"{record.call.resource}/{record.name or record.call.name}"
        for record in proxy.writes()
        if record.status == 201
    )


def test_the_scenario_writes_this_and_nothing_else(
    kube: Kube,
    namespace: str,
    pods: PlayedPods,
    proxy: RecordingProxy,
    make_operator: MakeOperator,
    timeline: Timeline,
) -> None:
    with running(make_operator("one")) as operator:
        timeline.want(within(60), "it leads", lambda: operator.metric("autoglm_leader") == 1)
        play(kube, namespace)
        timeline.want(within(120), "the cluster is Ready", lambda: ready(kube, namespace))
        timeline.stays(2, "settling", lambda: True)
    assert made(proxy).total() == len(made(proxy)) == MADE + 1, "and the certificate authority"
    assert proxy.destroyed() == Counter()
    # How often is a matter of pace: a status may be written for each pod that gets ready.
    written: dict[tuple[str, str, str], list[str]] = {}
    for each in proxy.writes():
        written.setdefault((each.kind, each.call.subresource, each.name), []).append(each.sent_hash)
    assert len(written) == WRITTEN, sorted(written)
    # But each time it says something new.
    again = {what for what, sent in written.items() if any(map(eq, sent, sent[1:]))}
    assert again == set()


@pytest.mark.parametrize("number", range(1, WRITES + 1))
def test_ends_the_same_when_killed_after_a_write(  # noqa: PLR0913, PLR0917 - fixtures
    number: int,
    kube: Kube,
    namespace: str,
    pods: PlayedPods,
    proxy: RecordingProxy,
    make_operator: MakeOperator,
    timeline: Timeline,
) -> None:
    with running(make_operator("one")) as operator:
        timeline.want(within(60), "it leads", lambda: operator.metric("autoglm_leader") == 1)
        assert operator.process is not None
        proxy.on_write(number, kill(operator.process.pid), Moment.APPLIED)
        play(kube, namespace)

        def dead_or_done() -> bool:
            return operator.exit_code is not None or ready(kube, namespace)

        timeline.want(within(120), "it was killed, or needed no such write", dead_or_done)
        if operator.exit_code is not None:
            operator.start()
        timeline.want(within(240), "the cluster is Ready", lambda: ready(kube, namespace))
        timeline.stays(1, "settling", lambda: True)
    twice = {name: count for name, count in made(proxy).items() if count > 1}
    assert twice == {}
    assert proxy.destroyed() == Counter()
    assert made(proxy).total() == MADE + 1
