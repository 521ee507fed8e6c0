"""The commands that runbooks tell a person to type.

Exists so that each can be tried as it stands. A runbook writes in capitals what is to be filled in.
Commands for a node itself are told apart by the comment "on the node". Never runs anything.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

RUNBOOKS = Path(__file__).parents[1] / "runbooks"
ON_THE_NODE = "# on the node"
CHANGING = {
    "annotate",
    "cordon",
    "create",
    "delete",
    "drain",
    "label",
    "patch",
    "scale",
    "set",
    "taint",
    "uncordon",
}
"""Verbs of kubectl that change something and know --dry-run; `rollout undo` is another."""
READING_WORDS = ("--list", "rollout history")

_BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"`(kubectl [^`]*)`")
_COMMENT = re.compile(r"\s+#\s.*$")


@dataclass(frozen=True)
class Command:
    """One line of kubectl."""

    runbook: str
    text: str

    def filled(self, words: Mapping[str, str]) -> str:
        """The command with the words in capitals replaced."""
        text = self.text
        for word, value in words.items():
            text = re.sub(rf"(?<![A-Za-z-]){re.escape(word)}(?![A-Za-z-])", value, text)
        return text

    @property
    def kubectl(self) -> str:
        """What kubectl is asked for, without what its output is piped into."""
        return re.split(r"\s\|\s", self.text, maxsplit=1)[0]

    @property
    def changes(self) -> bool:
        """Whether it changes something."""
        if any(word in self.text for word in READING_WORDS):
            return False
        verbs = set(self.text.split()) & CHANGING
        return bool(verbs) or "rollout undo" in self.text


def commands(runbook: Path) -> Iterator[Command]:
    """Every command of kubectl that a runbook names, in blocks and in sentences."""
    text = runbook.read_text(encoding="utf-8")
    for block in _BLOCK.findall(text):
        for line in block.partition(ON_THE_NODE)[0].splitlines():
            command = _COMMENT.sub("", line).strip()
            if command.startswith("kubectl "):
                yield Command(runbook.stem, command)
    for found in _INLINE.findall(_BLOCK.sub("", text)):
        yield Command(runbook.stem, found)


def everything() -> list[Command]:
    """The commands of all runbooks, each once."""
    found = [each for path in sorted(RUNBOOKS.glob("*.md")) for each in commands(path)]
    return list(dict.fromkeys(found))
