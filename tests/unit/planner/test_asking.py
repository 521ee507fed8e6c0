"""Which requests are taken, and what is refused by name."""

import json
from datetime import timedelta
from pathlib import Path

import pytest

from autoglm_api.autoglmcluster import CooperationStrategy
from autoglm_dataplane.planner import asking
from autoglm_dataplane.planner.refusals import RefusalError
from autoglm_dataplane.planner.settings import PlannerSettings

MESSAGES = [{"role": "user", "content": "Hello"}]
SETTINGS = PlannerSettings(
    model="glm",
    store_url="valkey://store",
    internal_url="http://router:8090",
    internal_token_file=Path("token"),
    run_timeout=timedelta(seconds=60),
)


def chat(**fields: object) -> asking.Asked:
    return asking.chat(json.dumps({"messages": MESSAGES} | fields).encode(), SETTINGS)


def task(**fields: object) -> asking.Asked:
    body = {"type": "chat", "payload": {"prompt": "Hello"}} | fields
    return asking.task(json.dumps(body).encode(), SETTINGS)


def refusal_of(**fields: object) -> RefusalError:
    with pytest.raises(RefusalError) as refusal:
        chat(**fields)
    return refusal.value


@pytest.mark.parametrize(
    ("model", "strategy"),
    [
        ("autoglm", CooperationStrategy.PLAN),
        ("autoglm-plan", CooperationStrategy.PLAN),
        ("autoglm-single", CooperationStrategy.SINGLE),
    ],
)
def test_a_virtual_model_names_its_strategy(model: str, strategy: CooperationStrategy) -> None:
    asked = chat(model=model).request
    assert (asked.strategy, asked.model, asked.virtual_model) == (strategy, "glm", model)


def test_the_default_model_follows_the_clusters_strategy() -> None:
    settings = SETTINGS.model_copy(update={"strategy": CooperationStrategy.SINGLE})
    body = json.dumps({"model": "autoglm", "messages": MESSAGES}).encode()
    assert asking.chat(body, settings).request.strategy is CooperationStrategy.SINGLE


def test_another_model_is_refused_with_the_virtual_ones() -> None:
    refusal = refusal_of(model="glm")
    assert refusal.status == 404
    assert "autoglm-plan" in str(refusal)


def test_messages_are_kept_as_they_came() -> None:
    parts = [{"role": "user", "content": [{"type": "text", "text": "Hi"}], "name": "eve"}]
    assert list(chat(model="autoglm", messages=parts).request.messages) == parts


def test_parameters_are_kept_and_null_is_no_parameter() -> None:
    asked = chat(model="autoglm", temperature=0.5, tools=None, logprobs=None)
    assert asked.request.parameters == {"temperature": 0.5}


@pytest.mark.parametrize("name", ["tools", "functions", "logprobs", "audio", "nonsense"])
def test_what_a_run_cannot_honour_is_refused_by_name(name: str) -> None:
    refusal = refusal_of(model="autoglm", **{name: True})
    assert (refusal.status, refusal.param) == (400, name)


@pytest.mark.parametrize(
    "fields",
    [{"messages": []}, {"messages": [{"role": "tool", "content": "x"}]}, {"n": 2}, {"stream": 7}],
)
def test_a_malformed_chat_is_refused(fields: dict[str, object]) -> None:
    assert refusal_of(model="autoglm", **fields).status == 400


def test_a_body_that_is_no_json_is_refused() -> None:
    with pytest.raises(RefusalError) as refusal:
        asking.chat(b"{", SETTINGS)
    assert refusal.value.status == 400


def test_streaming_and_its_usage_are_read() -> None:
    asked = chat(model="autoglm", stream=True, stream_options={"include_usage": True})
    assert asked.stream
    assert asked.include_usage


def test_a_task_may_shorten_its_time_but_not_lengthen_it() -> None:
    assert task(meta={"timeout": "10s"}).request.timeout_milliseconds == 10_000
    assert task(meta={"timeout": "50m"}).request.timeout_milliseconds == 60_000


def test_a_task_may_say_that_it_must_not_run_twice() -> None:
    assert task().request.retry
    assert not task(meta={"retry": False}).request.retry


@pytest.mark.parametrize(
    "fields",
    [
        {"type": "dance"},
        {"payload": {}},
        {"payload": {"prompt": "x", "messages": MESSAGES}},
        {"meta": {"strategy": "Vote"}},
        {"surprise": 1},
    ],
)
def test_a_malformed_task_is_refused(fields: dict[str, object]) -> None:
    with pytest.raises(RefusalError) as refusal:
        task(**fields)
    assert refusal.value.status == 400


def test_a_cluster_without_a_model_takes_nothing() -> None:
    settings = SETTINGS.model_copy(update={"model": ""})
    body = json.dumps({"model": "autoglm", "messages": MESSAGES}).encode()
    with pytest.raises(RefusalError) as refusal:
        asking.chat(body, settings)
    assert refusal.value.status == 503


def test_equal_requests_have_equal_fingerprints() -> None:
    assert chat(model="autoglm").fingerprint() == chat(model="autoglm").fingerprint()
    assert chat(model="autoglm").fingerprint() != chat(model="autoglm-single").fingerprint()


def test_the_resume_token_is_a_version() -> None:
    assert asking.last_event("") == 0
    assert asking.last_event("12") == 12
    for bad in ("x", "-1", "1.5", "٣"):
        with pytest.raises(RefusalError):
            asking.last_event(bad)
