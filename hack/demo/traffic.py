"""Requests as an application sends them: the plain `openai` client, its own retries off.

Every request carries an id, so that what clients sent can be compared with what model servers got.
"""

import collections
import ssl
import threading
import time
import uuid
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import openai

MODEL = "glm-4.6"
SIMULATOR = "x-simulator"
"""Header in which a model double names its pod; a real model server has none like it."""
UPSTREAMS = {"east": "east", "west": "west", "simulator": "vendor"}
"""Upstream by the first word of the pod's name."""
WORKERS = 8


@dataclass(frozen=True)
class Client:
    """Where requests go, and the key they carry."""

    url: str
    key: str
    trust: ssl.SSLContext | bool = True
    """Whose certificates are believed; the system's authorities unless it says otherwise."""

    def connect(self, timeout_seconds: float = 30) -> openai.OpenAI:
        """An OpenAI client that never repeats a request by itself."""
        return openai.OpenAI(
            base_url=f"{self.url}/v1",
            api_key=self.key,
            max_retries=0,
            http_client=openai.DefaultHttpxClient(verify=self.trust, timeout=timeout_seconds),
        )


@dataclass
class Sent:
    """What became of the requests of one run."""

    upstreams: collections.Counter[str] = field(default_factory=collections.Counter[str])
    """Answered requests by the upstream that answered."""
    pods: dict[str, str] = field(default_factory=dict[str, str])
    """Ids of answered requests, with the pod that answered."""
    failures: list[str] = field(default_factory=list[str])
    """What failed requests got instead."""

    @property
    def total(self) -> int:
        """All requests."""
        return len(self.pods) + len(self.failures)

    def share(self, upstream: str) -> float:
        """Percent of the answered requests that one upstream answered."""
        return 100 * self.upstreams[upstream] / max(1, len(self.pods))


def ask(
    client: openai.OpenAI,
    sent: Sent,
    lock: threading.Lock,
    headers: Mapping[str, str] | None = None,
) -> None:
    """Send one chat completion and note who answered."""
    request_id = uuid.uuid4().hex
    try:
        reply = client.chat.completions.with_raw_response.create(
            model=MODEL,
            messages=[{"role": "user", "content": "hello"}],
            max_tokens=8,
            extra_headers={"x-request-id": request_id, **(headers or {})},
        )
    except openai.OpenAIError as error:
        with lock:
            sent.failures.append(f"{type(error).__name__}: {error}")
        return
    with lock:
        pod = sent.pods[request_id] = str(reply.headers[SIMULATOR])
        sent.upstreams[UPSTREAMS[pod.split("-", maxsplit=1)[0]]] += 1


def send(
    to: Client, requests: int, headers: Mapping[str, str] | None = None, *, workers: int = WORKERS
) -> Sent:
    """Send this many requests, a few at a time, and wait for all of them."""
    sent, lock = Sent(), threading.Lock()
    with to.connect() as client, ThreadPoolExecutor(workers) as pool:
        for _ in range(requests):
            pool.submit(ask, client, sent, lock, headers)
    return sent


class Stream:
    """Traffic that runs beside a step: `with Stream(client) as sent: ...`."""

    def __init__(self, to: Client, workers: int = 4, pause_seconds: float = 0.02) -> None:
        self._to = to
        self._pause = pause_seconds
        self._stop = threading.Event()
        self._sent = Sent()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(workers)]

    def __enter__(self) -> Sent:
        """Begin sending."""
        for thread in self._threads:
            thread.start()
        return self._sent

    def __exit__(self, *_: object) -> None:
        """Stop, and wait for what is under way."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        with self._to.connect() as client:
            while not self._stop.is_set():
                ask(client, self._sent, self._lock)
                time.sleep(self._pause)
