"""What the real API server makes of our kinds: defaults, explanations, subresources, columns."""

import json

import pytest

import crdschema
import customresources
from crdgen.definitions import resources
from customresources import Object, a_cluster, a_managed_endpoint
from kube import Kube

pytestmark = pytest.mark.usefixtures("crds")

TABLE = "application/json;as=Table;g=meta.k8s.io;v=v1"

RESOURCES = {resource.definition.kind.kind: resource for resource in resources()}


@pytest.mark.parametrize("obj", customresources.minimal(), ids=lambda obj: obj["kind"])
def test_defaults_of_the_server_are_those_of_the_types(
    kube: Kube, namespace: str, obj: Object
) -> None:
    stored = kube.create(obj, namespace)
    resource = RESOURCES[obj["kind"]]
    assert resource.read(stored).spec == resource.read(obj).spec
    schema = crdschema.schema(obj["kind"])["properties"]["spec"]
    assert stored["spec"] == crdschema.with_defaults(obj["spec"], schema)

    sparse = {**obj, "spec": crdschema.with_empty_blocks(obj["spec"], schema)}
    sparse["metadata"] = {"name": f"{obj['metadata']['name']}-2"}
    assert resource.read(kube.create(sparse, namespace)).spec == resource.read(obj).spec


@pytest.mark.parametrize("obj", customresources.full(), ids=lambda obj: obj["kind"])
def test_nothing_that_a_user_writes_is_dropped(kube: Kube, namespace: str, obj: Object) -> None:
    assert kube.create(obj, namespace)["spec"] == crdschema.with_defaults(
        obj["spec"], crdschema.schema(obj["kind"])["properties"]["spec"]
    )


def test_kubectl_explain_has_text_for_every_field(kube: Kube) -> None:
    # The document that `kubectl explain` reads.
    document = kube.call("GET", "/openapi/v3/apis/autoglm.io/v1alpha1")
    schemas = document["components"]["schemas"]
    for kind in RESOURCES:
        served = schemas[f"io.autoglm.v1alpha1.{kind}"]
        assert served["description"]
        mute = [
            node.path
            for part in ("spec", "status")
            for node in crdschema.nodes(served["properties"][part], part)
            if not node.path.endswith(("[]", "*")) and not node.schema.get("description")
        ]
        assert not mute


def test_two_appliers_own_one_upstream_each(kube: Kube, namespace: str) -> None:
    mine = {"name": "mine", "endpointRef": {"name": "mine"}}
    yours = {"name": "yours", "endpointRef": {"name": "yours"}, "weight": 3}
    kube.apply(a_cluster(upstreams=[mine]), namespace, manager="me")
    both = kube.apply(a_cluster(upstreams=[yours]), namespace, manager="you")
    assert [each["name"] for each in both["spec"]["upstreams"]] == ["mine", "yours"]
    kube.apply(a_cluster(upstreams=[{**mine, "weight": 2}]), namespace, manager="me")
    left = kube.apply(a_cluster(), namespace, manager="you")
    assert {each["name"]: each["weight"] for each in left["spec"]["upstreams"]} == {
        "mine": 2,
        "local": 1,
    }


@pytest.mark.parametrize(
    ("obj", "role"),
    [(a_cluster(), "executor"), (a_managed_endpoint(), "managed")],
    ids=("executors", "model-servers"),
)
def test_scaling_changes_the_spec(kube: Kube, namespace: str, obj: Object, role: str) -> None:
    kind, name = obj["kind"], obj["metadata"]["name"]
    kube.create(obj, namespace)
    status = {"status": {"replicas": 1, "selector": "autoglm.io/role=executor"}}
    kube.patch(kind, name, namespace, status, subresource="status")
    scale = kube.patch(kind, name, namespace, {"spec": {"replicas": 5}}, subresource="scale")
    assert scale["status"] == {"replicas": 1, "selector": "autoglm.io/role=executor"}
    live = kube.get(kind, name, namespace)
    assert live
    assert live["spec"][role]["replicas"] == 5


def test_a_status_is_written_apart_from_the_spec(kube: Kube, namespace: str) -> None:
    created = kube.create(a_cluster(), namespace)
    condition = {
        "type": "Ready",
        "status": "False",
        "reason": "NoEligibleUpstream",
        "message": "no upstream is eligible",
        "observedGeneration": 1,
        "lastTransitionTime": "2026-01-02T03:04:05Z",
    }
    body = {"spec": {"paused": True}, "status": {"conditions": [condition]}}
    changed = kube.patch("AutoGLMCluster", "demo", namespace, body, subresource="status")
    assert changed["spec"] == created["spec"]
    assert changed["status"] == {"conditions": [condition]}
    assert changed["metadata"]["generation"] == created["metadata"]["generation"]


@pytest.mark.parametrize("kind", sorted(RESOURCES))
def test_kubectl_get_prints_the_columns(kube: Kube, namespace: str, kind: str) -> None:
    for obj in customresources.full():
        if obj["kind"] == kind:
            kube.create(obj, namespace)
    path = kube.resource(kind).path(namespace)
    table = json.loads(kube.raw("GET", path, accept=TABLE))
    columns = crdschema.version(crdschema.definition(kind))["additionalPrinterColumns"]
    shown = [column["name"] for column in table["columnDefinitions"]]
    assert shown == ["Name", *(column["name"] for column in columns)]
    assert table["rows"]


@pytest.mark.parametrize("kind", sorted(RESOURCES))
def test_every_kind_answers_to_the_category(kube: Kube, kind: str) -> None:
    listed = kube.call("GET", "/apis/autoglm.io/v1alpha1")["resources"]
    categories = {
        each["kind"]: each.get("categories") for each in listed if "/" not in each["name"]
    }
    assert categories[kind] == ["autoglm"]
