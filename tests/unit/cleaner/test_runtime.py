"""What is asked of a container runtime, over real HTTP/2 against a runtime that is played here."""

import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, RequestReceived, StreamEnded

from autoglm_dataplane.cleaner import containers, cri, grpc, wire
from autoglm_dataplane.cleaner.cri import Container, Image, State
from autoglm_dataplane.cleaner.grpc import (
    Channel,
    RuntimeRefusedError,
    RuntimeUnreachableError,
)
from autoglm_dataplane.cleaner.wire import MalformedError

NEVER: Callable[[], bool] = lambda: False  # noqa: E731 - a value of a test


def framed(message: bytes) -> bytes:
    return b"\0" + len(message).to_bytes(4, "big") + message


@dataclass
class PlayedRuntime:
    """Answers each method with bytes, or with a status."""

    answers: dict[str, bytes | str] = field(default_factory=dict[str, "bytes | str"])
    calls: list[tuple[str, bytes]] = field(default_factory=list[tuple[str, bytes]])
    raw: bytes | None = None
    """Sent instead of HTTP/2."""

    def serve(self, connected: socket.socket) -> None:
        http = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
        http.initiate_connection()
        connected.sendall(http.data_to_send())
        methods: dict[int, str] = {}
        bodies: dict[int, bytes] = {}
        with connected:
            while data := connected.recv(65536):
                if self.raw is not None:
                    connected.sendall(self.raw)
                    return
                for event in http.receive_data(data):
                    if isinstance(event, RequestReceived):
                        head = {str(name): str(value) for name, value in event.headers or ()}
                        methods[event.stream_id or 0] = head[":path"].rpartition("/")[2]
                    elif isinstance(event, DataReceived):
                        stream = event.stream_id or 0
                        bodies[stream] = bodies.get(stream, b"") + (event.data or b"")
                    elif isinstance(event, StreamEnded):
                        stream = event.stream_id or 0
                        self._answer(http, stream, methods[stream], bodies[stream])
                connected.sendall(http.data_to_send())

    def _answer(self, http: H2Connection, stream: int, method: str, body: bytes) -> None:
        self.calls.append((method, body[5:]))
        answer = self.answers.get(method, b"")
        if isinstance(answer, str):
            code, _, message = answer.partition(" ")
            head = [(":status", "200"), ("grpc-status", code), ("grpc-message", message)]
            http.send_headers(stream, head, end_stream=True)
            return
        http.send_headers(stream, [(":status", "200"), ("content-type", "application/grpc")])
        text = framed(answer)
        for at in range(0, len(text), 16384):
            http.send_data(stream, text[at : at + 16384])
        http.send_headers(stream, [("grpc-status", "0")], end_stream=True)


@pytest.fixture
def runtime() -> PlayedRuntime:
    return PlayedRuntime()


@pytest.fixture
def channel(runtime: PlayedRuntime) -> Iterator[Channel]:
    ours, theirs = socket.socketpair()
    ours.settimeout(5)
    thread = threading.Thread(target=runtime.serve, args=(theirs,))
    thread.start()
    with Channel(ours) as channel:
        yield channel
    thread.join(5)


def an_image(name: str, **changes: object) -> bytes:
    parts = wire.text(1, f"sha256:{name}") + wire.text(2, f"registry/{name}:1")
    parts += wire.text(3, f"registry/{name}@sha256:d{name}") + wire.number(4, 300)
    return wire.message(1, parts + (wire.number(8, 1) if changes.get("pinned") else b""))


def a_container(name: str, image: str, *, attempt: int = 0, state: State = State.RUNNING) -> bytes:
    label = wire.text(1, "io.kubernetes.pod.uid") + wire.text(2, "pod-1")
    parts = wire.text(1, f"{name}-{attempt}")
    parts += wire.message(3, wire.text(1, name) + wire.number(2, attempt))
    parts += wire.message(4, wire.text(1, image)) + wire.number(6, state)
    parts += wire.number(7, (1000 + attempt) * 10**9) + wire.message(8, label)
    return wire.message(1, parts)


def test_reads_images_and_containers(runtime: PlayedRuntime, channel: Channel) -> None:
    runtime.answers = {
        "ListImages": an_image("web") + an_image("pause", pinned=True),
        "ListContainers": a_container("app", "sha256:web", attempt=3, state=State.EXITED),
    }

    assert cri.images(channel) == [
        Image("sha256:web", ("registry/web:1",), ("registry/web@sha256:dweb",), 300, pinned=False),
        Image(
            "sha256:pause",
            ("registry/pause:1",),
            ("registry/pause@sha256:dpause",),
            300,
            pinned=True,
        ),
    ]
    assert cri.containers(channel) == [
        Container("app-3", "app", 3, "sha256:web", "", "", State.EXITED, 1003.0, "pod-1")
    ]


def test_a_long_answer_arrives_whole(runtime: PlayedRuntime, channel: Channel) -> None:
    # More than the windows of HTTP/2, which must be opened again and again.
    runtime.answers = {"ListImages": an_image("web") * 400}

    assert len(cri.images(channel)) == 400


