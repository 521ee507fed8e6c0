"""What the commands for people say, apart from the API server."""

from datetime import timedelta
from pathlib import Path

import pytest

from autoglm_api.conditions import ConditionType, Reason, set_condition
from autoglm_api.healingevidence import (
    DiskEvidence,
    Evidence,
    MetricReading,
    NodeEvidence,
    WorkloadEvidence,
)
from autoglm_api.healingladder import ActionName
from autoglm_api.healingrun import (
    ApprovalRecord,
    HealingRun,
    HealingRunStatus,
    Intent,
    IntentVerb,
    LeaseRecord,
    LeaseState,
    ObjectRef,
    StepOutcome,
    StepRecord,
)
from autoglm_cli import approve, timeline
from autoglm_cli import main as cli
from autoglm_cli.access import RefusedError
from autoglm_cli.settings import NoKubeconfigError, default_namespace, kubeconfig
from episodes import NOW, a_run

POD = ObjectRef(api_version="v1", kind="Pod", name="web-1", uid="u-1")
WEB = ObjectRef(api_version="apps/v1", kind="Deployment", name="web", uid="u-2")


def _after(seconds: float) -> timedelta:
    return timedelta(seconds=seconds)


def _waiting(*steps: StepRecord, status: bool | None = None) -> HealingRun:
    conditions = set_condition(
        (),
        ConditionType.APPROVED,
        status=status,
        reason=Reason.DRY_RUN,
        message="It waits.",
        generation=1,
        now=NOW,
    )
    return a_run(HealingRunStatus(conditions=conditions, steps=steps, phase="AwaitingApproval"))


def test_the_step_that_waits_is_the_next_one() -> None:
    refused = StepRecord(
        action=ActionName.RESTART, started_at=NOW, outcome=StepOutcome.REFUSED, helped=False
    )
    assert approve.waiting_step(_waiting()) == 1
    assert approve.waiting_step(_waiting(refused)) == 2


@pytest.mark.parametrize(
    "run",
    [
        a_run(),
        _waiting(status=True),
        a_run(HealingRunStatus(finished_at=NOW, conditions=_waiting().status.conditions)),
    ],
    ids=["new", "approved", "ended"],
)
def test_a_run_that_waits_for_nothing_cannot_be_approved(run: HealingRun) -> None:
    with pytest.raises(RefusedError, match="waits for no approval"):
        approve.waiting_step(run)


def test_a_timeline_tells_what_happened_in_its_order() -> None:
    counts = WorkloadEvidence(desired=2, updated=2, available=1, restarts=5)
    evict = StepRecord(
        action=ActionName.RESTART,
        intent=Intent(verb=IntentVerb.EVICT, object=POD),
        started_at=NOW + _after(2),
        finished_at=NOW + _after(2.25),
        outcome=StepOutcome.SUCCEEDED,
        message="Pod web-1 was evicted.",
        before=Evidence(workload=counts),
        verified_at=NOW + _after(300),
        helped=False,
    )
    scale = StepRecord(
        action=ActionName.SCALE_OUT,
        intent=Intent(verb=IntentVerb.SCALE, object=WEB, replicas=3),
        started_at=NOW + _after(301),
        finished_at=NOW + _after(301.5),
        outcome=StepOutcome.SUCCEEDED,
        message="3 replicas.",
        healthy_since=NOW + _after(310),
        verified_at=NOW + _after(370),
        helped=True,
        lease=LeaseRecord(
            object=WEB,
            field="replicas",
            previous="2",
            value="3",
            expires=NOW + _after(2000),
            state=LeaseState.REVERTED,
            reverted_at=NOW + _after(2000),
            message="back to 2",
        ),
    )
    run = a_run(
        HealingRunStatus(
            steps=(evict, scale),
            approvals=(ApprovalRecord(step=1, by="jane", at=NOW + _after(1)),),
            finished_at=NOW + _after(370),
            phase="Succeeded",
        )
    )

    heading, *events, last = timeline.lines(run)

    assert heading == "team-a/crash-1  policy crash  no target yet"
    told = [line.split(" s  ", 1)[1] for line in events]
    assert told == [
        "alert Crash began to fire (Alertmanager)",
        "run stored",
        "step 1 approved by jane",
        "step 1 Restart begun: Evict Pod web-1 (1 of 2 pods available, 5 restarts)",
        "step 1 Restart Succeeded: Pod web-1 was evicted.",
        "step 1 Restart did not help",
        "step 2 ScaleOut begun: Scale Deployment web",
        "step 2 ScaleOut Succeeded: 3 replicas.",
        "step 2 ScaleOut: target healthy",
        "step 2 ScaleOut helped",
        "run ended",
        "step 2 ScaleOut Reverted: replicas back to 2",
    ]
    assert "+60.000 s" in events[1]
    assert last == "Succeeded: not looked at yet"


