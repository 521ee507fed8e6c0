"""Which kubeconfig the commands for people use: the one that kubectl would use."""

import os
from pathlib import Path
from typing import Any, cast

import yaml


class NoKubeconfigError(Exception):
    """There is none that can be used; the text says what to do."""


def kubeconfig() -> Path | None:
    """The file; None inside a pod without one, where the pod's own account serves.

    Raises:
        NoKubeconfigError: there is none, and this is no pod; or it names no cluster.
    """
    named = os.environ.get("KUBECONFIG", "").split(os.pathsep)[0]
    # A user without an entry in the password database, as in a pod, has no home.
    path = Path(named or os.path.expanduser("~/.kube/config"))  # noqa: PTH111 - it never fails
    if path.is_file():
        _context(path)
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
    context = {} if path is None else _context(path)
    return str(context.get("namespace") or "default")


def _context(path: Path) -> dict[str, Any]:
    """The current context of a kubeconfig."""
    unusable = f"{path} cannot be used as a kubeconfig: "
    try:
        read: Any = yaml.safe_load(path.read_text())
        named = {each["name"]: each["context"] for each in read["contexts"]}
        clusters = {each["name"] for each in read["clusters"]}
        context = cast("dict[str, Any]", named[read["current-context"]])
        known = context["cluster"] in clusters
    except (OSError, ValueError, TypeError, yaml.YAMLError) as error:
        message = unusable + "set KUBECONFIG to a file that kubectl can read."
        raise NoKubeconfigError(message) from error
    except KeyError as error:
        message = unusable + "choose a context with kubectl config use-context."
        raise NoKubeconfigError(message) from error
    if not known:
        message = unusable + f"its current context names no cluster that it has: {context}."
        raise NoKubeconfigError(message)
    return context
