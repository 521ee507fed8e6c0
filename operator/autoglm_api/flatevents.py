"""Flat events: what senders other than Alertmanager post to the receiver.

One object with four texts. This module never knows which pod or node an instance is.
"""

import hashlib
from enum import StrEnum
from typing import Annotated, Final

from pydantic import Field

from autoglm_api.base import SpecModel
from autoglm_api.healingladder import ActionName

FINGERPRINT_LENGTH: Final = 16
"""Characters of a fingerprint: 64 bits, as many as Alertmanager's has."""


class EventAction(StrEnum):
    """What a sender may wish for; a policy must allow it."""

    RESTART_SERVICE = "trigger_restart_service"
    CLEAN_DISK = "clean_disk"
    ISOLATE_NODE = "isolate_node"
    SCALE_OUT = "scale_out"


ACTIONS: Final = {
    EventAction.RESTART_SERVICE: ActionName.RESTART,
    EventAction.CLEAN_DISK: ActionName.CLEAN_DISK,
    EventAction.ISOLATE_NODE: ActionName.ISOLATE_NODE,
    EventAction.SCALE_OUT: ActionName.SCALE_OUT,
}
"""The ladder's word for each."""


class FlatEvent(SpecModel):
    """One event."""

    alert: Annotated[str, Field(min_length=1, max_length=256)]
    """What is wrong; policies match it as label alertname."""
    instance: Annotated[str, Field(min_length=1, max_length=253, pattern=r"^\S+$")]
    """Address of a node or of a pod."""
    severity: Annotated[str, Field(max_length=64)] = ""
    """How bad it is; policies match it as label severity."""
    action: EventAction | None = None
    """The action wished for; absent to leave it to the policy."""

    @property
    def hint(self) -> ActionName | None:
        """The action wished for, in the ladder's word."""
        return None if self.action is None else ACTIONS[self.action]

    @property
    def labels(self) -> dict[str, str]:
        """What an alert of Alertmanager would carry."""
        return {"alertname": self.alert, "instance": self.instance, "severity": self.severity}

    @property
    def fingerprint(self) -> str:
        """The same for every repetition; another wish is another event."""
        told = (self.alert, self.instance, self.severity, self.action or "")
        # Lengths keep the parts apart, whatever they contain.
        text = "".join(f"{len(part)}:{part}" for part in told)
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[
            :FINGERPRINT_LENGTH
        ]
