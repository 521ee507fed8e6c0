"""Field types and model settings that all our kinds share.

The models are read twice: at run time from objects of the API server, and by the generator that
writes the CustomResourceDefinitions from them. They never do I/O, and never refuse an object for a
field that a newer version added.
"""

from datetime import UTC, datetime
from typing import Annotated, Any, Final

from pydantic import (
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    WithJsonSchema,
)
from pydantic.alias_generators import to_camel

from autoglm_api.rules import Rule

NAME_PATTERN: Final = r"^[a-z]([-a-z0-9]{0,38}[a-z0-9])?$"
"""Names of clusters, endpoints, policies and upstreams: with our longest suffix they still fit into
the 63 characters of a DNS label."""
NAME_LIMIT: Final = 40
NAME_MESSAGE: Final = (
    "use at most 40 lower-case letters, digits and '-', a letter first and no '-' at the end"
)

_QUANTITY_PATTERN: Final = (
    r"^[+]?([0-9]+|[0-9]+[.][0-9]*|[.][0-9]+)(([KMGTPE]i)|[numkMGTPE]|([eE][+-]?[0-9]+))?$"
)
"""Source: the grammar in k8s.io/apimachinery/pkg/api/resource, without the minus sign: no amount of
ours can be negative."""


class SpecModel(BaseModel):
    """A part of a spec: immutable, camelCase outside, descriptions from the fields' docstrings."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        serialize_by_alias=True,
        use_attribute_docstrings=True,
        frozen=True,
        extra="ignore",
    )

    def as_json(self) -> dict[str, Any]:
        """The object that the API server would hold: aliases, strings, no absent fields."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


class StatusModel(SpecModel):
    """A part of a status; the same settings, kept apart because nobody but us writes it."""


def _utc_seconds(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


Timestamp = Annotated[
    AwareDatetime,
    PlainSerializer(_utc_seconds, return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
"""A moment in UTC, written in whole seconds as Kubernetes' own timestamps are."""

ObjectName = Annotated[
    str,
    Field(min_length=1, max_length=NAME_LIMIT, pattern=NAME_PATTERN),
    Rule(f"self.matches(r'{NAME_PATTERN}')", NAME_MESSAGE),
]
"""Name of one of our objects."""

NAME_RULE: Final = Rule(
    f"self.metadata.name.matches(r'{NAME_PATTERN}')", f"metadata.name: {NAME_MESSAGE}"
)

KubernetesName = Annotated[
    str,
    Field(
        min_length=1,
        max_length=253,
        pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$",
    ),
]
"""Name of any Kubernetes object, a DNS subdomain."""

Quantity = Annotated[
    str,
    BeforeValidator(lambda value: str(value) if isinstance(value, int) else value),
    Field(max_length=32, pattern=_QUANTITY_PATTERN),
    WithJsonSchema(
        {
            "anyOf": [{"type": "integer"}, {"type": "string"}],
            "x-kubernetes-int-or-string": True,
            "pattern": _QUANTITY_PATTERN,
            "maxLength": 32,
        }
    ),
]
"""An amount as Kubernetes writes it: ``500m``, ``2Gi``, ``1``."""

COUNTER_LIMIT: Final = 2**53 - 1
"""Source: RFC 8259 section 6; larger integers do not survive every JSON reader."""

Generation = Annotated[int, Field(ge=0, le=COUNTER_LIMIT)]
"""A ``metadata.generation``."""


class LocalRef(SpecModel):
    """An object in the same namespace."""

    name: ObjectName
    """Name of the object, in the same namespace."""


class SecretKeyRef(SpecModel):
    """One key of a Secret in the same namespace.

    The Secret's owner allows that we read it by the label autoglm.io/credential: "true".
    """

    name: KubernetesName
    """Name of the Secret; it must carry the label autoglm.io/credential: "true"."""
    key: Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[-._a-zA-Z0-9]+$")]
    """Key inside the Secret's data."""