def test_a_refusal_is_told(runtime: PlayedRuntime, channel: Channel) -> None:
    runtime.answers = {"RemoveImage": "9 image is in use"}

    with pytest.raises(RuntimeRefusedError, match="image is in use"):
        cri.remove_image(channel, "sha256:web")


def test_an_answer_that_is_no_http_is_told(runtime: PlayedRuntime, channel: Channel) -> None:
    runtime.raw = b"HTTP/1.1 400 Bad Request\r\n\r\n"

    with pytest.raises(RuntimeUnreachableError):
        cri.images(channel)


def test_a_silent_end_is_told(runtime: PlayedRuntime, channel: Channel) -> None:
    runtime.raw = b""

    with pytest.raises(RuntimeUnreachableError, match=r"closed|broke off"):
        cri.images(channel)


def test_nobody_at_the_socket_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise FileNotFoundError(2, "No such file")

    monkeypatch.setattr(socket.socket, "connect", refused)

    with pytest.raises(RuntimeUnreachableError, match="No such file"):
        grpc.connect(tmp_path / "cri.sock", timeout=1)


@pytest.mark.parametrize(
    "data", [b"\x0a", b"\x0a\x05abc", b"\x0b\x00", b"\x08" + b"\xff" * 11, b"\x09\x00", b"\x80"]
)
def test_bytes_that_are_no_message_are_refused(data: bytes) -> None:
    with pytest.raises(MalformedError):
        list(wire.fields(data))


def test_fields_of_every_kind_are_passed_over() -> None:
    data = b"\x09" + b"\0" * 8 + b"\x15" + b"\0" * 4 + wire.number(3, 300) + wire.text(4, "x")

    assert [field for field, _ in wire.fields(data)] == [1, 2, 3, 4]


def test_removes_images_that_no_container_uses(runtime: PlayedRuntime, channel: Channel) -> None:
    runtime.answers = {
        "ListImages": an_image("used")
        + an_image("tagged")
        + an_image("digested")
        + an_image("old")
        + an_image("pinned", pinned=True)
        + wire.message(1, wire.text(1, "sha256:sandbox") + wire.text(2, "registry.k8s.io/pause:3")),
        "ListContainers": a_container("a", "sha256:used", state=State.EXITED)
        + a_container("b", "registry/tagged:1")
        + a_container("c", "registry/digested@sha256:ddigested"),
    }

    tally = containers.remove_unused(channel, NEVER)

    assert (tally.removed, tally.removed_bytes) == (1, 300)
    removed = [body for method, body in runtime.calls if method == "RemoveImage"]
    assert removed == [wire.message(1, wire.text(1, "sha256:old"))]
    assert len(tally.kept) == 5


def test_an_image_that_comes_into_use_meanwhile_stays(
    runtime: PlayedRuntime, channel: Channel
) -> None:
    runtime.answers = {"ListImages": an_image("first") + an_image("second")}

    def second_is_used_by_now() -> bool:
        runtime.answers["ListContainers"] = a_container("a", "sha256:second")
        return False

    tally = containers.remove_unused(channel, second_is_used_by_now)

    removed = [body for method, body in runtime.calls if method == "RemoveImage"]
    assert removed == [wire.message(1, wire.text(1, "sha256:first"))]
    assert tally.removed == 1


def test_stops_at_the_end_of_its_time(runtime: PlayedRuntime, channel: Channel) -> None:
    runtime.answers = {
        "ListImages": an_image("old"),
        "ListContainers": a_container("a", "i", state=State.EXITED)
        + a_container("a", "i", attempt=1),
    }

    assert containers.remove_unused(channel, lambda: True).removed == 0
    assert containers.remove_superseded(channel, 2000, lambda: True).removed == 0


def test_an_exited_container_goes_only_when_another_took_its_place(
    runtime: PlayedRuntime, channel: Channel
) -> None:
    # A finished container whose record is gone would be run once more by the kubelet.
    runtime.answers = {
        "ListContainers": a_container("app", "i", attempt=0, state=State.EXITED)
        + a_container("app", "i", attempt=1, state=State.EXITED)
        + a_container("app", "i", attempt=2)
        + a_container("init", "i", state=State.EXITED),
        "RemoveContainer": b"",
    }

    tally = containers.remove_superseded(channel, 2000, NEVER)

    removed = [body for method, body in runtime.calls if method == "RemoveContainer"]
    assert removed == [wire.text(1, "app-0"), wire.text(1, "app-1")]
    assert tally.removed == 2


def test_a_young_successor_keeps_the_container_before_it(
    runtime: PlayedRuntime, channel: Channel
) -> None:
    runtime.answers = {
        "ListContainers": a_container("app", "i", state=State.EXITED)
        + a_container("app", "i", attempt=1)
    }

    assert containers.remove_superseded(channel, 1000, NEVER).removed == 0


def test_what_the_runtime_refuses_is_told_and_the_rest_goes_on(
    runtime: PlayedRuntime, channel: Channel
) -> None:
    runtime.answers = {
        "ListImages": an_image("old") + an_image("older"),
        "RemoveImage": "9 in use",
    }

    tally = containers.remove_unused(channel, NEVER)

    assert (tally.removed, tally.refused) == (0, ["in use", "in use"])
