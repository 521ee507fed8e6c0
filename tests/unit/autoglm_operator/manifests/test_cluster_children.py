from autoglm_operator.manifests import cluster
from operator_views import IMAGES, OWNER, a_cluster


def test_gathers_the_children_of_every_role() -> None:
    children = cluster.children(a_cluster(), OWNER, IMAGES, "sim")
    names = {(each["kind"], each["metadata"]["name"]) for each in children}
    assert {
        ("Deployment", "demo-router"),
        ("Deployment", "demo-planner"),
        ("Deployment", "demo-executor"),
        ("StatefulSet", "demo-store"),
        ("Service", "demo-router"),
        ("Service", "demo-router-internal"),
        ("Service", "demo-store"),
    } <= names
    assert len(names) == len(children)


def test_every_child_belongs_to_the_cluster() -> None:
    for child in cluster.children(a_cluster(), OWNER, IMAGES, "sim"):
        assert child["metadata"]["ownerReferences"][0]["uid"] == "cluster-uid"
        assert child["metadata"]["labels"]["autoglm.io/owner-uid"] == "cluster-uid"


def test_an_autoscaler_owns_the_number_of_executors() -> None:
    asked = {"autoscaling": {"minReplicas": 2, "maxReplicas": 6}}
    children = cluster.children(a_cluster(executor=asked), OWNER, IMAGES, "sim")
    found = {(each["kind"], each["metadata"]["name"]): each for each in children}
    deployment = found["Deployment", "demo-executor"]
    assert "replicas" not in deployment["spec"]
    assert deployment["metadata"]["annotations"] == {"autoglm.io/initial-replicas": "2"}
    spec = found["HorizontalPodAutoscaler", "demo-executor"]["spec"]
    assert spec["scaleTargetRef"]["name"] == "demo-executor"
    assert (spec["minReplicas"], spec["maxReplicas"]) == (2, 6)
    assert ("PodDisruptionBudget", "demo-executor") in found
    one = cluster.children(a_cluster(executor={"replicas": 1}), OWNER, IMAGES, "sim")
    assert not [each for each in one if each["kind"] == "HorizontalPodAutoscaler"]
