import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoglm_dataplane.router_agent.modelfinder import Fault, FinderError, Found, ModelFinder

KEYS = (
    st.sampled_from(["messages", "m\u00f6del", "model_", "\\model", '"model"', "mode"]) | st.text()
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.just("model") | st.text(), inner, max_size=3)
    ),
    max_leaves=8,
)


def find(text: bytes, pieces: int = 1000) -> Found:
    finder = ModelFinder()
    for at in range(0, len(text), pieces):
        finder.feed(text[at : at + pieces])
    return finder.end()


@given(
    before=st.dictionaries(KEYS.filter(lambda key: key != "model"), VALUES, max_size=4),
    model=st.text(max_size=40),
    after=st.dictionaries(KEYS.filter(lambda key: key != "model"), VALUES, max_size=4),
    pieces=st.integers(1, 40),
    ascii_only=st.booleans(),
    indent=st.sampled_from([None, 2]),
)
def test_finds_what_a_parser_finds_wherever_the_pieces_end(
    before: dict[str, Any],
    model: str,
    after: dict[str, Any],
    pieces: int,
    ascii_only: bool,
    indent: int | None,
) -> None:
    after = {key: value for key, value in after.items() if key not in before}
    body = {**before, "model": model, **after}
    text = json.dumps(body, ensure_ascii=ascii_only, indent=indent).encode(errors="surrogatepass")
    found = find(text, pieces)
    assert found.model == model
    assert json.loads(text[found.begin : found.end]) == model


def test_knows_the_model_before_the_body_is_over() -> None:
    finder = ModelFinder()
    finder.feed(b'{"model": "glm", "messages": "xxx')
    assert finder.found == Found("glm", 10, 15)


@pytest.mark.parametrize("pieces", [1, 7, 1000])
@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (b'{"model": "a", "model": "b"}', Fault.TWICE),
        (b'{"model": "a", "\\u006dodel": "b"}', Fault.TWICE),
        (b'{"model": "a", "x": {"model": 1}, "model": null}', Fault.TWICE),
        (b'{"model": 5, "x": "glm"}', Fault.NO_MODEL),
        (b'{"model": ["glm"]}', Fault.NO_MODEL),
        (b'{"model": {"model": "glm"}}', Fault.NO_MODEL),
        (b'{"model": null}', Fault.NO_MODEL),
        (b'{"model": "\\q"}', Fault.NO_MODEL),
        (b'{"model": "' + b"x" * 3000 + b'"}', Fault.NO_MODEL),
        (b'{"' + b"x" * 3000 + b'": 1}', Fault.NO_MODEL),
        (b'{"messages": [{"model": "glm"}]}', Fault.NO_MODEL),
        (b"{}", Fault.NO_MODEL),
        (b'["model", "glm"]', Fault.NO_OBJECT),
        (b'"model"', Fault.NO_OBJECT),
        (b"model", Fault.NO_OBJECT),
        (b"", Fault.NO_OBJECT),
        (b'{"model": "glm"', Fault.NO_OBJECT),
        (b'{"model": "glm', Fault.NO_OBJECT),
        (b'{"model": "glm"} {"model": "other"}', Fault.NO_OBJECT),
        (b'{"model": "glm"} tail', Fault.NO_OBJECT),
    ],
)
def test_says_why_there_is_no_model(text: bytes, fault: Fault, pieces: int) -> None:
    with pytest.raises(FinderError) as error:
        find(text, pieces)
    assert error.value.fault is fault


def test_blanks_around_the_object_do_no_harm() -> None:
    assert find(b' \r\n{"model":"glm"}\n\t ').model == "glm"
