"""Failure modes that other healers were seen to have, with real processes and a real API server.

tests/failure_modes.py lists all twenty; those without a test here are ruled out by pure decisions,
in tests/unit/autoglm_operator/decisions/test_failure_modes.py.
"""

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from healing_objects import (
    READY_SECONDS,
    SOON,
    MakeProcess,
    Scene,
    Sender,
    Trust,
    allow,
    an_alert,
    token_of,
)
from healing_processes import HealingProcess, running
from kubeconfig import Object
from proxy_faults import Delay, Drop, Match, Refuse
from proxy_records import Record
from recording_proxy import Moment, kill
from sick_pods import a_web_deployment
from statuses import is_available
from timeline import Timeline, within

CREATES = Match(verb="create", resource="healingruns")
TELLING = Match(where=lambda call: call.resource != "healingpolicies")
"""All but the status of policies, which is written beside a repair."""
AT_ONCE = 8
"""Deliveries of one alert at the same moment."""
JOURNAL = Match(resource="healingruns", subresource="status")
CROWD = 5
QUEUED = 420
"""Source: StackStorm's issue 6013, where more than 400 alerts at once hung everything."""
TAKEOVER_SECONDS = 90.0
"""Generous: another pod takes a Lease over within 25 s on an idle machine."""
MANY = within(400)


@pytest.fixture
def heard(scene: Scene, sender: Sender) -> Sender:
    """A receiver that knows an enforcing policy."""
    scene.make_policy()
    scene.timeline.want(SOON, "the policy is known", sender.receiver.knows_a_policy)
    return sender


def told(sender: Sender, *alerts: Object) -> Counter[str]:
    """What a receiver says came of a delivery."""
    outcomes: dict[str, int] = sender.post(*alerts).json()["outcomes"]
    return Counter(outcomes)


def runs_of(scene: Scene) -> list[str]:
    return [each["metadata"]["name"] for each in scene.kube.list("HealingRun", scene.namespace)]


def test_01_nothing_is_answered_before_it_is_stored(scene: Scene, heard: Sender) -> None:
    scene.proxy.inject(Refuse(500, "InternalError"), CREATES, times=None)
    answer = heard.post(an_alert("web-1", scene.namespace))
    assert answer.status_code == 503, "Alertmanager repeats 5xx and nothing else"
    assert runs_of(scene) == []

    scene.proxy.clear()
    assert heard.post(an_alert("web-1", scene.namespace)).json()["outcomes"] == {"Stored": 1}
    assert len(runs_of(scene)) == 1


def test_02_dying_between_act_and_record_does_not_act_twice(
    scene: Scene, make_process: MakeProcess
) -> None:
    policy, sick = scene.make_policy(), scene.pods.sicken()
    healer = make_process("healer")
    with running(healer):
        scene.wants_accepted()
        # Policy, intent, eviction: the third write is the act.
        scene.proxy.on_write(3, kill(healer.pid), Moment.APPLIED)
        run = scene.start_run(policy, sick)
        scene.timeline.want(SOON, "the healer is killed", healer.ended)
        healer.start()
        scene.wants_phase(run, "Succeeded")
    assert scene.evicted() == {sick["metadata"]["name"]: 1}


