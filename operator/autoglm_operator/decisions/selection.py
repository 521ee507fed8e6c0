"""Whether labels fit a selector of Kubernetes, in any of its forms.

Never looks anything up.
"""

from collections.abc import Callable, Mapping
from typing import Final

from autoglm_operator.decisions.reading import Manifest, part, parts

Labels = Mapping[str, str]


def selects(selector: Manifest, labels: Labels) -> bool:
    """Whether a LabelSelector selects an object with these labels; an empty one selects nothing.

    Kubernetes' own empty selector selects everything, but nobody of ours means that.
    """
    exact, terms = part(selector, "matchLabels"), parts(selector, "matchExpressions")
    if not exact and not terms:
        return False
    same = all(labels.get(key) == value for key, value in exact.items())
    return same and all(meets(term, labels) for term in terms)


def meets(term: Manifest, labels: Labels) -> bool:
    """Whether labels meet one requirement with key, operator and values."""
    test = _OPERATORS.get(str(term.get("operator")))
    values = [str(each) for each in term.get("values") or ()]
    return test is not None and test(labels.get(str(term.get("key"))), values)


def _greater(found: str | None, values: list[str]) -> bool:
    return _number(found) is not None and (_number(found) or 0) > int(values[0])


def _less(found: str | None, values: list[str]) -> bool:
    return _number(found) is not None and (_number(found) or 0) < int(values[0])


def _number(found: str | None) -> int | None:
    try:
        return int(found or "")
    except ValueError:
        return None


_OPERATORS: Final[Mapping[str, Callable[[str | None, list[str]], bool]]] = {
    "In": lambda found, values: found in values,
    "NotIn": lambda found, values: found not in values,
    "Exists": lambda found, _: found is not None,
    "DoesNotExist": lambda found, _: found is None,
    "Gt": _greater,
    "Lt": _less,
}
"""Source: node affinity in k8s.io/api/core/v1; Gt and Lt compare whole numbers."""
