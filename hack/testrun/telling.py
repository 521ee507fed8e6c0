"""Progress of a test run: lines with the time since its start."""

import time

BEGIN = time.monotonic()


def say(message: str) -> None:
    """One line."""
    elapsed = int(time.monotonic() - BEGIN)
    print(f"[{elapsed // 60:02d}:{elapsed % 60:02d}] {message}", flush=True)
