"""Durations are read and written as GEP-2257 says."""

from datetime import timedelta
from typing import Annotated

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from autoglm_api.base import SpecModel
from autoglm_api.durations import (
    LONGEST,
    Between,
    Duration,
    format_duration,
    not_longer,
    parse_duration,
)

MILLISECOND = timedelta(milliseconds=1)


class Waiting(SpecModel):
    wait: Annotated[Duration, Between("1s", "1h30m")] = timedelta(minutes=1)
    free: Duration | None = None


@given(st.integers(min_value=0, max_value=LONGEST // MILLISECOND))
def test_what_is_written_is_read_again(milliseconds: int) -> None:
    duration = milliseconds * MILLISECOND
    assert parse_duration(format_duration(duration)) == duration


@given(st.text(max_size=20))
def test_a_text_is_a_duration_or_a_value_error(text: str) -> None:
    try:
        assert parse_duration(text) >= timedelta()
    except ValueError as error:
        assert "write one like 30s" in str(error)  # noqa: PT017 - both outcomes are right


@pytest.mark.parametrize(
    ("text", "duration"),
    [
        ("0s", timedelta()),
        ("250ms", timedelta(milliseconds=250)),
        ("90s", timedelta(seconds=90)),
        ("1h30m", timedelta(minutes=90)),
        ("30m1h", timedelta(minutes=90)),
        ("1s1s", timedelta(seconds=2)),
    ],
)
def test_reads_what_gateway_api_reads(text: str, duration: timedelta) -> None:
    assert parse_duration(text) == duration


@pytest.mark.parametrize("text", ["", "5", "5 s", "-5s", "1.5s", "1d", "5s\n", "123456s", "٣s"])
def test_refuses_what_gateway_api_refuses(text: str) -> None:
    with pytest.raises(ValueError, match="write one like 30s"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("duration", "text"),
    [
        (timedelta(), "0s"),
        (timedelta(seconds=90), "1m30s"),
        (timedelta(days=1, milliseconds=5), "24h5ms"),
        (LONGEST, "99999h59m59s999ms"),
    ],
)
def test_writes_the_shortest_form(duration: timedelta, text: str) -> None:
    assert format_duration(duration) == text


@pytest.mark.parametrize(
    "duration", [timedelta(seconds=-1), LONGEST + MILLISECOND, timedelta(microseconds=1)]
)
def test_never_writes_what_nobody_could_read(duration: timedelta) -> None:
    with pytest.raises(ValueError, match="whole milliseconds"):
        format_duration(duration)


@pytest.mark.parametrize("wait", ["1s", "90m", timedelta(seconds=1)])
def test_a_bounded_duration_takes_its_bounds(wait: str | timedelta) -> None:
    assert Waiting.model_validate({"wait": wait}).wait >= timedelta(seconds=1)


@pytest.mark.parametrize("wait", ["999ms", "1h30m1ms"])
def test_a_bounded_duration_says_its_bounds(wait: str) -> None:
    with pytest.raises(ValidationError, match="write a duration from 1s to 1h30m, like 30s"):
        Waiting.model_validate({"wait": wait})


@pytest.mark.parametrize("wait", [5, 5.0, None, ["5s"]])
def test_a_number_is_no_duration(wait: object) -> None:
    with pytest.raises(ValidationError, match="a duration is a string like 30s"):
        Waiting.model_validate({"wait": wait})


def test_a_duration_is_a_string_in_objects() -> None:
    assert Waiting(free=timedelta(hours=2)).as_json() == {"wait": "1m", "free": "2h"}


def test_the_schema_carries_form_and_bounds() -> None:
    schema = Waiting.model_json_schema()["properties"]["wait"]
    assert schema["type"] == "string"
    assert schema["maxLength"] == 32
    (rule,) = schema["x-kubernetes-validations"]
    assert "duration(self) <= duration('1h30m')" in rule["rule"]


def test_the_rule_of_a_pair_names_both() -> None:
    rule = not_longer("timeout", "interval")
    assert rule.message == "timeout must not be longer than interval"
    assert rule.expression.endswith("duration(self.timeout) <= duration(self.interval)")
