"""What a model is asked for one node of a run.

The same for whoever carries the node out, so that a task taken over is asked the same question.
Pure: it never calls a model.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from autoglm_dataplane.taskstore.journal import Run
from autoglm_dataplane.taskstore.plans import ANSWER, Node
from autoglm_dataplane.taskstore.requests import Message

_SUBTASK: Final = (
    "You carry out one subtask of a larger request. Do only what the subtask says and answer with"
    " its result alone. The conversation is there so that you understand the subtask."
)
_JOIN: Final = (
    "Subtasks of this request were carried out; their results follow. Answer the request with them."
    " Do not mention subtasks."
)


def messages_for(run: Run, node: Node) -> list[Message]:
    """The conversation that a model is sent for a node."""
    asked = list(run.request.messages)
    if node.id == ANSWER:
        if not node.depends_on:
            return asked
        return [*asked, {"role": "user", "content": f"{_JOIN}\n\n{_results(run, node.depends_on)}"}]
    needed = _results(run, node.depends_on)
    subtask = f"Subtask: {node.instruction}"
    return [
        {"role": "system", "content": _SUBTASK},
        *(message for message in asked if message.get("role") != "system"),
        {"role": "user", "content": f"{needed}\n\n{subtask}" if needed else subtask},
    ]


def parameters_for(run: Run, node: Node) -> Mapping[str, Any]:
    """The client's sampling parameters, for the node that writes what the client reads."""
    return run.request.parameters if node.id == ANSWER else {}


def _results(run: Run, names: Iterable[str]) -> str:
    parts: list[str] = []
    for name in names:
        node, result = run.node(name), run.results.get(name)
        if node is not None and result is not None:
            parts.append(f"Result of {name} ({node.instruction}):\n{result.content}")
    return "\n\n".join(parts)
