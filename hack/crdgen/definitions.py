"""Puts a CustomResourceDefinition around the schemas of a kind.

It never invents what the types can say: names, columns and subresources come from their
`Definition`.
"""

from importlib import import_module
from typing import Any, Final

from autoglm_api.kinds import OWN
from autoglm_api.resource import Column, Definition, Resource
from autoglm_api.rules import VALIDATIONS
from crdgen.schema import structural_schema

CATEGORY: Final = "autoglm"
ENVELOPE: Final = {
    "apiVersion": {
        "description": "Group and version of the kind; autoglm.io/v1alpha1.",
        "type": "string",
    },
    "kind": {"description": "The kind of this object.", "type": "string"},
    "metadata": {"type": "object"},
}

AnyResource = type[Resource[Any, Any]]


def resources() -> tuple[AnyResource, ...]:
    """Our kinds; each lives in the module of its lower-case name."""
    return tuple(
        getattr(import_module(f"autoglm_api.{kind.kind.lower()}"), kind.kind) for kind in OWN
    )


def definition_of(resource: AnyResource) -> dict[str, Any]:
    """The CustomResourceDefinition of one kind, as an object to apply."""
    about = resource.definition
    kind = about.kind
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{kind.plural}.{kind.group}"},
        "spec": {
            "group": kind.group,
            "names": {
                "categories": [CATEGORY],
                "kind": kind.kind,
                "listKind": f"{kind.kind}List",
                "plural": kind.plural,
                "shortNames": [about.short_name],
                "singular": kind.kind.lower(),
            },
            "scope": "Namespaced",
            "versions": [_version(resource, about)],
        },
    }


def _version(resource: AnyResource, about: Definition) -> dict[str, Any]:
    version: dict[str, Any] = {
        "additionalPrinterColumns": [_column(column) for column in about.columns],
        "name": about.kind.version,
        "schema": {"openAPIV3Schema": _schema(resource, about)},
        "served": True,
        "storage": True,
        "subresources": _subresources(about),
    }
    if about.selectable:
        version["selectableFields"] = [{"jsonPath": path} for path in about.selectable]
    return version


def _schema(resource: AnyResource, about: Definition) -> dict[str, Any]:
    fields = resource.model_fields
    schema: dict[str, Any] = {
        "description": " ".join((resource.__doc__ or "").split()),
        "properties": {
            **ENVELOPE,
            "spec": structural_schema(_model(fields["spec"].annotation)),
            "status": structural_schema(_model(fields["status"].annotation), defaults=False),
        },
        "required": ["spec"],
        "type": "object",
    }
    if about.rules:
        schema[VALIDATIONS] = [rule.as_json() for rule in about.rules]
    return schema


def _model(annotation: Any) -> Any:  # noqa: ANN401  # the argument of a generic, known to be a model
    return annotation


def _column(column: Column) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "description": column.description,
        "jsonPath": column.path,
        "name": column.name,
        "type": column.type,
    }
    return shown | {"priority": 1} if column.wide else shown


def _subresources(about: Definition) -> dict[str, Any]:
    subresources: dict[str, Any] = {"status": {}}
    if about.scale:
        subresources["scale"] = {
            "labelSelectorPath": about.scale.selector,
            "specReplicasPath": about.scale.spec_replicas,
            "statusReplicasPath": about.scale.status_replicas,
        }
    return subresources
