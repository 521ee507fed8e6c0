"""What models are asked."""

from autoglm_dataplane.taskstore.prompts import messages_for, parameters_for
from taskobjects import a_node, a_plan, a_request, a_result, a_run

PLAN = a_plan(a_node("a"), a_node("b", "a"))


def test_an_undivided_request_is_passed_on_as_it_came() -> None:
    request = a_request(messages=[{"role": "user", "content": [{"type": "image_url"}]}])
    run = a_run(PLAN, request=request)
    whole = a_node("answer")
    assert messages_for(run, whole) == list(request.messages)


def test_a_subtask_sees_the_request_and_the_results_it_needs() -> None:
    run = a_run(PLAN, a_result("a", "three trains"), a_result("z", "hidden"))
    said = " ".join(str(message["content"]) for message in messages_for(run, PLAN.nodes[1]))
    assert "Which way to Rome?" in said
    assert "three trains" in said
    assert "Do b." in said
    assert "hidden" not in said


def test_the_clients_system_message_does_not_rule_subtasks() -> None:
    request = a_request(
        messages=[{"role": "system", "content": "Rhyme."}, {"role": "user", "content": "Hi"}]
    )
    run = a_run(PLAN, request=request)
    assert "Rhyme." not in str(messages_for(run, PLAN.nodes[0]))
    assert "Rhyme." in str(messages_for(run, PLAN.nodes[-1]))


def test_the_answer_is_made_from_the_last_results() -> None:
    run = a_run(PLAN, a_result("a", "alpha"), a_result("b", "beta"))
    last = str(messages_for(run, PLAN.nodes[-1])[-1]["content"])
    assert "beta" in last
    assert "alpha" not in last


def test_the_clients_parameters_shape_the_answer_alone() -> None:
    run = a_run(PLAN, request=a_request(parameters={"max_tokens": 5}))
    assert parameters_for(run, PLAN.nodes[0]) == {}
    assert parameters_for(run, PLAN.nodes[-1]) == {"max_tokens": 5}
