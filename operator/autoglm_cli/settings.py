"""Which kubeconfig the commands for people use: the one that kubectl would use."""

import os
from pathlib import Path


class NoKubeconfigError(Exception):
    """There is none; the text says what to do."""


def kubeconfig() -> Path | None:
    """The file; None inside a pod without one, where the pod's own account serves.

    Raises:
        NoKubeconfigError: there is none, and this is no pod.
    """
    named = os.environ.get("KUBECONFIG", "").split(os.pathsep)[0]
    path = Path(named) if named else Path.home() / ".kube" / "config"
    if path.is_file():
        return path
    if os.environ.get("KUBERNETES_SERVICE_HOST"):
        return None
    message = f"There is no kubeconfig {path}: set KUBECONFIG to one that kubectl can use."
    raise NoKubeconfigError(message)