def test_03_replicas_that_race_store_one_run(
    scene: Scene, make_process: MakeProcess, trust: Trust
) -> None:
    scene.make_policy()
    allow(scene.kube, scene.release, "alertmanager")
    token = token_of(scene.kube, scene.release, "alertmanager")
    both = [make_process("receiver", uid, tls_directory=str(trust.directory)) for uid in "ab"]
    alert = an_alert("web-1", scene.namespace)
    with running(both[0]), running(both[1]), ThreadPoolExecutor(AT_ONCE) as threads:
        for each in both:
            Timeline().want(within(READY_SECONDS), "a receiver is ready", each.ready)
            Timeline().want(SOON, "the policy is known", each.knows_a_policy)
        senders = [Sender(each, trust, token) for each in both for _ in range(AT_ONCE // 2)]
        together = threading.Barrier(AT_ONCE)

        def post(sender: Sender) -> Counter[str]:
            together.wait()
            return told(sender, alert)

        outcomes = sum(threads.map(post, senders), Counter[str]())
    assert outcomes == {"Stored": 1, "Known": len(senders) - 1}
    assert len(runs_of(scene)) == 1


@pytest.mark.usefixtures("healer")
def test_03_duplicates_do_not_wait_for_each_other(scene: Scene) -> None:
    """Several alerts about one workload: one run acts, the others end, none is left."""
    policy, sick = scene.make_policy(), scene.pods.sicken()
    runs = [scene.start_run(policy, sick, fingerprint=f"{number:016x}") for number in range(1, 7)]
    scene.timeline.want(
        SOON, "all ended", lambda: {scene.phase(run) for run in runs} == {"Succeeded", "Skipped"}
    )
    assert Counter(scene.phase(run) for run in runs)["Succeeded"] == 1
    assert {scene.reason(run) for run in runs} == {"Healed", "Duplicate"}
    assert scene.evicted() == {sick["metadata"]["name"]: 1}


def test_04_one_bad_alert_poisons_no_batch(scene: Scene, heard: Sender) -> None:
    good = [an_alert(f"web-{number}", scene.namespace) for number in range(4)]
    bad = [
        {"status": "firing"},
        {"status": "firing", "labels": "none", "startsAt": "soon"},
        an_alert("web-9", scene.namespace, startsAt="never"),
        an_alert("web-8", scene.namespace, fingerprint="../../etc"),
    ]
    answer = heard.post(good[0], bad[0], good[1], bad[1], bad[2], good[2], bad[3], good[3])
    assert answer.status_code == 200
    assert answer.json()["outcomes"]["Stored"] == 4
    assert len(runs_of(scene)) == 4


@pytest.fixture
def crowd(scene: Scene) -> list[str]:
    """Runs about workloads of their own; a gate has room for one of them."""
    names = [f"web-{number}" for number in range(CROWD)]
    for name in names:
        scene.kube.create(a_web_deployment(1, name), scene.namespace)
    for name in names:
        scene.timeline.want(SOON, "it is available", partial(has_pods, scene, name))
    policy = scene.make_policy(
        guards={
            "cooldown": "0s",
            "maxWait": "20s",
            "maxConcurrent": 9,
            "maxRunsPerHour": 1,
            "storm": {"maxUnhealthy": "100%"},
        },
        verify={"stabilization": "1s", "timeout": "60s"},
    )
    return [scene.start_run(policy, scene.pods.sicken(name)) for name in names]


def wants_one_healed(scene: Scene, healer: HealingProcess, crowd: list[str]) -> None:
    """Let a healer look at all of them at once."""
    with running(healer):
        scene.timeline.want(
            MANY, "all ended", lambda: all(scene.phase(run) in ENDED for run in crowd)
        )
    assert sum(scene.evicted().values()) == 1
    expected = {"Healed": 1, "MaxWaitPassed": CROWD - 1}
    assert Counter(scene.reason(run) for run in crowd) == expected


def test_09_a_gate_admits_no_batch_at_once(
    scene: Scene, make_process: MakeProcess, crowd: list[str]
) -> None:
    """All runs are there before the healer is, and what one of them journals is stored late."""
    scene.proxy.inject(Delay(1), JOURNAL, times=CROWD)
    wants_one_healed(scene, make_process("healer", workers="8"), crowd)


def test_09_a_gate_counts_a_begin_of_which_nobody_heard_that_it_was_stored(
    scene: Scene, make_process: MakeProcess, crowd: list[str]
) -> None:
    """The others stand at the gate when the answer to the first is lost, and no watch tells."""
    lost: list[Record] = []

    def lose(record: Record) -> Drop | None:
        if lost or not JOURNAL(record.call):
            return None
        lost.append(record)
        threading.Event().wait(1)
        return Drop()

    scene.proxy.reset()
    for number in range(1, CROWD + 1):
        scene.proxy.on_write(number, lose, Moment.APPLIED)
    with scene.proxy.silence():
        wants_one_healed(scene, make_process("healer", workers="8"), crowd)
    assert [record.status for record in lost] == [200]


def has_pods(scene: Scene, name: str) -> bool:
    """Whether a Deployment has all its pods."""
    return is_available(scene.kube.get("Deployment", name, scene.namespace))


ENDED = ("Succeeded", "Skipped", "Failed", "Escalated")


def test_10_the_lock_of_a_healer_that_is_gone_is_taken_over(
    scene: Scene, make_process: MakeProcess
) -> None:
    policy, sick = scene.make_policy(paused=True), scene.pods.sicken()
    gone = make_process("healer", "one")
    with running(gone):
        run = scene.start_run(policy, sick)
        scene.wants_reason(run, "Paused")
        gone.kill()
    scene.kube.patch("HealingPolicy", "crash", scene.namespace, {"spec": {"paused": False}})
    with running(make_process("healer", "two")):
        Timeline().want(
            within(TAKEOVER_SECONDS), "another one heals", lambda: scene.phase(run) == "Succeeded"
        )
    assert scene.evicted() == {sick["metadata"]["name"]: 1}


def test_14_a_cold_start_does_not_take_old_news_for_new(
    scene: Scene, make_process: MakeProcess, heard: Sender
) -> None:
    sick = scene.pods.sicken()
    alert = an_alert(sick["metadata"]["name"], scene.namespace)
    with running(make_process("healer", "one")):
        assert heard.post(alert).json()["outcomes"] == {"Stored": 1}
        (run,) = runs_of(scene)
        scene.wants_phase(run, "Succeeded")
    before = len(scene.proxy.writes(Match(resource="healingruns")))

    heard.receiver.kill()
    heard.receiver.start()
    Timeline().want(within(READY_SECONDS), "the receiver is ready", heard.receiver.ready)
    Timeline().want(SOON, "the policy is known", heard.receiver.knows_a_policy)
    with running(make_process("healer", "one")) as healer:
        Timeline().want(within(READY_SECONDS), "the healer is ready", healer.ready)
        assert heard.post(alert).json()["outcomes"] == {"Known": 1}
        scene.timeline.stays(10, "nothing is done anew", lambda: len(runs_of(scene)) == 1)
    assert scene.evicted() == {sick["metadata"]["name"]: 1}
    creates = scene.proxy.writes(CREATES)
    later = scene.proxy.writes(Match(resource="healingruns"))[before:]
    assert [each for each in later if each not in creates] == []


def test_15_a_burst_fills_no_queue(scene: Scene, sender: Sender, healer: HealingProcess) -> None:
    """Every alert of a burst ends in exactly one recorded outcome."""
    scene.make_policy(mode="DryRun")
    scene.timeline.want(SOON, "the policy is known", sender.receiver.knows_a_policy)
    sick = scene.pods.sicken()["metadata"]["name"]
    alerts = [
        an_alert(sick, scene.namespace, fingerprint=f"{number:016x}") for number in range(QUEUED)
    ]
    with ThreadPoolExecutor(AT_ONCE) as threads:
        parts = [alerts[at::AT_ONCE] for at in range(AT_ONCE)]
        answers = [threads.submit(told, sender, *part) for part in parts]
        outcomes = sum((each.result() for each in answers), Counter[str]())
    assert outcomes == {"Stored": QUEUED}
    scene.timeline.want(
        MANY,
        "every run has ended",
        lambda: all(
            "finishedAt" in each.get("status", {})
            for each in scene.kube.list("HealingRun", scene.namespace)
        ),
    )
    assert len(runs_of(scene)) == QUEUED
    assert scene.evicted() == Counter()
    ended = healer.metric('autoglm_healing_runs_total{outcome="Skipped",reason="DryRun"}')
    doubles = healer.metric('autoglm_healing_runs_total{outcome="Skipped",reason="Duplicate"}')
    assert ended + doubles == QUEUED


def test_19_two_healers_act_as_one(scene: Scene, make_process: MakeProcess) -> None:
    """The leader is frozen before its act; whoever follows acts, and the thawed one does not."""
    policy, sick = scene.make_policy(), scene.pods.sicken()
    first, second = make_process("healer", "one"), make_process("healer", "two")

    def freeze(_: Record) -> Drop:
        first.freeze()
        return Drop()

    with running(first):
        scene.wants_accepted()
        scene.proxy.on_write(3, freeze, Moment.RECEIVED)
        run = scene.start_run(policy, sick)
        with running(second):
            Timeline().want(
                within(TAKEOVER_SECONDS), "the other heals", lambda: scene.phase(run) == "Succeeded"
            )
            healed, tried = scene.run(run), scene.proxy.writes(TELLING)
            first.thaw()
            scene.timeline.want(SOON, "the first gives up", first.ended)
    assert scene.evicted() == {sick["metadata"]["name"]: 1}
    assert scene.run(run) == healed
    assert scene.proxy.writes(TELLING) == tried, "the first writes nothing any more"


def test_19_two_healers_that_both_lead_meet_at_the_journal(
    scene: Scene, make_process: MakeProcess
) -> None:
    policy, sick = scene.make_policy(), scene.pods.sicken()
    leaders = [make_process("healer", uid, lease_name=uid) for uid in ("one", "two")]
    with running(leaders[0]), running(leaders[1]):
        for leader in leaders:
            scene.timeline.want(SOON, "a leader is ready", leader.ready)

        # Both have read the run before either has journaled.
        scene.proxy.inject(Delay(5), JOURNAL, times=2)
        run = scene.start_run(policy, sick)

        scene.wants_phase(run, "Succeeded")
    first, second = scene.proxy.writes(JOURNAL)[:2]
    assert {first.status, second.status} == {200, 409}
    assert scene.evicted() == {sick["metadata"]["name"]: 1}


def test_20_a_forged_alert_is_no_command(scene: Scene, heard: Sender) -> None:
    alert = an_alert("web-1", scene.namespace)
    stranger = token_of(scene.kube, scene.release, "stranger")
    forged = {
        None: 401,
        "nonsense": 401,
        stranger: 403,
    }
    for token, status in forged.items():
        caller = Sender(heard.receiver, heard.trust, token)
        assert caller.post(alert).status_code == status
    # Whoever may post still commands nothing in a namespace that no policy of it matches.
    elsewhere = heard.post(an_alert("coredns", "kube-system"), an_alert("web", scene.release))
    assert elsewhere.json()["outcomes"] == {"Unmatched": 2}
    assert runs_of(scene) == []
    assert scene.kube.list("HealingRun", "kube-system") == []
