"""A process whose parent has imported its code is no other than one that began from nothing."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import pytest

import preloaded
from preloaded import PreloadedProcess
from timeline import Timeline, within

TESTS = Path(preloaded.__file__).parent


@contextlib.contextmanager
def idle(tmp_path: Path) -> Generator[PreloadedProcess]:
    """A process that does nothing until it is asked to end."""
    process = preloaded.start("hold-image", {}, tmp_path / "log")
    try:
        yield process
    finally:
        process.kill()


def is_there(pid: int) -> bool:
    """Whether a process runs: what is dead and not yet buried does not."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


def test_it_ends_by_itself_with_its_own_words_and_exit_code(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("of the process before\n")
    process = preloaded.start("healer", {"AUTOGLM_NONSENSE": "1"}, log)
    assert process.wait(60) == 2
    before, said = log.read_text().splitlines()
    assert before == "of the process before"
    assert said.startswith("AUTOGLM_NONSENSE is not a setting")
    # Nothing of an earlier one's environment is left for the next.
    again = preloaded.start("healer", {"AUTOGLM_OTHER": "1"}, log)
    assert again.wait(60) == 2
    assert "NONSENSE" not in log.read_text().splitlines()[-1]


def test_it_has_a_session_of_its_own_and_hears_signals(tmp_path: Path) -> None:
    with idle(tmp_path) as process:
        assert os.getsid(process.pid) == process.pid
        assert process.poll() is None
        process.send_signal(signal.SIGSTOP)
        with pytest.raises(TimeoutError, match="runs after"):
            process.wait(0.2)
        process.kill()
        assert process.wait(30) == -signal.SIGKILL
        assert process.poll() == -signal.SIGKILL
        process.terminate()  # whoever has the number by now is none of its business


def test_it_does_not_outlive_the_tests(tmp_path: Path) -> None:
    words = f"import preloaded, pathlib; log = pathlib.Path({str(tmp_path / 'log')!r})\n"
    words += "print(preloaded.start('hold-image', {}, log).pid, flush=True); input()"
    environment = {"PATH": os.defpath, "PYTHONPATH": f"{preloaded.SOURCES}:{TESTS}"}
    with subprocess.Popen(
        [sys.executable, "-c", words],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as tests:
        assert tests.stdout is not None
        pid = int(tests.stdout.readline())
        assert is_there(pid)
        tests.kill()
    Timeline().want(within(30), "it is gone", lambda: not is_there(pid))
