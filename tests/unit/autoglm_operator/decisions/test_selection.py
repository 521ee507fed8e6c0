"""Whether labels fit a selector of Kubernetes."""

from typing import Any

import pytest

from autoglm_operator.decisions import selection


def a_term(operator: str, *values: str, key: str = "zone") -> dict[str, Any]:
    return {"key": key, "operator": operator, "values": list(values)}


@pytest.mark.parametrize(
    ("term", "labels", "fits"),
    [
        (a_term("In", "a", "b"), {"zone": "b"}, True),
        (a_term("In", "a"), {}, False),
        (a_term("NotIn", "a"), {"zone": "b"}, True),
        (a_term("NotIn", "a"), {}, True),
        (a_term("NotIn", "a"), {"zone": "a"}, False),
        (a_term("Exists"), {"zone": ""}, True),
        (a_term("Exists"), {}, False),
        (a_term("DoesNotExist"), {}, True),
        (a_term("DoesNotExist"), {"zone": "a"}, False),
        (a_term("Gt", "3"), {"zone": "4"}, True),
        (a_term("Gt", "3"), {"zone": "3"}, False),
        (a_term("Gt", "-1"), {"zone": "x"}, False),
        (a_term("Lt", "3"), {"zone": "2"}, True),
        (a_term("Lt", "3"), {"zone": "3"}, False),
        (a_term("Lt", "3"), {}, False),
        (a_term("Resembles", "a"), {"zone": "a"}, False),
    ],
)
def test_requirements(term: dict[str, Any], labels: dict[str, str], *, fits: bool) -> None:
    assert selection.meets(term, labels) is fits


@pytest.mark.parametrize(
    ("selector", "fits"),
    [
        ({"matchLabels": {"app": "web"}}, True),
        ({"matchLabels": {"app": "api"}}, False),
        ({"matchExpressions": [a_term("In", "web", key="app")]}, True),
        (
            {
                "matchLabels": {"app": "web"},
                "matchExpressions": [a_term("Exists", key="tier")],
            },
            False,
        ),
        ({}, False),
    ],
)
def test_selectors(selector: dict[str, Any], *, fits: bool) -> None:
    assert selection.selects(selector, {"app": "web"}) is fits
