"""The mark that a change which will be undone leaves on the object that was changed.

The mark is what the operator and people see of a lease: who changed which field, from what to what,
and until when. The healer reverts only what the live mark confirms. The operator leaves the marked
field alone. This module only reads and writes marks; it never decides whose they are.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Self, cast

from pydantic import AwareDatetime, Field, PlainSerializer, ValidationError

from autoglm_api.base import KubernetesName, StatusModel
from autoglm_api.labels import LEASE


def _utc_seconds(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Mark(StatusModel):
    """The value of the annotation `autoglm.io/lease`, as JSON."""

    run: KubernetesName
    """Name of the HealingRun that holds the lease, in the object's namespace."""
    run_uid: Annotated[str, Field(alias="runUID", min_length=1, max_length=64)]
    """UID of that run. A run with another UID, or one without the finalizer `autoglm.io/undo`,
    holds nothing any more."""
    field: Annotated[str, Field(min_length=1, max_length=64)]
    """Path of the field, such as `spec.replicas`."""
    previous: Annotated[str, Field(max_length=256)]
    """Its value before, as text."""
    value: Annotated[str, Field(max_length=256)]
    """Its value since, as text."""
    expires: Annotated[AwareDatetime, PlainSerializer(_utc_seconds, return_type=str)]
    """When the change is undone at the latest, in whole seconds."""

    @classmethod
    def of(cls, obj: Mapping[str, Any]) -> Self | None:
        """The mark on an object; None if it carries none, or one that nobody of ours wrote."""
        metadata = cast("Mapping[str, Any]", obj.get("metadata") or {})
        annotations = cast("Mapping[str, str]", metadata.get("annotations") or {})
        try:
            return cls.model_validate_json(annotations.get(LEASE, ""))
        except ValidationError:
            return None

    def text(self) -> str:
        """The annotation's value, always the same for the same mark."""
        return json.dumps(self.as_json(), sort_keys=True, separators=(",", ":"))
