"""A scenario's faults hit the requests it means, as often as it says."""

from proxy_faults import LoseReply, Match, Plan, Refuse, Rule
from proxy_records import Call

DELETE_POD = Call("delete", "", "pods", "a", "p")
LIST_PODS = Call("list", "", "pods", "a")


def test_hits_once_unless_told_otherwise() -> None:
    plan = Plan()
    plan.add(Rule(LoseReply()))
    assert plan.choose(DELETE_POD) == LoseReply()
    assert plan.choose(DELETE_POD) is None


def test_hits_as_long_as_the_rule_stands() -> None:
    plan = Plan()
    plan.add(Rule(LoseReply(), times=None))
    assert all(plan.choose(DELETE_POD) for _ in range(10))
    plan.clear()
    assert plan.choose(DELETE_POD) is None


def test_spares_what_does_not_match() -> None:
    plan = Plan()
    plan.add(Rule(LoseReply(), Match(writes=True)))
    assert plan.choose(LIST_PODS) is None
    assert plan.choose(DELETE_POD) == LoseReply()


def test_matches_by_every_field_that_is_set() -> None:
    assert Match(verb="delete", resource="pods", name="p")(DELETE_POD)
    assert not Match(verb="delete", resource="pods", name="other")(DELETE_POD)
    assert not Match(subresource="status")(DELETE_POD)
    assert Match(destroys=True)(DELETE_POD)
    assert not Match(where=lambda call: call.namespace == "b")(DELETE_POD)


def test_takes_the_next_rule_once_the_first_is_used_up() -> None:
    plan = Plan()
    plan.add(Rule(Refuse(409)))
    plan.add(Rule(Refuse(429)))
    assert [plan.choose(DELETE_POD) for _ in range(3)] == [Refuse(409), Refuse(429), None]


def test_hits_the_same_share_in_every_run() -> None:
    def hits() -> list[bool]:
        plan = Plan(seed=7)
        plan.add(Rule(Refuse(409), times=None, share=0.2))
        return [plan.choose(DELETE_POD) is not None for _ in range(200)]

    assert hits() == hits()
    assert 20 <= sum(hits()) <= 60