@pytest.mark.parametrize(
    ("evidence", "shown"),
    [
        (Evidence(), ""),
        (
            Evidence(disk=DiskEvidence(free_bytes=7, free_inodes=3, pressure=True)),
            " (7 bytes free, 3 inodes free, DiskPressure)",
        ),
        (Evidence(disk=DiskEvidence(pressure=False)), ""),
        (
            Evidence(node=NodeEvidence(ready=False, schedulable=True, pods=4)),
            " (not Ready, 4 pods to displace)",
        ),
        (
            Evidence(node=NodeEvidence(ready=True, schedulable=False, pods=0, recovery_seconds=9)),
            " (Ready, 0 pods to displace, available elsewhere after 9 s)",
        ),
        (
            Evidence(
                metrics=(
                    MetricReading(name="errors", value="0.4", good=False),
                    MetricReading(name="queue", good=False),
                    MetricReading(name="up", value="1", good=True),
                )
            ),
            " (errors 0.4, not good, queue without data, not good, up 1)",
        ),
    ],
)
def test_what_was_seen_is_shown(evidence: Evidence, shown: str) -> None:
    step = StepRecord(
        action=ActionName.RESTART,
        intent=Intent(verb=IntentVerb.EVICT, object=POD),
        started_at=NOW,
        verified_at=NOW,
        helped=False,
        after=evidence,
    )
    run = a_run(HealingRunStatus(steps=(step,), alert_gone_at=NOW + _after(1)))
    *_, verified, gone, _ = timeline.lines(run)
    assert verified.endswith(f"step 1 Restart did not help{shown}")
    assert gone.endswith("alert known to fire no more")


def test_a_run_is_stored_after_its_alert_although_its_time_is_cut_to_seconds() -> None:
    run = a_run()
    meta = run.metadata.model_copy(update={"creation_timestamp": "2026-03-01T11:59:00Z"})
    alert = run.spec.alert.model_copy(update={"starts_at": NOW - _after(59.5)})
    spec = run.spec.model_copy(update={"alert": alert})
    _, first, second, _ = timeline.lines(run.model_copy(update={"metadata": meta, "spec": spec}))
    assert "began to fire" in first
    assert second.endswith("+0.000 s  run stored")


def test_a_refused_step_says_why() -> None:
    refused = StepRecord(
        action=ActionName.RESTART,
        started_at=NOW,
        outcome=StepOutcome.REFUSED,
        reason="RolloutPaused",
    )
    (line,) = (
        line
        for line in timeline.lines(a_run(HealingRunStatus(steps=(refused,))))
        if "refused" in line
    )
    assert line.endswith("step 1 Restart refused: RolloutPaused")


def a_kubeconfig(directory: Path, content: str) -> Path:
    """Write one, and return it."""
    config = directory / "config"
    config.write_text(content)
    return config


CLUSTERS = "clusters: [{name: c, cluster: {server: 'https://a'}}]"
IN_TEAM_A = (
    f"{CLUSTERS}\ncurrent-context: a\ncontexts:\n"
    "- {name: b, context: {cluster: c, namespace: team-b}}\n"
    "- {name: a, context: {cluster: c, namespace: team-a}}\n"
)


def test_uses_the_kubeconfig_that_kubectl_would(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    config = a_kubeconfig(tmp_path, IN_TEAM_A)
    monkeypatch.setenv("KUBECONFIG", f"{config}:/elsewhere")
    assert kubeconfig() == config


@pytest.mark.parametrize(
    ("content", "namespace"),
    [(IN_TEAM_A, "team-a"), (IN_TEAM_A.replace(", namespace: team-a", ""), "default")],
)
def test_uses_the_namespace_of_the_context(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: str, namespace: str
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(a_kubeconfig(tmp_path, content)))
    assert default_namespace() == namespace


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("a: [", "set KUBECONFIG to a file that kubectl can read"),
        ("just words", "set KUBECONFIG to a file that kubectl can read"),
        ("", "set KUBECONFIG to a file that kubectl can read"),
        ("{}", "choose a context with kubectl config use-context"),
        (IN_TEAM_A.replace("current-context: a", ""), "choose a context"),
        (IN_TEAM_A.replace("cluster: c, namespace: team-a", "cluster: d"), "names no cluster"),
    ],
)
def test_a_kubeconfig_that_is_none_is_refused(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    content: str,
    said: str,
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(a_kubeconfig(tmp_path, content)))
    assert cli.main(["export"]) == 1
    assert said in capsys.readouterr().err


def test_says_what_to_do_without_a_kubeconfig(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with pytest.raises(NoKubeconfigError):
        kubeconfig()
    assert cli.main(["timeline", "crash-1"]) == 1
    assert "set KUBECONFIG" in capsys.readouterr().err


def test_a_pod_needs_no_kubeconfig(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    assert kubeconfig() is None


@pytest.mark.parametrize("known", cli.COMMANDS, ids=lambda known: known.name)
def test_every_command_describes_its_arguments(
    known: cli.Subcommand, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main([known.name, "--help"])
    assert ended.value.code == 0
    assert "--namespace" in capsys.readouterr().out
