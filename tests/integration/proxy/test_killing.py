"""A client dies at a chosen write, before or after the server carried it out."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from kube import Kube
from proxy_faults import Drop
from proxy_records import Record
from recording_proxy import Moment, RecordingProxy, kill

CLIENT = """
import sys
from builders import a_config_map
from kube import Kube
from kubeconfig import load
from pathlib import Path
client = Kube(load(Path(sys.argv[1])))
print("started", flush=True)
sys.stdin.readline()
for name in ("one", "two", "three"):
    client.create(a_config_map(name, {}), sys.argv[2])
"""

Started = Callable[[], subprocess.Popen[str]]


@pytest.fixture
def started(proxy: RecordingProxy, namespace: str, tmp_path: Path) -> Started:
    """Start a client that writes three objects once its standard input says so."""

    def start() -> subprocess.Popen[str]:
        config = proxy.kubeconfig(tmp_path / "config")
        process = subprocess.Popen(
            [sys.executable, "-c", CLIENT, str(config), namespace],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={"PYTHONPATH": str(Path(__file__).parents[2])},
        )
        assert process.stdout is not None
        process.stdout.readline()
        return process

    return start


def _run(process: subprocess.Popen[str]) -> int:
    with process:
        process.communicate("go\n", timeout=30)
    return process.returncode


@pytest.mark.parametrize("moment", Moment)
def test_kills_the_client_at_the_second_write(
    moment: Moment, proxy: RecordingProxy, kube: Kube, namespace: str, started: Started
) -> None:
    stored = {"one"} if moment is Moment.RECEIVED else {"one", "two"}
    told = 201 if moment is Moment.ACKNOWLEDGED else None
    process = started()
    proxy.on_write(2, kill(process.pid), moment)
    assert _run(process) == -9
    found = {entry["metadata"]["name"] for entry in kube.list("ConfigMap", namespace)}
    assert found - {"kube-root-ca.crt"} == stored
    assert [(write.number, write.told) for write in proxy.writes()] == [(1, 201), (2, told)]


def test_lets_a_client_finish_that_nobody_kills(proxy: RecordingProxy, started: Started) -> None:
    assert _run(started()) == 0
    assert [write.number for write in proxy.writes()] == [1, 2, 3]


def test_lets_a_hook_change_the_world_in_between(
    proxy: RecordingProxy, kube: Kube, namespace: str, started: Started
) -> None:
    def delete_first(record: Record) -> Drop | None:
        assert record.number == 2
        kube.delete("ConfigMap", "one", namespace)
        return None

    process = started()
    proxy.on_write(2, delete_first, Moment.RECEIVED)
    assert _run(process) == 0
    assert kube.get("ConfigMap", "one", namespace) is None
    assert kube.get("ConfigMap", "three", namespace)
