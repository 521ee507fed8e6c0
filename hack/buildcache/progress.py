"""Lines of progress with the time since the start, on stderr; stdout is left to results."""

import sys
import time

BEGIN = time.monotonic()


def say(message: str) -> None:
    """One line of progress."""
    elapsed = int(time.monotonic() - BEGIN)
    print(f"[{elapsed // 60:02d}:{elapsed % 60:02d}] {message}", file=sys.stderr, flush=True)
