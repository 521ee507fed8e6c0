"""A client that goes through the proxy, beside the direct one."""

import pytest

from kube import Kube
from recording_proxy import RecordingProxy


@pytest.fixture
def client(proxy: RecordingProxy) -> Kube:
    """A client that knows the API server only by the proxy."""
    client = Kube(proxy.access())
    client.resource("ConfigMap")  # so that no discovery stands between a test and its request
    proxy.reset()
    return client
