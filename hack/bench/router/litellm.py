"""LiteLLM's proxy, installed from a lock of its own into the cache, for comparison alone.

Nothing of the project depends on it; where it cannot be installed its row says why.
"""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from buildcache import keys, places, publishing
from buildcache.failures import BuildError

LOCK: Final = Path(__file__).with_name("litellm.txt")


def ensure() -> Path:
    """The program `litellm`; it is installed first when the cache does not hold it.

    Raises:
        BuildError: It cannot be installed; the message is the installer's last line.
    """
    key = keys.key_of({"lock": keys.file_digest(LOCK), "python": sys.version})
    target = publishing.thing(places.folder("bench"), "litellm", key, _install)
    return target / "litellm"


def _install(folder: Path) -> None:
    # A virtual environment cannot be moved, so the folder that is published holds a link to one
    # that never moves, beside it.
    home = places.folder("bench") / f"venv-{keys.file_digest(LOCK)[:16]}"
    shutil.rmtree(home, ignore_errors=True)
    _run(sys.executable, "-m", "venv", str(home))
    pip = [str(home / "bin/python"), "-m", "pip", "install", "--quiet"]
    _run(
        *pip, "--require-hashes", "--no-deps", "--only-binary", ":all:", "--requirement", str(LOCK)
    )
    (folder / "litellm").symlink_to(home / "bin/litellm")


def _run(*command: str) -> None:
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        raise BuildError(f"LiteLLM cannot be installed: {lines[-1] if lines else command[0]}")


def configuration(port: int, endpoint: int, key: str) -> tuple[str, list[str]]:
    """The text of its file for one endpoint, and the arguments that start it (without the file)."""
    text = f"""\
model_list:
- model_name: bench
  litellm_params: {{model: openai/bench, api_base: "http://127.0.0.1:{endpoint}/v1", api_key: none}}
general_settings: {{master_key: {key}}}
litellm_settings: {{telemetry: false}}
"""
    return text, ["--host", "127.0.0.1", "--port", str(port)]
