"""Amounts as Kubernetes writes them, as numbers. Never rounds."""

import re
from decimal import Decimal
from typing import Final

_NUMBER: Final = re.compile(r"^([+-]?[0-9.]+)([numkMGTPE]|[KMGTPE]i|[eE][+-]?[0-9]+)?$")
_DECIMAL: Final = {
    "n": -9,
    "u": -6,
    "m": -3,
    "": 0,
    "k": 3,
    "M": 6,
    "G": 9,
    "T": 12,
    "P": 15,
    "E": 18,
}
_BINARY: Final = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}
"""Source: the suffixes in k8s.io/apimachinery/pkg/api/resource."""


def amount(text: object) -> Decimal:
    """The number that a quantity stands for.

    Raises:
        ValueError: it is none.
    """
    found = _NUMBER.match(str(text))
    if found is None:
        raise ValueError(f"{text!r} is no quantity")
    number, suffix = Decimal(found[1]), found[2] or ""
    if suffix in _BINARY:
        return number * (1 << _BINARY[suffix])
    if suffix in _DECIMAL:
        return number.scaleb(_DECIMAL[suffix])
    return number.scaleb(int(suffix[1:]))
