"""kubectl as the demo uses it: the same commands that a person would type."""

import json
import subprocess
import time
from collections.abc import Callable, Sequence
from typing import Any

from demo.telling import StepError

POLL_SECONDS = 0.2


def run(*words: str, stdin: str | None = None) -> str:
    """Run kubectl and return what it printed.

    Raises:
        StepError: kubectl failed; the message is its own.
    """
    done = subprocess.run(
        ["kubectl", *words], input=stdin, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise StepError(f"kubectl {' '.join(words[:4])}: {done.stderr.strip()}")
    return done.stdout


def apply(namespace: str, manifest: str) -> None:
    """Apply manifests as the API server itself checks them."""
    run("-n", namespace, "apply", "--validate=strict", "-f", "-", stdin=manifest)


def get(namespace: str, *words: str) -> dict[str, Any]:
    """One object, or a list, as JSON."""
    found: dict[str, Any] = json.loads(run("-n", namespace, "get", *words, "-o", "json"))
    return found


def items(namespace: str, *words: str) -> list[dict[str, Any]]:
    """The objects of a list."""
    found: list[dict[str, Any]] = get(namespace, *words)["items"]
    return found


def patch(namespace: str, what: str, name: str, body: object) -> None:
    """Merge a change into an object."""
    run("-n", namespace, "patch", what, name, "--type=merge", "-p", json.dumps(body))


def condition(obj: dict[str, Any], kind: str) -> dict[str, Any]:
    """A condition of an object; empty when it is not there yet."""
    conditions: Sequence[dict[str, Any]] = obj.get("status", {}).get("conditions", [])
    found = [known for known in conditions if known["type"] == kind]
    return found[0] if found else {}


def until(what: str, seconds: float, probe: Callable[[], bool]) -> float:
    """Wait until the probe is true; return how long that took, in seconds.

    Raises:
        StepError: it did not become true in time.
    """
    begin = time.monotonic()
    while not probe():
        if time.monotonic() - begin > seconds:
            raise StepError(f"{what} did not happen within {seconds:.0f} s")
        time.sleep(POLL_SECONDS)
    return time.monotonic() - begin
