"""What a HealingPolicy says about when its actions are held back, approved and reported.

These types only describe it; the guards themselves are decisions of the healer.
"""

from datetime import timedelta
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from autoglm_api.base import SecretKeyRef, SpecModel
from autoglm_api.durations import Between, Duration
from autoglm_api.healingladder import Percent
from autoglm_api.rules import ATOMIC, Rule, rules


class Storm(SpecModel):
    """When so much is wrong at once that healing single targets is no answer."""

    max_unhealthy: Percent = "40%"
    """Share of the objects that match the policy's target which may have an open or held run; with
    more, runs are held. A single one never trips it. Default 40%."""


class Window(SpecModel):
    """A time in which actions are allowed."""

    schedule: Annotated[str, Field(min_length=9, max_length=128)]
    """When the window opens: a cron expression of five fields, as in "0 8 * * 1-5"."""
    duration: Annotated[Duration, Between("1m", "168h")]
    """How long it stays open, 1m to 168h."""
    time_zone: Annotated[str, Field(min_length=1, max_length=64)] = "UTC"
    """The schedule's time zone, a name of the IANA database. Default UTC."""


class Silences(StrEnum):
    """Whether a silence of Alertmanager holds a run."""

    RESPECT = "Respect"
    IGNORE = "Ignore"


class Guards(SpecModel):
    """What holds actions back."""

    cooldown: Annotated[Duration, Between("0s", "24h")] = timedelta(minutes=10)
    """Time after an action of this policy on a target before the next run may act on the same
    target, 0s to 24h. Default 10m."""
    max_runs_per_hour: Annotated[int, Field(ge=1, le=1000)] = 4
    """Runs of this policy that may begin to act within an hour, 1 to 1000. Default 4."""
    max_concurrent: Annotated[int, Field(ge=1, le=100)] = 1
    """Runs of this policy that may act at the same time, 1 to 100. Default 1."""
    max_wait: Annotated[Duration, Between("0s", "24h")] = timedelta(hours=1)
    """How long a run is held by a guard before it ends without an action, 0s to 24h. Default 1h."""
    storm: Storm = Storm()
    """When so much is wrong at once that runs are held."""
    windows: Annotated[tuple[Window, ...], Field(max_length=16), ATOMIC] = ()
    """When actions are allowed: while any of these is open. None means always."""
    silences: Silences = Silences.RESPECT
    """Respect: an alert that is silenced in Alertmanager holds its run. Default Respect."""


class Approval(SpecModel):
    """How long a person has to approve a step, in mode Approve."""

    timeout: Annotated[Duration, Between("1m", "24h")] = timedelta(minutes=30)
    """A step that nobody has approved within this time ends the run, 1m to 24h. Default 30m."""


class NotifyType(StrEnum):
    """In which form a notice is sent."""

    SLACK = "Slack"
    WEBHOOK = "Webhook"


class NotifyURL(SpecModel):
    """Where a notice goes."""

    url_secret_ref: SecretKeyRef
    """Secret with the URL, for whoever knows it may post."""
    ca_secret_ref: SecretKeyRef | None = None
    """Secret with PEM certificates to trust for an https URL, instead of the system's."""


class NotifyTarget(SpecModel):
    """One place to which the step Notify reports."""

    model_config = rules(
        Rule(
            "has(self.slack) == (self.type == 'Slack') &&"
            " has(self.webhook) == (self.type == 'Webhook')",
            "write the block of the type and no other: slack for Slack, webhook for Webhook",
        )
    )

    type: NotifyType
    """Slack: an incoming webhook of Slack. Webhook: a JSON document to any URL."""
    slack: NotifyURL | None = None
    """Slack's incoming webhook."""
    webhook: NotifyURL | None = None
    """Any URL that takes JSON."""
