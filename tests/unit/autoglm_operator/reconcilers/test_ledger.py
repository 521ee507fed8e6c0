"""What the healer remembers of runs."""

from datetime import timedelta

from autoglm_api.conditions import Reason
from autoglm_api.healingpolicy import LastRun
from autoglm_api.healingrun import HealingRun, HealingRunStatus
from autoglm_operator.decisions import episode, journal
from autoglm_operator.decisions.healing import Denial, Pauses, Seen
from autoglm_operator.reconcilers.ledger import RunLedger
from episodes import ACTIONS, NOW, a_run, seen

KEY = "deployment-web"


def named(name: str, status: HealingRunStatus | None = None) -> HealingRun:
    return a_run(status, name=name)


def acting() -> HealingRunStatus:
    return episode.decide(seen(), ACTIONS, NOW).status


def held() -> HealingRunStatus:
    return episode.decide(seen(pauses=Pauses(namespace=True)), ACTIONS, NOW).status


def ended(minutes: int = 0) -> HealingRunStatus:
    view: Seen = seen(named("x", acting()))
    why = Denial(Reason.TARGET_GONE, "Gone.")
    return journal.ended_by_guard(view, why, NOW + timedelta(minutes=minutes))


def test_knows_the_other_runs_of_a_target() -> None:
    ledger = RunLedger()
    ledger.note(named("one", acting()))
    ledger.note(named("two", held()))
    ledger.note(named("unknown"))

    (other,) = ledger.others(KEY, "run-two")

    assert (other.name, other.is_open, other.begun, other.acted_at) == ("one", True, True, NOW)


def test_forgets_a_run() -> None:
    ledger = RunLedger()
    ledger.note(named("one", acting()))

    assert ledger.forget("run-one") is not None
    assert ledger.forget("run-one") is None
    assert ledger.others(KEY, "") == ()


def test_replaces_what_it_knew() -> None:
    ledger = RunLedger()
    assert ledger.note(named("one")) is None
    ledger.note(named("two", held()))

    before = ledger.note(named("one", held()))

    assert before is not None
    assert before.key == ""
    assert [other.name for other in ledger.others(KEY, "")] == ["one", "two"]


def test_knows_the_version_that_it_noted() -> None:
    ledger = RunLedger()
    ledger.note(named("one"))

    assert (ledger.version("run-one"), ledger.version("run-two")) == ("1", "")


def test_lists_open_runs_by_policy() -> None:
    ledger = RunLedger()
    for run in (named("one", held()), named("two", ended()), named("three")):
        ledger.note(run)

    assert set(ledger.open_of("team-a", "crash")) == {"one", "three"}
    assert ledger.open_of("team-b", "crash") == ()
    assert set(ledger.open_runs()) == {("team-a", "one"), ("team-a", "three")}


def test_names_the_run_that_ended_last() -> None:
    ledger = RunLedger()
    assert ledger.last_run("p-1") is None

    for run in (named("one", ended(5)), named("two", ended(3)), named("three", held())):
        ledger.note(run)

    assert ledger.last_run("p-1") == LastRun(name="one", phase="Failed")


def test_counts_what_holds_runs() -> None:
    ledger = RunLedger()
    for run in (named("one", held()), named("two", held()), named("three", ended())):
        ledger.note(run)

    assert ledger.held() == {"Paused": 2}
    assert (ledger.held_of("p-1"), ledger.held_of("p-2")) == (2, 0)
    ledger.note(named("one", ended()))
    ledger.forget("run-two")
    assert ledger.held_of("p-1") == 0
