"""Model doubles in pods, told from outside to answer badly.

Exists so that tests on real pods need no header of their own for it, and so break what other
clients get as well. Never decides what goes wrong.
"""

import contextlib
import json
import urllib.request
from collections.abc import Generator, Sequence

from kubeconfig import Object


def fault(pod: Object, **fields: object) -> None:
    """Put one fault of the simulator in force until it is taken back."""
    _admin(pod, "POST", fields)


@contextlib.contextmanager
def faulty(pods: Sequence[Object], **fields: object) -> Generator[None]:
    """Put one fault in force on pods, and take it back in the end."""
    for pod in pods:
        fault(pod, **fields)
    try:
        yield
    finally:
        for pod in pods:
            _admin(pod, "DELETE")


def _admin(pod: Object, method: str, body: Object | None = None) -> None:
    data = None if body is None else json.dumps(body).encode()
    url = f"http://{pod['status']['podIP']}:8000/admin/faults"
    headers = {"content-type": "application/json"}
    request = urllib.request.Request(url, data, headers, method=method)
    urllib.request.urlopen(request, timeout=10).close()  # noqa: S310 - our own pod
