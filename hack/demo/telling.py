"""What the demo says: lines with the time since its start, and how a step fails."""

import time

BEGIN = time.monotonic()


class StepError(Exception):
    """A step fell short; the message says of what, in one sentence."""


def say(message: str) -> None:
    """One line of progress."""
    elapsed = int(time.monotonic() - BEGIN)
    print(f"[{elapsed // 60:02d}:{elapsed % 60:02d}] {message}", flush=True)


def heading(number: int, title: str) -> None:
    """The beginning of a step."""
    print(flush=True)
    say(f"step {number}: {title}")
