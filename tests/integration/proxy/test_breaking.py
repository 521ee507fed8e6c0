"""Every fault of the proxy does to the server and tells the client what it says."""

import contextlib
import gc
import socket
import sys
import threading

import pytest

from builders import a_config_map
from kube import Kube, KubeError, KubeUnreachableError
from proxy_faults import (
    Delay,
    Drop,
    FailAfterCommit,
    LoseReply,
    Match,
    Refuse,
    RepeatReply,
    SendTwice,
)
from recording_proxy import RecordingProxy
from timeline import Timeline, between

DELETES = Match(verb="delete")


def test_loses_the_reply_of_what_was_carried_out(
    proxy: RecordingProxy, client: Kube, kube: Kube, namespace: str
) -> None:
    proxy.inject(LoseReply(), Match(writes=True))
    with pytest.raises(KubeUnreachableError):
        client.create(a_config_map("one", {}), namespace)
    assert kube.get("ConfigMap", "one", namespace)
    (write,) = proxy.writes()
    assert (write.status, write.told) == (201, None)


def test_drops_what_the_server_never_sees(
    proxy: RecordingProxy, client: Kube, kube: Kube, namespace: str
) -> None:
    proxy.inject(Drop(), Match(writes=True))
    with pytest.raises(KubeUnreachableError):
        client.create(a_config_map("one", {}), namespace)
    assert kube.get("ConfigMap", "one", namespace) is None
    (write,) = proxy.writes()
    assert (write.status, write.told) == (None, None)


@pytest.mark.parametrize(
    ("status", "reason"),
    [(409, "Conflict"), (429, "TooManyRequests"), (500, "InternalError"), (410, "Expired")],
)
def test_refuses_in_the_servers_words(
    status: int, reason: str, proxy: RecordingProxy, client: Kube, kube: Kube, namespace: str
) -> None:
    kube.create(a_config_map("one", {}), namespace)
    proxy.inject(Refuse(status, retry_after_seconds=1), DELETES)
    with pytest.raises(KubeError) as refused:
        client.delete("ConfigMap", "one", namespace)
    assert (refused.value.status, refused.value.reason) == (status, reason)
    assert kube.get("ConfigMap", "one", namespace)
    client.delete("ConfigMap", "one", namespace)
    assert kube.get("ConfigMap", "one", namespace) is None


def test_says_when_to_come_again(proxy: RecordingProxy, client: Kube) -> None:
    proxy.inject(Refuse(429, retry_after_seconds=7))
    connection = client.connect()
    try:
        connection.request("GET", "/api/v1/nodes")
        assert connection.getresponse().headers["Retry-After"] == "7"
    finally:
        connection.close()


def test_fails_after_it_was_carried_out(
    proxy: RecordingProxy, client: Kube, kube: Kube, namespace: str
) -> None:
    kube.create(a_config_map("one", {}), namespace)
    proxy.inject(FailAfterCommit(), DELETES)
    with pytest.raises(KubeError, match="500 InternalError"):
        client.delete("ConfigMap", "one", namespace)
    assert kube.get("ConfigMap", "one", namespace) is None
    (write,) = proxy.writes()
    assert (write.status, write.told) == (200, 500)
    assert proxy.destroyed().total() == 1


def test_holds_a_request_back(
    proxy: RecordingProxy, client: Kube, kube: Kube, namespace: str, timeline: Timeline
) -> None:
    def stored() -> bool:
        return kube.get("ConfigMap", "one", namespace) is not None

    proxy.inject(Delay(2), Match(verb="create"))
    writer = threading.Thread(target=client.create, args=(a_config_map("one", {}), namespace))
    writer.start()
    timeline.stays(1, "nothing is stored", lambda: not stored())
    timeline.want(between(1, 30), "it is stored", stored)
    writer.join()


def test_sends_a_request_twice(
    proxy: RecordingProxy, client: Kube, kube: Kube, namespace: str
) -> None:
    proxy.inject(SendTwice(), Match(verb="create"))
    with pytest.raises(KubeError, match="AlreadyExists"):
        client.create(a_config_map("one", {}), namespace)
    assert kube.get("ConfigMap", "one", namespace)


def test_repeats_an_old_reply(
    proxy: RecordingProxy, client: Kube, kube: Kube, namespace: str
) -> None:
    assert client.list("ConfigMap", namespace, "app=one") == []
    kube.create(a_config_map("one", {}) | {"metadata": _labelled("one")}, namespace)
    proxy.inject(RepeatReply(), Match(verb="list"))
    assert client.list("ConfigMap", namespace, "app=one") == []
    assert len(client.list("ConfigMap", namespace, "app=one")) == 1


def test_spares_reads_when_writes_are_meant(
    proxy: RecordingProxy, client: Kube, namespace: str
) -> None:
    rule = proxy.inject(LoseReply(), Match(writes=True), times=None)
    client.list("ConfigMap", namespace)
    assert rule.hits == 0


def test_withdraws_a_standing_fault(proxy: RecordingProxy, client: Kube, namespace: str) -> None:
    proxy.inject(Refuse(503), times=None)
    for _ in range(3):
        with pytest.raises(KubeError, match="503"):
            client.list("ConfigMap", namespace)
    proxy.clear()
    client.list("ConfigMap", namespace)


def test_is_away_during_an_outage_and_back_at_the_same_address(
    proxy: RecordingProxy, client: Kube, namespace: str
) -> None:
    address = proxy.address
    with proxy.outage(), pytest.raises(KubeUnreachableError, match="ConnectionRefused"):
        client.list("ConfigMap", namespace)
    assert proxy.address == address
    client.list("ConfigMap", namespace)


def test_an_outage_leaves_no_socket_behind(proxy: RecordingProxy) -> None:
    """Whoever knocks at the moment at which it begins; what is left makes a later test fail."""
    over = threading.Event()
    port = int(proxy.address.rpartition(":")[2])

    left: list[str] = []

    def note(unraisable: "sys.UnraisableHookArgs") -> None:
        left.append(repr(unraisable.exc_value))

    def knock() -> None:
        while not over.is_set():
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", port), 1).close()

    knocking = [threading.Thread(target=knock, daemon=True) for _ in range(4)]
    for thread in knocking:
        thread.start()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "unraisablehook", note)
        for _ in range(10):
            with proxy.outage():
                pass
        over.set()
        for thread in knocking:
            thread.join()
        gc.collect()
    assert left == []


def _labelled(name: str) -> dict[str, object]:
    return {"name": name, "labels": {"app": name}}
