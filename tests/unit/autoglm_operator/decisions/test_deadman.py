"""Whether alerting is alive."""

from datetime import UTC, datetime, timedelta

from autoglm_operator.decisions import deadman
from autoglm_operator.decisions.deadman import Pulse

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
TIMEOUT = timedelta(minutes=3)


class Listener:
    """Asks at moments that the test chooses."""

    def __init__(self) -> None:
        self.pulse = Pulse()
        self.seconds = 1000.0

    def hear(self, told: float | None, *, answered: bool = True, after: float = 0) -> str | None:
        """Hear that the alert was told so many seconds after `NOW`, or that it is not listed."""
        self.seconds += after
        now = NOW + timedelta(seconds=self.seconds - 1000)
        updated = None if told is None else NOW + timedelta(seconds=told)
        self.pulse = deadman.heard(
            self.pulse, updated, answered=answered, now=now, moment=self.seconds
        )
        return self.why()

    def why(self) -> str | None:
        """Why healing is frozen."""
        return deadman.frozen(self.pulse, alert="Watchdog", timeout=TIMEOUT, moment=self.seconds)


def test_is_frozen_until_somebody_was_asked() -> None:
    assert Listener().why() == "Alertmanager has not been asked yet."


def test_is_alive_while_the_alert_arrives() -> None:
    listener = Listener()
    assert listener.hear(-30) is None
    assert listener.hear(60, after=90) is None
    assert listener.hear(180, after=120) is None


def test_is_frozen_when_the_alert_is_listed_but_not_told_any_more() -> None:
    listener = Listener()
    assert listener.hear(0) is None
    assert listener.hear(0, after=180) is None
    why = listener.hear(0, after=1)
    assert why is not None
    assert "not sent to any Alertmanager for 3m" in why


def test_thaws_as_soon_as_the_alert_is_told_again() -> None:
    listener = Listener()
    listener.hear(0)
    assert listener.hear(0, after=600) is not None
    assert listener.hear(590, after=5) is None


def test_an_old_alert_is_not_young_because_we_are() -> None:
    listener = Listener()
    why = listener.hear(-181)
    assert why is not None
    assert "alerting is broken" in why


def test_a_clock_that_runs_ahead_is_no_harm() -> None:
    listener = Listener()
    assert listener.hear(3600) is None
    assert listener.hear(3600, after=181) is not None


def test_is_frozen_at_once_when_nobody_answers() -> None:
    listener = Listener()
    listener.hear(0)
    why = listener.hear(None, answered=False, after=30)
    assert why is not None
    assert "No Alertmanager of alertmanager.urls answers" in why
    assert listener.hear(30, after=5) is None


def test_is_frozen_when_nobody_lists_the_alert() -> None:
    listener = Listener()
    why = listener.hear(None)
    assert why is not None
    assert "No Alertmanager lists alert Watchdog" in why


def test_an_alert_that_vanishes_counts_from_when_it_was_last_told() -> None:
    listener = Listener()
    listener.hear(0)
    assert listener.hear(None, after=100) is None
    assert listener.hear(None, after=100) is not None
