"""Which kubeconfig the commands for people use: the one that kubectl would use."""

import os
from pathlib import Path
from typing import Any, cast

import yaml


class NoKubeconfigError(Exception):
    """There is none; the text says what to do."""


def kubeconfig() -> Path | None:
    """The file; None inside a pod without one, where the pod's own account serves.

    Raises:
        NoKubeconfigError: there is none, and this is no pod.
    """
    named = os.environ.get("KUBECONFIG", "").split(os.pathsep)[0]
    # A user without an entry in the password database, as in a pod, has no home.
    path = Path(named or os.path.expanduser("~/.kube/config"))  # noqa: PTH111 - it never fails
    if path.is_file():
        return path
    if os.environ.get("KUBERNETES_SERVICE_HOST"):
        return None
    message = f"There is no kubeconfig {path}: set KUBECONFIG to one that kubectl can use."
    raise NoKubeconfigError(message)


def default_namespace() -> str:
    """The namespace that kubectl would use: that of the current context, else "default".

    Raises:
        NoKubeconfigError: as `kubeconfig`.
    """
    path = kubeconfig()
    document = {} if path is None else _document(path)
    current = document.get("current-context")
    contexts = cast("list[dict[str, Any]]", document.get("contexts") or [])
    named = (each.get("context") for each in contexts if each.get("name") == current)
    context = cast("dict[str, Any]", next(named, None) or {})
    return str(context.get("namespace") or "default")


def _document(path: Path) -> dict[str, Any]:
    try:
        read = cast("object", yaml.safe_load(path.read_text()))
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        message = f"{path} cannot be read as a kubeconfig: set KUBECONFIG to one that kubectl uses."
        raise NoKubeconfigError(message) from error
    return cast("dict[str, Any]", read) if isinstance(read, dict) else {}
