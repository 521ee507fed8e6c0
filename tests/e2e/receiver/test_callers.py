"""Senders of events on real nodes: from an address to a repair, and credentials that rotate."""

from pathlib import Path

import httpx

from client_certificates import a_client_authority
from intake_release import CALLER, OLD, TEAM, Intake
from kubeconfig import Object
from timeline import Timeline, within

ROTATED = within(180)
"""Generous: a kubelet that was told to look brings a changed Secret at once, a receiver reads it
within seconds."""
STRANGE = {"alert": "NobodyKnows", "instance": "192.0.2.1"}
NEW = "static-token-new-0002"
EVERY_REPLICA = 12
"""Connections that reach both replicas but once in 2,000."""


def answers(intake: Intake, token: str = "", shown: tuple[Path, Path] | None = None) -> set[int]:
    return {intake.post(STRANGE, token, shown) for _ in range(EVERY_REPLICA)}


def test_an_event_about_a_pod_s_own_address_restarts_it(
    intake: Intake, sick: Object, timeline: Timeline
) -> None:
    event = {
        "alert": "HighCPUUsage",
        "instance": sick["status"]["podIP"],
        "severity": "critical",
        "action": "trigger_restart_service",
    }
    timeline.start("the event is posted")

    assert {intake.post(event, OLD) for _ in range(5)} == {200}

    def succeeded() -> bool:
        runs = intake.kube.list("HealingRun", TEAM)
        return [run.get("status", {}).get("phase") for run in runs] == ["Succeeded"]

    timeline.want(within(240), "the pod is replaced and the run has succeeded", succeeded)
    (run,) = intake.kube.list("HealingRun", TEAM)
    assert run["status"]["target"]["name"] == "fragile"
    assert intake.kube.get("Pod", sick["metadata"]["name"], TEAM) is None


def test_a_static_token_is_rotated_through_the_kubelet(intake: Intake, timeline: Timeline) -> None:
    assert answers(intake, OLD) == {200}
    assert answers(intake, NEW) == {401}
    timeline.start("the Secret holds old and new")
    intake.tokens(OLD, NEW)
    timeline.want(ROTATED, "the new token is accepted", lambda: answers(intake, NEW) == {200})
    assert answers(intake, OLD) == {200}
    timeline.start("the Secret holds the new one only")
    intake.tokens(NEW)
    timeline.want(ROTATED, "the old token is refused", lambda: answers(intake, OLD) == {401})
    assert answers(intake, NEW) == {200}
    intake.tokens(OLD)


def test_an_authority_of_callers_is_rotated_through_the_kubelet(
    intake: Intake, timeline: Timeline, tmp_path: Path
) -> None:
    fresh = a_client_authority("fresh")
    (tmp_path / "new").mkdir()
    old, new = intake.authority.write(tmp_path, CALLER), fresh.write(tmp_path / "new", CALLER)
    assert answers(intake, shown=old) == {200}
    timeline.start("the Secret holds both authorities")
    intake.authorities(intake.authority, fresh)
    timeline.want(ROTATED, "the new one lets in", lambda: _lets_in(intake, new))
    assert answers(intake, shown=old) == {200}
    timeline.start("the Secret holds the new one only")
    intake.authorities(fresh)
    timeline.want(
        ROTATED, "the old one is refused", lambda: not _lets_in(intake, old, anybody=True)
    )
    assert answers(intake, shown=new) == {200}


def _lets_in(intake: Intake, shown: tuple[Path, Path], *, anybody: bool = False) -> bool:
    """Whether every replica lets a certificate in, or any of them does."""
    results: list[bool] = []
    for _ in range(EVERY_REPLICA):
        try:
            results.append(intake.post(STRANGE, shown=shown) == 200)
        except httpx.TransportError:
            results.append(False)
    return any(results) if anybody else all(results)
