"""Who may write: the Lease on the real API server, with real processes killed and frozen."""

from control_objects import a_simulator
from kube import Kube
from operator_process import MakeOperator, running
from recording_proxy import RecordingProxy
from timeline import Timeline, between, within

LEASE = "autoglm-operator"


def holder(kube: Kube, namespace: str) -> str:
    lease = kube.get("Lease", LEASE, namespace)
    return str((lease or {}).get("spec", {}).get("holderIdentity", ""))


def test_another_pod_takes_over_from_a_killed_leader(
    kube: Kube, namespace: str, make_operator: MakeOperator, timeline: Timeline
) -> None:
    with running(make_operator("one")) as one:
        timeline.want(within(60), "one leads", lambda: holder(kube, namespace) == "one")
        with running(make_operator("two")) as two:
            timeline.want(within(60), "two is ready", lambda: _ok(two.get("/readyz")))
            assert two.metric("autoglm_leader") == 0
            timeline.start("the leader is killed")
            one.kill()
            timeline.want(between(5, 25), "two leads", lambda: holder(kube, namespace) == "two")
            kube.create(a_simulator(), namespace)
            timeline.want(within(120), "two works", lambda: kube.get("Service", "local", namespace))


def test_a_restarted_container_resumes_at_once(
    kube: Kube, namespace: str, make_operator: MakeOperator, timeline: Timeline
) -> None:
    with running(make_operator("one")) as one:
        timeline.want(within(60), "one leads", lambda: one.metric("autoglm_leader") == 1)
        one.kill()
        timeline.start("the container starts again")
        one.start()
        timeline.want(within(30), "it leads again", lambda: one.metric("autoglm_leader") == 1)


def test_a_stopped_leader_releases_the_lease(
    kube: Kube, namespace: str, make_operator: MakeOperator, timeline: Timeline
) -> None:
    with running(make_operator("one")) as one:
        timeline.want(within(60), "one leads", lambda: one.metric("autoglm_leader") == 1)
        assert one.stop() == 0
        assert holder(kube, namespace) == ""


def test_a_leader_that_was_frozen_writes_nothing_more(
    kube: Kube,
    namespace: str,
    make_operator: MakeOperator,
    proxy: RecordingProxy,
    timeline: Timeline,
) -> None:
    with running(make_operator("one")) as one:
        timeline.want(within(60), "one leads", lambda: one.metric("autoglm_leader") == 1)
        with running(make_operator("two")) as two:
            timeline.want(within(60), "two is ready", lambda: _ok(two.get("/readyz")))
            one.freeze()
            timeline.want(within(40), "two leads", lambda: holder(kube, namespace) == "two")
            one.thaw()
            timeline.want(within(60), "one has ended", lambda: one.exit_code is not None)
            assert one.exit_code == 1
            assert holder(kube, namespace) == "two"


def test_a_leader_cut_off_from_the_api_server_ends_itself(
    kube: Kube,
    namespace: str,
    make_operator: MakeOperator,
    proxy: RecordingProxy,
    timeline: Timeline,
) -> None:
    with running(make_operator("one")) as one:
        timeline.want(within(60), "one leads", lambda: one.metric("autoglm_leader") == 1)
        timeline.start("the API server is gone")
        with proxy.outage():
            timeline.want(between(5, 25), "it has ended", lambda: one.exit_code is not None)
        assert one.exit_code == 1


def _ok(answer: object) -> bool:
    return getattr(answer, "status_code", 0) == 200
