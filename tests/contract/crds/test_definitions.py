"""What the definitions in crds/ promise, checked without an API server."""

import json
from pathlib import Path

import pytest
from pydantic import JsonValue

import crdschema
import customresources
from crdgen.__main__ import write
from crdgen.definitions import resources
from crdschema import Node, Object

KINDS = ("AutoGLMCluster", "HealingPolicy", "HealingRun", "ModelEndpoint")

ANNOTATION_LIMIT = 262_144
"""Source: TotalAnnotationSizeLimitB in k8s.io/apimachinery; `kubectl apply` keeps a copy in one."""

RESOURCES = {resource.definition.kind.kind: resource for resource in resources()}


def sparse() -> list[Object]:
    """Objects with nothing but what is required, without and with empty blocks."""
    objects = customresources.minimal()
    return objects + [
        {**obj, "spec": crdschema.with_empty_blocks(obj["spec"], spec_schema(obj))}
        for obj in objects
    ]


def spec_schema(obj: Object) -> Object:
    """The schema of the object's spec."""
    found: Object = crdschema.schema(obj["kind"])["properties"]["spec"]
    return found


def all_nodes() -> list[Node]:
    """Every field that we wrote, of every kind."""
    return [
        Node(f"{kind}.{node.path}", node.schema, node.required)
        for kind in KINDS
        for part in ("spec", "status")
        for node in crdschema.nodes(crdschema.schema(kind)["properties"][part], part)
    ]


def test_the_files_are_what_the_types_say(tmp_path: Path) -> None:
    fresh = {path.name: path.read_bytes() for path in write(tmp_path)}
    stored = {path.name: path.read_bytes() for path in crdschema.CRDS.glob("*.yaml")}
    assert stored == fresh, "crds/ is stale; run hack/update-crds.sh"


def test_writing_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    once = [path.read_bytes() for path in write(tmp_path / "once")]
    assert once == [path.read_bytes() for path in write(tmp_path / "twice")]


def test_there_is_one_file_per_kind() -> None:
    kinds = [crd["spec"]["names"]["kind"] for crd in crdschema.definitions()]
    assert sorted(kinds) == sorted(KINDS)


def test_every_field_says_what_it_is() -> None:
    mute = [
        node.path
        for node in all_nodes()
        if not node.path.endswith(("[]", "*")) and not node.schema.get("description")
    ]
    assert not mute


def test_every_node_has_one_type() -> None:
    free = {"x-kubernetes-int-or-string"}
    untyped = [node.path for node in all_nodes() if not node.schema.keys() & ({"type"} | free)]
    assert not untyped


def test_everything_has_a_bound() -> None:
    assert not [node.path for node in all_nodes() if not is_bounded(node.schema)]


def test_every_list_says_how_it_merges() -> None:
    lists = [node for node in all_nodes() if node.schema.get("type") == "array"]
    assert lists
    assert not [node.path for node in lists if "x-kubernetes-list-type" not in node.schema]


def test_conditions_merge_by_type() -> None:
    found = [node.schema for node in all_nodes() if node.path.endswith("status.conditions")]
    assert len(found) == len(KINDS)
    for conditions in found:
        assert conditions["x-kubernetes-list-type"] == "map"
        assert conditions["x-kubernetes-list-map-keys"] == ["type"]


def test_nothing_of_json_schema_is_left_that_kubernetes_lacks() -> None:
    foreign = {"$ref", "$defs", "title", "const", "oneOf", "nullable", "prefixItems", "uniqueItems"}
    for node in all_nodes():
        assert not node.schema.keys() & foreign, node.path
        assert node.schema.get("additionalProperties") is not False, node.path


def test_a_status_has_no_defaults() -> None:
    assert not [n.path for n in all_nodes() if ".status" in n.path and "default" in n.schema]


def test_every_rule_ends_in_a_sentence() -> None:
    rules = [rule for node in all_nodes() for rule in node.schema.get(crdschema.RULES, ())]
    assert rules
    for rule in rules:
        assert rule["message"].strip(), rule["rule"]
        assert "\n" not in rule["message"]


@pytest.mark.parametrize("obj", sparse(), ids=lambda obj: obj["kind"])
def test_defaults_of_the_schema_are_those_of_the_types(obj: Object) -> None:
    resource = RESOURCES[obj["kind"]]
    stored = {**obj, "spec": stored_spec(obj)}
    in_code = resource.read(obj)
    assert resource.read(stored).spec == in_code.spec
    assert filled(in_code.spec.as_json()) == filled(stored["spec"])


def test_the_samples_set_every_field() -> None:
    written = {path for obj in customresources.full() for path in paths(obj["spec"], obj["kind"])}
    known = {
        f"{kind}{node.path}"
        for kind in KINDS
        for node in crdschema.nodes(crdschema.schema(kind)["properties"]["spec"])
        if node.path and not node.path.endswith(("[]", "*"))
    }
    assert {path.replace("[]", "") for path in known} == written


