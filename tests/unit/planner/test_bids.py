"""Who gets a task."""

from autoglm_dataplane.planner.bids import bids, loaded, winner
from autoglm_dataplane.planner.running import choose
from taskobjects import a_bidder


def test_the_executor_with_the_shortest_wait_bids_most() -> None:
    offers = bids([a_bidder("busy", tasks=3), a_bidder("idle"), a_bidder("big", slots=8)], "chat")
    assert winner(offers, "lot") == "big"
    assert offers["big"] > offers["idle"] > offers["busy"]


def test_a_bid_has_no_unit() -> None:
    few = bids([a_bidder("a", slots=1), a_bidder("b", slots=2)], "chat")
    many = bids([a_bidder("a", slots=10), a_bidder("b", slots=20)], "chat")
    assert few == many


def test_nobody_wins_where_nobody_is_able() -> None:
    assert bids([a_bidder("a")], "fly") == {}
    assert winner({}, "lot") is None
    assert choose("run", "node", "chat", []) is None


def test_equals_take_turns_and_every_planner_names_the_same() -> None:
    offers = bids([a_bidder("a"), a_bidder("b"), a_bidder("c")], "chat")
    winners = [winner(offers, f"run:{number}") for number in range(60)]
    assert winners == [winner(offers, f"run:{number}") for number in range(60)]
    assert {winners.count(name) for name in ("a", "b", "c")} <= set(range(10, 31))


def test_tasks_won_at_once_count_as_load() -> None:
    bidders = [a_bidder("a"), a_bidder("b")]
    for _ in range(4):
        best = winner(bids(bidders, "chat"), "lot")
        assert best is not None
        bidders = loaded(bidders, best)
    assert [bidder.tasks for bidder in bidders] == [2, 2]


def test_an_award_names_its_bids() -> None:
    award = choose("run", "node", "chat", [a_bidder("a"), a_bidder("b", tasks=8)], attempt=2)
    assert award is not None
    assert (award.executor, award.attempt, set(award.bids)) == ("a", 2, {"a", "b"})
