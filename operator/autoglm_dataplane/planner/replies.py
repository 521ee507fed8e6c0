"""Puts a run into the forms that clients know: completions, chunks, status, events.

Pure. It never waits for a run.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Final

from autoglm_dataplane.taskstore.journal import Answer, Event, EventKind, Problem, Run, Usage

DONE: Final = b"data: [DONE]\n\n"
KEEP_ALIVE: Final = b": waiting\n\n"
PIECE: Final = 40
"""Characters of the answer in one chunk. Arbitrary: about ten tokens, so that terminals flow."""


def completion(run: Run, answer: Answer) -> dict[str, object]:
    """A chat completion."""
    message = {"role": "assistant", "content": answer.content}
    choice = {"index": 0, "message": message, "finish_reason": answer.finish_reason}
    head = _head(run.id, run.request.virtual_model, run.accepted_at_milliseconds)
    return {
        **head,
        "object": "chat.completion",
        "choices": [choice],
        "usage": _usage(answer.usage),
    }


class Chunks:
    """The server-sent events of one streamed chat completion."""

    def __init__(self, run_id: str, model: str, *, include_usage: bool) -> None:
        """Chunks name the run and the virtual model."""
        self._run_id = run_id
        self._model = model
        self._include_usage = include_usage
        self._accepted_at = 0

    def of(self, event: Event) -> Iterator[bytes]:
        """What a client is sent about one event."""
        if event.kind is EventKind.ACCEPTED:
            self._accepted_at = event.at_milliseconds
            yield self._chunk({"role": "assistant", "content": ""}, event)
        elif event.kind is EventKind.ANSWER:
            yield from self._answer(Answer.model_validate(event.data))
        else:
            yield self._chunk({}, event)

    def too_late(self) -> Iterator[bytes]:
        """What a client is sent when it has waited long enough."""
        yield _error(too_late(self._run_id))
        yield DONE

    def _answer(self, answer: Answer) -> Iterator[bytes]:
        if answer.problem is not None:
            yield _error(answer.problem)
        else:
            for at in range(0, len(answer.content), PIECE):
                yield self._chunk({"content": answer.content[at : at + PIECE]})
            yield self._chunk({}, finish=answer.finish_reason)
            if self._include_usage:
                yield _data({**self._chunk_head(), "choices": [], "usage": _usage(answer.usage)})
        yield DONE

    def _chunk(
        self, delta: Mapping[str, str], event: Event | None = None, finish: str | None = None
    ) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        body = {**self._chunk_head(), "choices": [choice]}
        if self._include_usage:
            body["usage"] = None
        if event is not None:
            # An extension that clients ignore unless they know it: what is being done meanwhile.
            body["autoglm"] = {"run": self._run_id, "event": event.kind, "id": event.version}
        return _data(body)

    def _chunk_head(self) -> dict[str, object]:
        head = _head(self._run_id, self._model, self._accepted_at)
        return {**head, "object": "chat.completion.chunk"}


def too_late(run_id: str) -> Problem:
    """The problem of a client whose run nobody has answered in time; it may still be answered."""
    message = f"Run {run_id} was not done in time; GET /v1/runs/{run_id} shows how it ends."
    return Problem(status=504, code="run_timeout", message=message)


def status(run: Run) -> dict[str, object]:
    """A run as `GET /v1/runs/{id}` shows it."""
    answer = run.answer
    shown: dict[str, object] = {
        "id": run.id,
        "object": "autoglm.run",
        "status": _state(run),
        "strategy": run.request.strategy,
        "model": run.request.model,
        "created": run.accepted_at_milliseconds // 1000,
        "version": run.version,
        "planner": run.owner or None,
        "nodes": [_node(run, node.id, node.depends_on) for node in run.nodes],
    }
    if answer is not None and answer.problem is not None:
        shown["error"] = {"code": answer.problem.code, "message": answer.problem.message}
    elif answer is not None:
        shown |= {"answer": answer.content, "usage": _usage(answer.usage)}
    return shown


def event(one: Event) -> bytes:
    """One event of the feed; its id is the token to resume with."""
    body = {
        "version": one.version,
        "kind": one.kind,
        "at": one.at_milliseconds,
        "writer": one.writer,
        "data": one.data,
    }
    head = f"id: {one.version}\nevent: {one.kind}\n"
    return head.encode() + _data(body)


def _state(run: Run) -> str:
    if run.answer is not None:
        return "failed" if run.answer.problem else "succeeded"
    return "running" if run.owner else "queued"


def _node(run: Run, node: str, depends_on: tuple[str, ...]) -> dict[str, object]:
    award, result = run.awards.get(node), run.results.get(node)
    return {
        "id": node,
        "dependsOn": depends_on,
        "status": _node_state(run, node),
        "executor": award.executor if award else None,
        "attempt": award.attempt if award else 0,
        "upstream": result.upstream if result else None,
    }


def _node_state(run: Run, node: str) -> str:
    result = run.results.get(node)
    if result is not None:
        return result.outcome
    return "running" if node in run.awards else "waiting"


def _head(run_id: str, model: str, accepted_at_milliseconds: int) -> dict[str, object]:
    return {
        "id": f"chatcmpl-{run_id}",
        "created": accepted_at_milliseconds // 1000,
        "model": model,
    }


def _usage(usage: Usage) -> dict[str, int]:
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
    }


def _error(problem: Problem) -> bytes:
    error = {"message": problem.message, "type": "server_error", "code": problem.code}
    return _data({"error": {**error, "param": None}})


def _data(body: object) -> bytes:
    return b"data: " + json.dumps(body).encode() + b"\n\n"
