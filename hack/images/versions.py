"""Versions of Debian packages, and which of them this project is tested with."""

import dataclasses
import re


@dataclasses.dataclass(frozen=True)
class Range:
    """Versions from one on and below another; both are upstream's numbers, such as 3.2."""

    at_least: str
    below: str

    def holds(self, version: str) -> bool:
        """Whether a Debian version lies in the range."""
        return numbers(self.at_least) <= numbers(upstream(version)) < numbers(self.below)

    def __str__(self) -> str:
        """As requirements are written: >=3.2,<3.3."""
        return f">={self.at_least},<{self.below}"


def upstream(version: str) -> str:
    """Upstream's part of a Debian version: 3.2.26 of 1:3.2.26-1."""
    without_epoch = version.split(":", 1)[-1]
    return without_epoch.rsplit("-", 1)[0]


def numbers(version: str) -> tuple[int, ...]:
    """The leading numbers of an upstream version: (9, 1, 2) of 9.1.2+dfsg1.

    A pre-release (3.3~rc1) counts as its release: it is not a version to be tested with.
    """
    leading = re.match(r"\d+(?:\.\d+)*", version)
    return tuple(int(part) for part in leading.group().split(".")) if leading else ()
