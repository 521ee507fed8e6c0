"""Which plans can be carried out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from autoglm_dataplane.taskstore import plans
from autoglm_dataplane.taskstore.plans import MOST_NODES, Node, Plan, problem_of, with_answer
from taskobjects import a_node

BAD_PLANS = [
    ((a_node("a"), a_node("a")), 'Give every node an id of its own; "a" stands more than once.'),
    ((a_node("a", "ghost"),), 'Depend only on nodes of the plan; "ghost" is none.'),
    ((a_node("answer"),), 'Choose another id than "answer": it is the name of the final answer.'),
    ((a_node("a", "a"),), "Break the circle of dependencies a -> a."),
    (
        (a_node("a", capability="fly"),),
        'Use only the capabilities "chat"; "fly" is not known.',
    ),
]


@pytest.mark.parametrize(("nodes", "sentence"), BAD_PLANS)
def test_a_bad_plan_is_refused_with_a_sentence(nodes: tuple[Node, ...], sentence: str) -> None:
    assert problem_of(Plan(nodes=nodes), ("chat",)) == sentence


def test_a_circle_of_two_is_named() -> None:
    plan = Plan(nodes=(a_node("a", "b"), a_node("b", "a"), a_node("c")))
    assert "Break the circle of dependencies" in (problem_of(plan, ("chat",)) or "")


def test_a_diamond_is_a_good_plan() -> None:
    plan = Plan(nodes=(a_node("d", "b", "c"), a_node("b", "a"), a_node("c", "a"), a_node("a")))
    assert problem_of(plan, ("chat",)) is None


@given(st.integers(0, 2**28 - 1))
def test_a_plan_whose_nodes_look_back_only_never_runs_in_circles(bits: int) -> None:
    names = [f"n{number}" for number in range(MOST_NODES)]
    pairs = [(later, earlier) for later in range(MOST_NODES) for earlier in range(later)]
    needs = {
        later: [names[e] for n, (one, e) in enumerate(pairs) if one == later and bits >> n & 1]
        for later in range(MOST_NODES)
    }
    nodes = tuple(a_node(name, *needs[place]) for place, name in enumerate(names))
    assert problem_of(Plan(nodes=nodes), ("chat",)) is None


def test_the_answer_needs_what_no_other_node_needs() -> None:
    nodes = with_answer(Plan(nodes=(a_node("a"), a_node("b", "a"), a_node("c"))))
    assert nodes[-1].id == "answer"
    assert nodes[-1].depends_on == ("b", "c")


@pytest.mark.parametrize(
    "nodes", [(), tuple(a_node(f"n{number}") for number in range(MOST_NODES + 1))]
)
def test_plans_have_one_to_eight_nodes(nodes: tuple[Node, ...]) -> None:
    with pytest.raises(ValidationError):
        Plan(nodes=nodes)


def test_an_undivided_request_is_one_node() -> None:
    assert [(node.id, node.depends_on) for node in plans.single()] == [("answer", ())]