@pytest.mark.parametrize("crd", crdschema.definitions(), ids=lambda crd: crd["metadata"]["name"])
def test_a_definition_fits_into_an_annotation(crd: Object) -> None:
    assert len(json.dumps(crd)) < ANNOTATION_LIMIT


@pytest.mark.parametrize("crd", crdschema.definitions(), ids=lambda crd: crd["metadata"]["name"])
def test_every_kind_has_a_status_and_the_category(crd: Object) -> None:
    assert crd["spec"]["names"]["categories"] == ["autoglm"]
    assert crd["spec"]["scope"] == "Namespaced"
    assert "status" in crdschema.version(crd)["subresources"]


def test_short_names_are_those_of_the_documents() -> None:
    names = [crd["spec"]["names"] for crd in crdschema.definitions()]
    assert {each["kind"]: each["shortNames"] for each in names} == {
        "AutoGLMCluster": ["agc"],
        "HealingPolicy": ["hp"],
        "HealingRun": ["hr"],
        "ModelEndpoint": ["mep"],
    }


def test_executors_and_model_servers_can_be_scaled() -> None:
    scales = {
        crd["spec"]["names"]["kind"]: crdschema.version(crd)["subresources"].get("scale")
        for crd in crdschema.definitions()
    }
    status = {"statusReplicasPath": ".status.replicas", "labelSelectorPath": ".status.selector"}
    assert scales == {
        "AutoGLMCluster": {"specReplicasPath": ".spec.executor.replicas", **status},
        "HealingPolicy": None,
        "HealingRun": None,
        "ModelEndpoint": {"specReplicasPath": ".spec.managed.replicas", **status},
    }


@pytest.mark.parametrize(
    ("kind", "narrow", "wide"),
    [
        ("AutoGLMCluster", "Ready Reason Degraded Executors URL Age", "Routing Message"),
        ("ModelEndpoint", "Type Model Ready Reason Pods Age", "URL Message"),
        ("HealingPolicy", "Mode Paused Target Accepted Last Age", "Last-run Message"),
        ("HealingRun", "Alert Kind Target Phase Steps Reason Age", "Policy Message"),
    ],
)
def test_kubectl_get_shows_these_columns(kind: str, narrow: str, wide: str) -> None:
    columns = crdschema.version(crdschema.definition(kind))["additionalPrinterColumns"]
    names = {
        is_wide: " ".join(
            c["name"].replace(" ", "-") for c in columns if ("priority" in c) is is_wide
        )
        for is_wide in (False, True)
    }
    assert names == {False: narrow, True: wide}


def test_columns_read_fields_that_exist() -> None:
    for kind in KINDS:
        known = {node.path for node in crdschema.nodes(crdschema.schema(kind))}
        for column in crdschema.version(crdschema.definition(kind))["additionalPrinterColumns"]:
            path = column["jsonPath"].removeprefix(".").replace("[*]", "[]")
            before, _, after = path.partition("[?(")
            path = before + ("[]" + after.partition(")]")[2] if after else "")
            assert path in known | {"metadata.creationTimestamp"}, column


def stored_spec(obj: Object) -> JsonValue:
    """The spec as the API server stores it."""
    return crdschema.with_defaults(obj["spec"], spec_schema(obj))


def is_bounded(schema: Object) -> bool:
    """Whether nothing in this node can grow without limit."""
    match schema.get("type"):
        case "string":
            return (
                bool(schema.keys() & {"maxLength", "enum"}) or schema.get("format") == "date-time"
            )
        case "integer" | "number":
            return {"minimum", "maximum"} <= schema.keys()
        case "array":
            return "maxItems" in schema
        case "object":
            return "properties" in schema or "maxProperties" in schema
        case None:
            return "maxLength" in schema
        case _:
            return bool(schema["type"] == "boolean")


def filled(value: JsonValue) -> JsonValue:
    """The value without empty maps and lists, which say nothing."""
    if isinstance(value, dict):
        entries = {key: filled(each) for key, each in value.items()}
        return {key: each for key, each in entries.items() if each not in ({}, [])}
    return [filled(each) for each in value] if isinstance(value, list) else value


def paths(value: JsonValue, path: str, *, depth: int = 0) -> set[str]:
    """Paths of every field that an object sets; maps of free keys count as one field."""
    if isinstance(value, list):
        return {found for each in value for found in paths(each, path, depth=depth)}
    free = path.endswith(("nodeSelector", ".requests", ".limits", "matchLabels", "labels"))
    if not isinstance(value, dict) or free:
        return set()
    found: set[str] = set()
    for name, child in value.items():
        here = f"{path}.{name}" if depth else f"{path}{name}"
        found |= {here} | paths(child, here, depth=depth + 1)
    return found
