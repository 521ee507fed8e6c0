"""What is read of a delivery, and what is refused with which words."""

import json

import pytest

from autoglm_operator.receiver.document import DEPTH_LIMIT, MalformedError, read_group

GROUP: dict[str, object] = {
    "version": "4",
    "groupKey": "{}:{}",
    "alerts": [],
    "notification_reason": "new",
}


def test_reads_a_group_and_ignores_unknown_fields() -> None:
    group = read_group(json.dumps(GROUP | {"alerts": [{"anything": 1}]}).encode())

    assert group.alerts == [{"anything": 1}]
    assert group.truncated_alerts == 0


def nested(levels: int) -> bytes:
    return (
        b'{"version": "4", "groupKey": "x", "alerts": [], "x": '
        + b"[" * levels
        + (b"]" * levels + b"}")
    )


def test_reads_what_is_nested_up_to_the_limit() -> None:
    assert read_group(nested(DEPTH_LIMIT - 1)).alerts == []


REFUSED = {
    "nothing": (b"", "no JSON"),
    "half a document": (b'{"version": "4"', "no JSON"),
    "a text": (b'"alert"', "no JSON object"),
    "another version": (b'{"version": "5"}', "version '5'"),
    "a custom payload": (b'{"text": "alert"}', "version 'None'"),
    "no key": (b'{"version": "4", "alerts": []}', "groupKey: field required"),
    "no list": (b'{"version": "4", "groupKey": "x", "alerts": {}}', "alerts: "),
    "too deep": (nested(DEPTH_LIMIT), "deeper than 12 levels"),
    "far too deep": (b"[" * 10_000 + b"]" * 10_000, "no JSON"),
    "no text": (b"\xff\xfe", "no JSON"),
}


@pytest.mark.parametrize(("body", "reason"), REFUSED.values(), ids=REFUSED)
def test_refuses(body: bytes, reason: str) -> None:
    with pytest.raises(MalformedError) as refusal:
        read_group(body)

    assert reason in str(refusal.value)
