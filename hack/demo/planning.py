"""A task for the whole stack: planner, store, executors and back, streamed."""

import time
from dataclasses import dataclass

from demo.stage import Stage
from demo.telling import StepError

VIRTUAL_MODEL = "autoglm"
"""The name under which planner and executors answer together."""
TASK = "Compare three cities for a conference: cost, travel time, weather. Recommend one."


@dataclass(frozen=True)
class Answer:
    """A streamed answer."""

    text: str
    chunks: int
    seconds: float


def planned_task(stage: Stage) -> Answer:
    """Ask the planner and read its stream.

    Raises:
        StepError: the answer is empty, or came in one piece.
    """
    begin = time.monotonic()
    with stage.client().connect(timeout_seconds=120) as client:
        stream = client.chat.completions.create(
            model=VIRTUAL_MODEL, messages=[{"role": "user", "content": TASK}], stream=True
        )
        deltas = (chunk.choices[0].delta.content for chunk in stream if chunk.choices)
        parts = [delta for delta in deltas if delta]
    if len(parts) <= 1:
        raise StepError(f"the planned task answered in {len(parts)} pieces instead of a stream")
    return Answer("".join(parts), len(parts), time.monotonic() - begin)
