"""What Prometheus' answers mean: samples, a query that is none, or no answer at all."""

import pytest
from prometheus_api_client.exceptions import PrometheusApiClientException

from autoglm_operator.clients import prometheus
from autoglm_operator.clients.prometheus import PrometheusError, QueryRefusedError

ANSWERS: dict[str, tuple[object, list[float | None]]] = {
    "empty": ([], []),
    "no list": ("nothing", []),
    "a scalar": ([1767225600.0, "0.5"], [0.5]),
    "a vector": ([{"value": [0, "1"]}, {"value": [0, "NaN"]}], [1.0, None]),
    "a matrix": ([{"values": [[0, "1"]]}], []),
}


@pytest.mark.parametrize(("answer", "samples"), ANSWERS.values(), ids=ANSWERS)
def test_every_sample_counts(answer: object, samples: list[float | None]) -> None:
    found = prometheus.samples_of(answer)
    assert [None if sample != sample else sample for sample in found] == samples  # noqa: PLR0124


@pytest.mark.parametrize(
    ("code", "refused", "said"),
    [
        (400, True, "parse error: unclosed"),
        (422, True, "parse error: unclosed"),
        (401, False, "answered 401: check the chart's verification.prometheus.tokenSecret"),
        (503, False, "answered 503 instead of 200"),
    ],
)
def test_a_query_that_is_none_is_told_from_a_prometheus_that_does_not_answer(
    code: int, refused: bool, said: str
) -> None:
    body = b'{"status":"error","error":"parse error: unclosed \\"{\\""}'
    error = prometheus.explained(
        PrometheusApiClientException(f"HTTP Status Code {code} ({body!r})")
    )
    assert isinstance(error, PrometheusError)
    assert isinstance(error, QueryRefusedError) is refused
    assert said in str(error)


@pytest.mark.parametrize("text", ["HTTP Status Code 400 (b'<html>')", "HTTP Status Code 400 (b'')"])
def test_a_refusal_without_a_sentence_is_one_all_the_same(text: str) -> None:
    error = prometheus.explained(PrometheusApiClientException(text))
    assert isinstance(error, QueryRefusedError)


def test_what_the_library_says_otherwise_is_no_answer() -> None:
    error = prometheus.explained(PrometheusApiClientException("boom"))
    assert not isinstance(error, QueryRefusedError)
