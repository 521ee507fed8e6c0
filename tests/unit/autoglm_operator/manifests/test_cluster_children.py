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
