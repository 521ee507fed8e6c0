"""Scripted time for tests of running systems: do this at t, want that between a and b.

Exists so that such tests state order and generous limits in one place and report what they
measured. Never measures speed: an upper limit says "it happened at all", a lower one "not before".
"""

import asyncio
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, field, replace

import kube

POLL_SECONDS = 0.25
"""Arbitrary, because it only has to be small against the limits that tests state."""


@dataclass(frozen=True)
class Window:
    """Seconds on a timeline, both ends included."""

    earliest: float
    latest: float
    from_now: bool = False
    """Whether they count from when the waiting begins, not from the timeline's start."""

    def after(self, now: float) -> "Window":
        """The same window in seconds since the timeline's start."""
        return Window(self.earliest + now, self.latest + now) if self.from_now else self

    def __str__(self) -> str:
        return f"{round(self.earliest, 1):g}-{round(self.latest, 1):g} s"


def between(earliest: float, latest: float) -> Window:
    """Return the window from `earliest` to `latest` seconds after the timeline's start."""
    if not 0 <= earliest < latest:
        raise ValueError(f"A window needs 0 <= earliest < latest, not {earliest} and {latest}.")
    return Window(earliest, latest)


def within(latest: float) -> Window:
    """Return the window from now to `latest` seconds later, whenever the waiting begins."""
    return replace(between(0, latest), from_now=True)


@dataclass
class Timeline:
    """Seconds since `start`, and what happened when.

    Probes return whether the wanted thing is so. One that fails an assertion or cannot reach
    the API server counts as "not yet", and its message is part of the failure.
    """

    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep  # noqa: TID251 - this module is where tests wait
    lines: list[str] = field(default_factory=list[str])
    _zero: float = field(init=False)

    def __post_init__(self) -> None:
        self._zero = self.clock()

    @property
    def now(self) -> float:
        """Seconds since the timeline's start."""
        return self.clock() - self._zero

    def start(self, what: str) -> None:
        """Begin again at second 0 with a named event."""
        self._zero = self.clock()
        self.note(what)

    def at(self, second: float, what: str, action: Callable[[], object] | None = None) -> None:
        """Wait for a second on the timeline, then act.

        Raises:
            AssertionError: the second has long passed, so the script is not the one intended.
        """
        if (ahead := second - self.now) > 0:
            self.sleep(ahead)
        elif ahead < -POLL_SECONDS:
            raise AssertionError(f"Second {second:g} has passed ({self.now:.1f} s): {what}.")
        self.note(what)
        if action is not None:
            action()

    def want(self, window: Window, what: str, probe: Callable[[], object]) -> float:
        """Wait until the probe is true and return when; fail outside the window."""
        for pause in (waiting := _Waiting(self, window, what, probe)).pauses():
            self.sleep(pause)
        return waiting.seen_at

    async def wants(self, window: Window, what: str, probe: Callable[[], object]) -> float:
        """Do as `want` does and let other tasks of the event loop run meanwhile."""
        for pause in (waiting := _Waiting(self, window, what, probe)).pauses():
            await asyncio.sleep(pause)
        return waiting.seen_at

    def stays(self, seconds: float, what: str, probe: Callable[[], object]) -> None:
        """Fail as soon as the probe is false during the next seconds."""
        end = self.now + seconds
        while self.now < end:
            if not probe():
                raise AssertionError(f"At {self.now:.1f} s no longer: {what}.")
            self.sleep(POLL_SECONDS)
        self.note(f"{what}, for {seconds:g} s")

    def note(self, what: str) -> None:
        """Remember that something happened now."""
        self.lines.append(f"{self.now:7.1f} s  {what}")


@dataclass
class _Waiting:
    timeline: Timeline
    window: Window
    what: str
    probe: Callable[[], object]
    seen_at: float = -1.0

    def pauses(self) -> Generator[float, None, None]:
        """Yield how long to sleep before each next look; end when the probe is true."""
        timeline = self.timeline
        window = self.window.after(timeline.now)
        while True:
            looked_at = timeline.now
            so, last = self._look()
            if so:
                break
            if looked_at > window.latest:
                raise AssertionError(f"Not within {window}: {self.what}. Last seen: {last}")
            yield POLL_SECONDS
        # The look itself takes time: what counts is when it began.
        self.seen_at = looked_at
        if looked_at < window.earliest:
            raise AssertionError(f"Already at {looked_at:.1f} s, wanted {window}: {self.what}.")
        if looked_at > window.latest + POLL_SECONDS:
            raise AssertionError(f"Only at {looked_at:.1f} s, wanted {window}: {self.what}.")
        timeline.lines.append(f"{looked_at:7.1f} s  {self.what} (wanted {window})")

    def _look(self) -> tuple[bool, object]:
        try:
            seen = self.probe()
        except (AssertionError, kube.KubeError, kube.KubeUnreachableError) as error:
            return False, error
        return bool(seen), seen
