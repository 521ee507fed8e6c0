"""Traffic that nothing may disturb: requests all the time, of which none fails and none is lost.

Exists so that a test on real pods only says what it changes meanwhile. The clients repeat nothing;
what they were answered is held against the books of the servers that answered.
"""

import contextlib
from collections import Counter
from collections.abc import Generator

from demo import routing
from demo.stage import Stage
from demo.traffic import Client, Sent, Stream
from timeline import Timeline, within

MORE = 100
"""Requests after a change that have to meet it: some two seconds of the traffic."""


@contextlib.contextmanager
def undisturbed(stage: Stage, timeline: Timeline, to: Client | None = None) -> Generator[Sent]:
    """Ask for completions all the time, and fail if one of them did."""
    with Stream(to or stage.client()) as sent:
        answered_by(sent, timeline)
        yield sent
        answered_by(sent, timeline)
    assert sent.failures == []
    assert routing.off_the_books(stage, sent) == 0
    timeline.note(f"{sent.total} requests, none failed")


def answered_by(sent: Sent, timeline: Timeline, requests: int = MORE) -> Counter[str]:
    """The pods that answer the next requests."""
    before = len(sent.pods)
    timeline.want(
        within(60), f"{requests} more answers", lambda: len(sent.pods) >= before + requests
    )
    return Counter(list(sent.pods.values())[before : before + requests])
