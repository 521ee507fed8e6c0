"""What Alertmanager says: its webhook document, version 4, and its API, version 2.

Unknown fields are ignored, for newer senders add some. Alerts stay raw in the document, so that one
that cannot be read does not cost the others. This module never matches an alert to a policy.

Source: https://prometheus.io/docs/alerting/latest/configuration/#webhook_config, and the file
api/v2/openapi.yaml of Alertmanager.
"""

from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, Field

from autoglm_api.base import SpecModel


class AlertStatus(StrEnum):
    """Whether an alert still fires; a group that fires may hold resolved ones."""

    FIRING = "firing"
    RESOLVED = "resolved"


Fingerprint = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[-_a-zA-Z0-9]+$")]
"""Hash of an alert's labels, the same in every delivery and at every Alertmanager."""


class Alert(SpecModel):
    """One alert of a group."""

    status: AlertStatus
    labels: dict[str, str]
    starts_at: AwareDatetime
    fingerprint: Fingerprint

    @property
    def name(self) -> str:
        """Its label alertname, empty if it has none."""
        return self.labels.get("alertname", "")


class AlertGroup(SpecModel):
    """One delivery of Alertmanager."""

    version: Literal["4"]
    group_key: str
    receiver: str = ""
    """Name of the receiver in Alertmanager's configuration."""
    truncated_alerts: Annotated[int, Field(ge=0)] = 0
    """Alerts that the sender left out by its setting max_alerts."""
    alerts: list[dict[str, Any]]
    """The alerts as they came; each is read as an `Alert` on its own."""


class ReceiverRef(SpecModel):
    """One receiver of Alertmanager's configuration."""

    name: str


class PolledAlertStatus(SpecModel):
    """Whether an Alertmanager would notify of an alert now."""

    state: str
    """unprocessed, active or suppressed."""


class PolledAlert(SpecModel):
    """An alert as Alertmanager's API lists it."""

    labels: dict[str, str]
    starts_at: AwareDatetime
    updated_at: AwareDatetime
    """When Alertmanager last heard of it; a Prometheus sends an alert again every minute or so."""
    fingerprint: Fingerprint
    receivers: tuple[ReceiverRef, ...] = ()
    status: PolledAlertStatus

    @property
    def name(self) -> str:
        """Its label alertname, empty if it has none."""
        return self.labels.get("alertname", "")

    def as_delivered(self) -> Alert:
        """The alert as the webhook would have delivered it."""
        return Alert(
            status=AlertStatus.FIRING,
            labels=self.labels,
            starts_at=self.starts_at,
            fingerprint=self.fingerprint,
        )


class SilenceMatcher(SpecModel):
    """One matcher of a silence; a label that is absent counts as empty."""

    name: str
    value: str
    is_regex: bool = False
    is_equal: bool = True
    """False turns the matcher into != or !~."""


class Silence(SpecModel):
    """A silence; it mutes what fits all its matchers."""

    id: str
    matchers: tuple[SilenceMatcher, ...]
    starts_at: AwareDatetime
    ends_at: AwareDatetime
    created_by: str = ""
    comment: str = ""
