"""Starts our processes from a parent that has imported their code already.

Exists because a start costs about a second of CPU, nearly all of it imports, and tests that kill a
process at every write start it hundreds of times. What runs is no other: the program's own entry,
in a process and a session of its own, with its own environment and log. Never used where the start
itself is tested: images, nodes and the tests of the command line begin from nothing.
"""

import atexit
import ctypes
import functools
import gc
import importlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autoglm_cli import main as autoglm

SOURCES = Path(__file__).parent.parent / "operator"
POLL_SECONDS = 0.01
"""Arbitrary, because it only has to be small against the start of a process."""
MODULES = {known.name: known.module for known in autoglm.SUBCOMMANDS}
PR_SET_PDEATHSIG = 1
"""Source: linux/prctl.h."""


@dataclass
class PreloadedProcess:
    """One process, used as one of `subprocess` is."""

    pid: int
    returncode: int | None = None

    def poll(self) -> int | None:
        """Its exit code, minus the number of the signal that ended it, None while it runs."""
        if self.returncode is None:
            self.returncode = _parent().ask(ended=self.pid)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end and return its exit code.

        Raises:
            TimeoutError: it still runs after so many seconds.
        """
        begin = time.monotonic()
        while (code := self.poll()) is None:
            if timeout is not None and time.monotonic() - begin > timeout:
                raise TimeoutError(f"Process {self.pid} runs after {timeout:g} s.")
            threading.Event().wait(POLL_SECONDS)
        return code

    def send_signal(self, number: int) -> None:
        """Send a signal, unless its end was seen."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once."""
        self.send_signal(signal.SIGKILL)


Started = subprocess.Popen[bytes] | PreloadedProcess
"""What can be waited for and sent signals."""


def start(subcommand: str, environment: Mapping[str, str], log: Path) -> PreloadedProcess:
    """Start `autoglm SUBCOMMAND` with this environment, none of ours; what it says is logged.

    It dies with the pytest that started it, however that ends.
    """
    order = {"subcommand": subcommand, "environment": dict(environment), "log": str(log)}
    pid = _parent().ask(start=order)
    assert pid is not None
    return PreloadedProcess(pid)


def from_nothing(
    subcommand: str, environment: Mapping[str, str], log: Path
) -> subprocess.Popen[bytes]:
    """Start it as a container does, imports and all, for whoever measures that."""
    with log.open("ab") as file:
        return subprocess.Popen(
            [sys.executable, "-m", "autoglm_cli", subcommand],
            env={**environment, "PYTHONPATH": str(SOURCES)},
            stdout=file,
            stderr=file,
            start_new_session=True,
        )


class _Parent:
    """The parent of them all, as the tests see it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, "-P", __file__],
            env={"PATH": os.defpath, "PYTHONPATH": str(SOURCES)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        atexit.register(self._close)

    def ask(self, **order: Any) -> int | None:  # noqa: ANN401 - goes out as JSON
        """Give an order and return the answer, which is one number or none."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with self._lock:
            self._process.stdin.write(json.dumps(order).encode() + b"\n")
            self._process.stdin.flush()
            answer: int | None = json.loads(self._process.stdout.readline())
        return answer

    def _close(self) -> None:
        self._process.communicate()


@functools.cache
def _parent() -> _Parent:
    return _Parent()


def serve() -> int:
    """Take orders until there are no more; in a child, do what it was ordered for."""
    for line in sys.stdin.buffer:
        order = json.loads(line)
        if "ended" in order:
            answer = _ended(order["ended"])
        elif not (answer := _fork(order["start"]["subcommand"])):
            _become(order["start"])
            return autoglm.main([order["start"]["subcommand"]])
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()
    return 0


def _ended(pid: int) -> int | None:
    found, status = os.waitpid(pid, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if found else None


def _fork(subcommand: str) -> int:
    importlib.import_module(MODULES[subcommand])
    gc.freeze()  # or each child copies what its collector looks at
    begun, told = os.pipe()
    if child := os.fork():
        os.close(told)
        os.read(begun, 1)  # ends once its group can be sent signals and it cannot outlive us
    else:
        os.setsid()
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        os.close(told)
    os.close(begun)
    return child


def _become(order: dict[str, Any]) -> None:
    nothing = os.open(os.devnull, os.O_RDONLY)
    log = os.open(order["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    for source, target in ((nothing, 0), (log, 1), (log, 2)):
        os.dup2(source, target)
    os.close(nothing)
    os.close(log)
    own = os.environ  # noqa: TID251 - of a process of its own, beside where its code lies
    own.update(order["environment"])


if __name__ == "__main__":
    sys.exit(serve())
