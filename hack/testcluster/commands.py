"""Run other programs and turn their failures into one sentence.

The only module that starts short-lived programs. It never goes through a shell and never leaves
one running: long-lived programs are started by `processes`.
"""

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from testcluster.errors import ClusterError

CLEAN_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class CommandError(ClusterError):
    """A program failed; `said` are its last words."""

    def __init__(self, message: str, said: str) -> None:
        super().__init__(message)
        self.said = said


def run(
    argv: Sequence[str | Path],
    *,
    stdin: str | None = None,
    timeout_seconds: float = 120,
    environment: Mapping[str, str] | None = None,
) -> str:
    """Run a program to its end and return what it printed.

    Raises:
        CommandError: it failed; the sentence holds its last words.
        ClusterError: it is missing or took too long.
    """
    words = [str(word) for word in argv]
    try:
        done = subprocess.run(
            words,
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            text=True,
            errors="replace",
            check=True,
            timeout=timeout_seconds,
            env=None if environment is None else dict(environment),
        )
    except FileNotFoundError as error:
        raise ClusterError(f"the program {words[0]} is missing on this machine") from error
    except subprocess.TimeoutExpired as error:
        raise ClusterError(f"'{spell(words)}' took more than {timeout_seconds:.0f} s") from error
    except subprocess.CalledProcessError as error:
        said = _last_words(error)
        raise CommandError(f"'{spell(words)}' failed: {said}", said) from error
    return done.stdout


def succeeds(argv: Sequence[str | Path], *, timeout_seconds: float = 30) -> bool:
    """Whether a program ends well; its output is dropped."""
    try:
        run(argv, timeout_seconds=timeout_seconds)
    except ClusterError:
        return False
    return True


def replace_process(argv: Sequence[str | Path], environment: Mapping[str, str]) -> NoReturn:
    """Become another program, so that its exit code and signals are ours."""
    words = [str(word) for word in argv]
    program = shutil.which(words[0], path=environment.get("PATH", CLEAN_PATH))
    if program is None:
        raise ClusterError(f"the program {words[0]} is missing on this machine")
    os.execve(program, words, dict(environment))  # noqa: S606 - no shell is the point


def in_network(namespace: Path, argv: Sequence[str | Path]) -> list[str]:
    """The command that runs `argv` inside a network namespace."""
    return ["nsenter", f"--net={namespace}", "--", *map(str, argv)]


def spell(words: Sequence[str]) -> str:
    """A command short enough for a sentence."""
    line = " ".join(words)
    most = 120
    return line if len(line) <= most else line[: most - 3] + "..."


def _last_words(error: subprocess.CalledProcessError) -> str:
    said = (error.stderr or error.stdout or "").strip().splitlines()
    return said[-1] if said else f"exit code {error.returncode}"
