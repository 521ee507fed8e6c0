"""`make bench-healing`: a cluster of its own, the storm in it, and the cluster's end.

The cluster has no nodes: receivers, healer, senders and the measured API server share this machine
and nothing else runs. It is taken down whatever happens.
"""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from types import FrameType
from typing import Final, NoReturn

CLUSTER: Final = "bench-healing"
INTERRUPTED: Final = 130
"""Exit code of a bench that was ended. Source: what a shell says after SIGINT."""


def main() -> int:
    """Run the bench; its exit code, whatever becomes of the cluster."""
    signal.signal(signal.SIGTERM, _end)
    try:
        _verb("down")
        if _verb("up", "--nodes", "0"):
            return 1
        return _verb("exec", "--", sys.executable, "-m", "bench.healing.storm")
    except KeyboardInterrupt:
        print("bench-healing: interrupted", file=sys.stderr)
        return INTERRUPTED
    finally:
        # Nobody who is in a hurry shall leave a cluster behind.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        _verb("down")


def _verb(*words: str) -> int:
    """Run `hack/cluster`; an interruption is passed on and its end is waited for."""
    with _started(["hack/cluster", "--name", CLUSTER, *words]) as process:
        try:
            return process.wait()
        except KeyboardInterrupt:
            process.terminate()
            with contextlib.suppress(KeyboardInterrupt):
                process.wait(60)
            raise


def _started(command: Sequence[str]) -> subprocess.Popen[bytes]:
    # In a group of its own, so that Ctrl-C reaches `down` as little as it does its programs.
    return subprocess.Popen(command, env=dict(os.environ), start_new_session=True)


def _end(number: int, frame: FrameType | None) -> NoReturn:
    del number, frame
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
