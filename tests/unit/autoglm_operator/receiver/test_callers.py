"""Who may post alerts, and how long an answer is believed."""

from dataclasses import dataclass, field

import pytest

from autoglm_operator.decisions.reading import Manifest
from autoglm_operator.receiver.callers import KEPT_CALLERS, Callers, Verdict
from manual_clock import ManualClock


@dataclass
class FakeReviewer:
    """An API server that knows one sender and one stranger."""

    allowed: bool = True
    audiences: list[str] = field(default_factory=lambda: ["autoglm-receiver"])
    asked: list[Manifest] = field(default_factory=list[Manifest])

    async def review(self, obj: Manifest) -> Manifest:
        self.asked.append(obj)
        if obj["kind"] == "SubjectAccessReview":
            return {"status": {"allowed": self.allowed}}
        known = obj["spec"]["token"].startswith("good")
        user = {"username": "sa:alertmanager", "groups": ["system:serviceaccounts"]}
        status = {"authenticated": known, "audiences": self.audiences, "user": user}
        return {"status": status if known else {"authenticated": False}}


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


async def test_a_sender_with_the_right_is_allowed(clock: ManualClock) -> None:
    reviewer = FakeReviewer()

    caller = await Callers(reviewer, clock, "autoglm-system").judge("good")

    assert (caller.verdict, caller.name) == (Verdict.ALLOWED, "sa:alertmanager")
    asked = reviewer.asked[1]["spec"]
    assert asked["groups"] == ["system:serviceaccounts"]
    assert asked["resourceAttributes"] == {
        "namespace": "autoglm-system",
        "verb": "create",
        "group": "autoglm.io",
        "version": "v1alpha1",
        "resource": "healingruns",
        "subresource": "alerts",
    }


async def test_a_sender_without_the_right_is_not_allowed(clock: ManualClock) -> None:
    caller = await Callers(FakeReviewer(allowed=False), clock, "x").judge("good")

    assert caller.verdict is Verdict.UNAUTHORISED


@pytest.mark.parametrize(
    ("token", "audiences"),
    [("", []), ("bad", []), ("good", ["https://kubernetes.default.svc"])],
    ids=["no token", "an unknown token", "a token for another audience"],
)
async def test_an_unknown_caller_is_not_heard(
    clock: ManualClock, token: str, audiences: list[str]
) -> None:
    caller = await Callers(FakeReviewer(audiences=audiences), clock, "x").judge(token)

    assert caller.verdict is Verdict.UNAUTHENTICATED


async def test_an_answer_is_believed_for_a_minute(clock: ManualClock) -> None:
    reviewer = FakeReviewer()
    callers = Callers(reviewer, clock, "x")
    await callers.judge("good")
    reviewer.allowed = False

    await clock.advance(59)
    before = (await callers.judge("good")).verdict
    await clock.advance(1)
    after = (await callers.judge("good")).verdict

    assert (before, after) == (Verdict.ALLOWED, Verdict.UNAUTHORISED)


async def test_a_refusal_is_believed_for_a_few_seconds(clock: ManualClock) -> None:
    reviewer = FakeReviewer(allowed=False)
    callers = Callers(reviewer, clock, "x")
    await callers.judge("good")
    reviewer.allowed = True

    await clock.advance(5)

    assert (await callers.judge("good")).verdict is Verdict.ALLOWED


async def test_many_strangers_do_not_fill_the_memory(clock: ManualClock) -> None:
    reviewer = FakeReviewer()
    callers = Callers(reviewer, clock, "x")

    for number in range(KEPT_CALLERS + 1):
        await callers.judge(f"good-{number}")
    asked = len(reviewer.asked)
    await callers.judge("good-0")

    assert len(reviewer.asked) == asked + 2
