"""Alertmanager's webhook document, version 4, as the receiver reads it.

Unknown fields are ignored, for newer senders add some. Alerts stay raw in the document, so that one
that cannot be read does not cost the others. This module never matches an alert to a policy.

Source: https://prometheus.io/docs/alerting/latest/configuration/#webhook_config.
"""

from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, Field

from autoglm_api.base import SpecModel


class AlertStatus(StrEnum):
    """Whether an alert still fires; a group that fires may hold resolved ones."""

    FIRING = "firing"
    RESOLVED = "resolved"


class Alert(SpecModel):
    """One alert of a group."""

    status: AlertStatus
    labels: dict[str, str]
    starts_at: AwareDatetime
    fingerprint: Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[-_a-zA-Z0-9]+$")]

    @property
    def name(self) -> str:
        """Its label alertname, empty if it has none."""
        return self.labels.get("alertname", "")


class AlertGroup(SpecModel):
    """One delivery of Alertmanager."""

    version: Literal["4"]
    group_key: str
    truncated_alerts: Annotated[int, Field(ge=0)] = 0
    """Alerts that the sender left out by its setting max_alerts."""
    alerts: list[dict[str, Any]]
    """The alerts as they came; each is read as an `Alert` on its own."""
