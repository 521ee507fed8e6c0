"""Fixtures of tests that use the real API server and no nodes.

Exists so that such tests find the project's kinds installed and a proxy between them and the
server.
"""

import http.client
from collections.abc import Generator
from pathlib import Path
from typing import cast

import pytest
import yaml

from kube import Kube, KubeError
from kubeconfig import Access, Object
from recording_proxy import RecordingProxy
from statuses import condition
from timeline import Timeline, within

CRDS = Path(__file__).parent.parent.parent / "crds"

CRD_SECONDS = 30.0
"""Arbitrary, because a new kind is served after about a second."""


@pytest.fixture(scope="session")
def _session_proxy(access: Access) -> Generator[RecordingProxy, None, None]:
    with RecordingProxy(access) as proxy:
        yield proxy


@pytest.fixture
def proxy(_session_proxy: RecordingProxy) -> RecordingProxy:
    """A recording proxy in front of the API server, at the beginning of a scenario."""
    _session_proxy.reset()
    return _session_proxy


def listed(kube: Kube, definition: Object | None) -> bool:
    """Whether objects of a kind can be listed: for a moment after Established the answer is 429."""
    assert definition is not None
    try:
        kube.list(definition["spec"]["names"]["kind"])
    except LookupError:
        return False
    except KubeError as error:
        if error.status != http.client.TOO_MANY_REQUESTS:
            raise
        return False
    return True


@pytest.fixture(scope="session")
def crds(kube: Kube) -> list[str]:
    """The project's kinds, installed once in a run; returns the names of their definitions."""
    names: list[str] = []
    for file in sorted(CRDS.glob("*.yaml")):
        documents = cast("list[Object | None]", list(yaml.safe_load_all(file.read_text())))
        names += [kube.apply(crd)["metadata"]["name"] for crd in documents if crd]

    def served() -> bool:
        found = [kube.get("CustomResourceDefinition", name) for name in names]
        return all(condition(crd, "Established") == "True" and listed(kube, crd) for crd in found)

    Timeline().want(within(CRD_SECONDS), "the project's kinds are served", served)
    return names
