"""Watches pass through the proxy event by event, and break when a test says so."""

import http.client
import json
import threading
from collections.abc import Generator

import pytest

from builders import a_config_map
from kube import Kube, KubeError
from kubeconfig import Access, Object
from proxy_faults import Match, Refuse, RepeatEvents
from recording_proxy import RecordingProxy
from timeline import Timeline, within


class Watch:
    """Collects the names of the events of a watch, in a thread."""

    def __init__(self, access: Access, namespace: str) -> None:
        self._connection = Kube(access).connect()
        self._connection.request("GET", f"/api/v1/namespaces/{namespace}/secrets?watch=true")
        self._response = self._connection.getresponse()
        self.names: list[str] = []
        self.ended = threading.Event()
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self) -> None:
        try:
            while line := self._response.readline():
                event: Object = json.loads(line)
                self.names.append(event["object"]["metadata"].get("name", ""))
        except (OSError, http.client.HTTPException, ValueError, AttributeError):
            pass  # broken off, by a fault or by close()
        self.ended.set()

    def close(self) -> None:
        if self._connection.sock is not None:
            self._connection.sock.shutdown(2)
        self._thread.join(10)
        self._response.close()
        self._connection.close()


@pytest.fixture
def watch(proxy: RecordingProxy, namespace: str) -> Generator[Watch, None, None]:
    watch = Watch(proxy.access(), namespace)
    yield watch
    watch.close()


def a_secret_named(name: str) -> Object:
    return a_config_map(name, {}) | {"kind": "Secret"}


def test_delivers_each_event_when_it_happens(
    watch: Watch, kube: Kube, namespace: str, timeline: Timeline
) -> None:
    kube.create(a_secret_named("one"), namespace)
    timeline.want(within(10), "the first is seen", lambda: watch.names == ["one"])
    kube.create(a_secret_named("two"), namespace)
    timeline.want(within(10), "the second is seen", lambda: watch.names == ["one", "two"])


def test_holds_events_back_while_silent_and_delivers_them_then(
    watch: Watch, proxy: RecordingProxy, kube: Kube, namespace: str, timeline: Timeline
) -> None:
    with proxy.silence():
        kube.create(a_secret_named("one"), namespace)
        timeline.stays(1, "nothing is seen", lambda: not watch.names)
    timeline.want(within(10), "the event is seen", lambda: watch.names == ["one"])


def test_loses_what_was_held_back_when_the_watch_ends(
    watch: Watch, proxy: RecordingProxy, kube: Kube, namespace: str
) -> None:
    with proxy.silence():
        kube.create(a_secret_named("one"), namespace)
        proxy.end_watches()
        assert watch.ended.wait(10)
    assert not watch.names


def test_breaks_watches_in_an_outage(watch: Watch, proxy: RecordingProxy) -> None:
    with proxy.outage():
        assert watch.ended.wait(10)


def test_delivers_every_event_twice(
    proxy: RecordingProxy, kube: Kube, namespace: str, timeline: Timeline
) -> None:
    proxy.inject(RepeatEvents(), Match(verb="watch"))
    watch = Watch(proxy.access(), namespace)
    try:
        kube.create(a_secret_named("one"), namespace)
        timeline.want(within(10), "it is seen twice", lambda: watch.names == ["one", "one"])
    finally:
        watch.close()


def test_refuses_a_watch_as_too_old(proxy: RecordingProxy, client: Kube, namespace: str) -> None:
    proxy.inject(Refuse(410), Match(verb="watch"))
    with pytest.raises(KubeError, match="410 Expired"):
        client.call("GET", f"/api/v1/namespaces/{namespace}/secrets", query={"watch": "true"})


def test_keeps_no_watch_open_for_a_client_that_has_gone(
    watch: Watch, proxy: RecordingProxy, timeline: Timeline
) -> None:
    timeline.want(within(10), "the watch is open", lambda: proxy.open_watches == 1)
    watch.close()
    timeline.want(within(10), "the watch is closed", lambda: proxy.open_watches == 0)
    assert len(proxy.records(Match(verb="watch"))) == 1
