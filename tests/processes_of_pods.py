"""The processes of pods as the machine of the nodes sees them, and signals to them.

Exists because "kill -9" must come from outside: inside a container nobody can kill process 1. Needs
root on the machine that the nodes run on. Never signals anything but the first process of one
container.
"""

import os
import signal
from pathlib import Path

from kubeconfig import Object

PROC = Path("/proc")


def kill(pod: Object, container: str) -> None:
    """End a container at once, as the kernel would for lack of memory."""
    _signal(pod, container, signal.SIGKILL)


def freeze(pod: Object, container: str) -> None:
    """Stop a container's first process without ending it."""
    _signal(pod, container, signal.SIGSTOP)


def thaw(pod: Object, container: str) -> None:
    """Let a frozen process go on."""
    _signal(pod, container, signal.SIGCONT)


def first_process(pod: Object, container: str, proc: Path = PROC) -> int:
    """Return the process id, on this machine, of what a container calls process 1.

    Raises:
        LookupError: the container does not run, or runs on another machine.
    """
    wanted = container_id(pod, container)
    for entry in proc.iterdir():
        if entry.name.isdigit() and _is_first_of(wanted, entry):
            return int(entry.name)
    raise LookupError(f"No process of {container} in {pod['metadata']['name']} runs here.")


def container_id(pod: Object, container: str) -> str:
    """Return the id of the running container of this name.

    Raises:
        LookupError: there is none.
    """
    if (status := status_of(pod, container)) and (known := status.get("containerID")):
        return str(known).rpartition("/")[2]
    raise LookupError(f"{pod['metadata']['name']} has no running container {container}.")


def restarts(pod: Object | None, container: str) -> int:
    """Return how often a container was started again; 0 for a pod that is not there."""
    status = status_of(pod, container) if pod else None
    return int(status["restartCount"]) if status else 0


def status_of(pod: Object, container: str) -> Object | None:
    """Return what the kubelet says of a container, a sidecar's too."""
    status: Object = pod.get("status", {})
    lists = (status.get("containerStatuses"), status.get("initContainerStatuses"))
    known: list[Object] = [each for found in lists for each in found or ()]
    return next((each for each in known if each["name"] == container), None)


def _signal(pod: Object, container: str, number: signal.Signals) -> None:
    os.kill(first_process(pod, container), number)


def _is_first_of(container: str, entry: Path) -> bool:
    try:
        groups = (entry / "cgroup").read_text()
        status = (entry / "status").read_text()
    except OSError:  # it ended meanwhile
        return False
    # Its numbers in all nested process namespaces, the innermost last: proc_pid_status(5).
    line = next((line for line in status.splitlines() if line.startswith("NSpid:")), "")
    numbers = line.split()[1:]
    return container in groups and len(numbers) > 1 and numbers[-1] == "1"
