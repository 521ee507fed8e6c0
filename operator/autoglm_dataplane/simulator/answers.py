"""What the simulator says: it follows from seed and question, so that a test can foretell it.

Pure. Plans keep the rules of `taskstore.plans`; a unit test holds the two together.
"""

import hashlib
import json
import random  # noqa: TID251  # every generator here is made with a seed
from dataclasses import dataclass
from typing import Final

from autoglm_dataplane.simulator.questions import Question

_ECHO_LIMIT: Final = 160
"""Characters of the question in the answer. Arbitrary, because a person reads it in a terminal."""
_WORDS: Final = (
    *("agent", "answer", "balance", "budget", "carry", "check", "choose", "collect", "compare"),
    *("count", "divide", "draft", "finish", "gather", "inspect", "join", "list", "measure"),
    *("note", "order", "plan", "prove", "rank", "read", "report", "settle", "sort", "summarise"),
)
_ASPECTS: Final = ("facts", "costs", "risks", "options", "examples", "limits")


@dataclass(frozen=True, slots=True)
class Answer:
    """One reply, whole; how it travels is decided elsewhere."""

    content: str
    """Text, or the arguments of the function call."""
    tool: str | None
    """Name of the function that is called instead of answering in text."""
    prompt_tokens: int
    completion_tokens: int
    finish_reason: str

    def chunks(self) -> list[str]:
        """The content in the pieces in which it is streamed: about one word each."""
        return [f"{word} " for word in self.content.split(" ")[:-1]] + [
            self.content.rsplit(" ", 1)[-1]
        ]

    def usage(self) -> dict[str, int]:
        """Token counts; a token is a word here."""
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "total_tokens": self.prompt_tokens + self.completion_tokens,
        }


def answer(question: Question, *, seed: int, scripted: str | None = None) -> Answer:
    """Answer a question; a scripted text is said instead of one of our own."""
    chance = random.Random(f"{seed}:{question.model}:{question.prompt}")  # noqa: S311  # no secret depends on it
    tool = question.plan_tool
    if scripted is not None:
        content = scripted
    elif tool or question.wants_plan:
        content = json.dumps(plan(question.prompt, chance))
    else:
        content = _prose(question.prompt, chance)
    words = content.split(" ")
    limit = question.token_limit
    cut = tool is None and limit is not None and len(words) > limit
    return Answer(
        content=" ".join(words[:limit]) if cut else content,
        tool=tool,
        prompt_tokens=sum(len(message.text.split()) for message in question.messages),
        completion_tokens=min(len(words), limit) if cut and limit else len(words),
        finish_reason="length" if cut else "tool_calls" if tool else "stop",
    )


def plan(prompt: str, chance: random.Random) -> dict[str, object]:
    """Two or three independent subtasks, and one that compares what they found."""
    aspects = chance.sample(_ASPECTS, chance.choice((2, 3)))
    first: list[dict[str, object]] = [
        {
            "id": aspect,
            "capability": "chat",
            "instruction": f"Collect the {aspect}: {prompt[:_ECHO_LIMIT]}",
            "depends_on": [],
        }
        for aspect in aspects
    ]
    compare = {
        "id": "compare",
        "capability": "chat",
        "instruction": f"Compare {' and '.join(aspects)}.",
        "depends_on": aspects,
    }
    return {"nodes": [*first, compare]}


def _prose(prompt: str, chance: random.Random) -> str:
    mark = hashlib.sha256(prompt.encode()).hexdigest()[:8]
    words = " ".join(chance.choices(_WORDS, k=chance.randint(8, 16)))
    echo = " ".join(prompt.split())[:_ECHO_LIMIT]
    return f"[{mark}] {words}. You asked: {echo}"
