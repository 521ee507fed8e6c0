"""Clients that do what a good client does: repeat what failed, and remember how long that took.

Exists so that tests which kill processes can say whom it cost what. A task is repeated with the
same `Idempotency-Key`, as the API asks for. Never gives up silently: what stayed unanswered is
counted.
"""

import contextlib
import functools
import threading
import time
import uuid
from collections.abc import Callable, Generator
from dataclasses import dataclass, field

import httpx
import openai

from demo.traffic import MODEL, Client
from kubeconfig import Object

REPEAT_SECONDS = 10.0
"""Source: the design's promise, "a client's repeat succeeds within 10 s"."""
PAUSE_SECONDS = 0.1
TRY_SECONDS = 5.0
"""How long one attempt may take; the model servers of these tests answer within a second."""
TASK: Object = {"type": "chat", "payload": {"prompt": "Compare three cities for a conference."}}


@dataclass
class Experience:
    """What the clients of one test met with."""

    answered: int = 0
    failures: list[str] = field(default_factory=list[str])
    """Attempts that failed, and how."""
    unanswered: list[str] = field(default_factory=list[str])
    """Requests whose repeats failed, too, until the client's patience ended."""
    longest: float = 0.0
    """Seconds from the first failure of a request to its answer."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def repeat(self, attempt: Callable[[], object]) -> bool:
        """Try until it works or patience ends; tell whether it worked."""
        failed_at = 0.0
        while True:
            try:
                attempt()
            except (openai.OpenAIError, httpx.HTTPError) as error:
                failed_at = failed_at or time.monotonic()
                if not self._goes_on(error, time.monotonic() - failed_at):
                    return False
                threading.Event().wait(PAUSE_SECONDS)
            else:
                self._worked(time.monotonic() - failed_at if failed_at else 0.0)
                return True

    def _goes_on(self, error: Exception, seconds: float) -> bool:
        said = f"{type(error).__name__}: {error}"
        with self._lock:
            self.failures.append(said)
            if seconds > REPEAT_SECONDS:
                self.unanswered.append(said)
        return seconds <= REPEAT_SECONDS

    def _worked(self, seconds: float) -> None:
        with self._lock:
            self.answered += 1
            self.longest = max(self.longest, seconds)

    def __str__(self) -> str:
        return (
            f"{self.answered} answered, {len(self.failures)} attempts failed, "
            f"longest repeat {self.longest:.1f} s"
        )


@contextlib.contextmanager
def traffic(to: Client, workers: int = 4) -> Generator[Experience]:
    """Ask for completions all the time; each worker repeats what failed."""
    experience, stop = Experience(), threading.Event()
    threads = [
        threading.Thread(target=_ask, args=(to, experience, stop), daemon=True)
        for _ in range(workers)
    ]
    for thread in threads:
        thread.start()
    try:
        yield experience
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def _ask(to: Client, experience: Experience, stop: threading.Event) -> None:
    with to.connect(timeout_seconds=TRY_SECONDS) as client:

        def attempt() -> object:
            return client.chat.completions.create(
                model=MODEL, messages=[{"role": "user", "content": "hello"}], max_tokens=8
            )

        while not stop.wait(PAUSE_SECONDS):
            experience.repeat(attempt)


class Tasks:
    """Tasks of one client: sent, repeated until they are accepted, and looked after."""

    def __init__(self, to: Client) -> None:
        headers = {"authorization": f"Bearer {to.key}"}
        self._http = httpx.Client(base_url=to.url, headers=headers, timeout=TRY_SECONDS)
        self.experience = Experience()
        self.accepted: list[str] = []
        """Ids of runs, in the order of their tasks."""

    def __enter__(self) -> "Tasks":
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def submit(self, count: int = 1) -> None:
        """Send tasks until each is accepted."""
        for _ in range(count):
            self.experience.repeat(functools.partial(self._submit, uuid.uuid4().hex))

    def _submit(self, key: str) -> None:
        reply = self._http.post("/v1/tasks", json=TASK, headers={"idempotency-key": key})
        self.accepted.append(str(reply.raise_for_status().json()["id"]))

    def run(self, run_id: str) -> Object:
        """A run as the API shows it."""
        shown: list[Object] = []

        def read() -> None:
            reply = self._http.get(f"/v1/runs/{run_id}")
            shown.append(reply.raise_for_status().json())

        assert self.experience.repeat(read), self.experience.unanswered
        return shown[-1]

    def runs(self) -> list[Object]:
        """All runs."""
        return [self.run(run_id) for run_id in self.accepted]

    def answers(self, run_id: str) -> int:
        """How often the journal of an ended run holds an answer."""
        text: list[str] = []

        def read() -> None:
            reply = self._http.get(f"/v1/runs/{run_id}/events")
            text.append(reply.raise_for_status().text)

        assert self.experience.repeat(read), self.experience.unanswered
        return text[-1].splitlines().count("event: answer")
