"""Manifests are complete for every provider that installs them."""

import re
from pathlib import Path
from typing import Any, cast

import pytest
import yaml

from testcluster import addons
from testcluster.artifacts import ADDON_IMAGES, NODE_IMAGES
from testcluster.errors import ClusterError

IMAGES = (*NODE_IMAGES, *(name for names in ADDON_IMAGES.values() for name in names))
VALUES = {
    "dns-service": "10.96.0.10",
    "control-address": "10.89.0.1",
    "volumes": "/volumes",
    "kubelet-tls": "--kubelet-insecure-tls",
    "skip-kubelet-tls": "true",
    **{f"image:{name}": f"registry.local/{name}:1" for name in IMAGES},
}
EVERY = sorted(path.stem for path in addons.MANIFESTS.glob("*.yaml"))


def documents(name: str) -> list[dict[str, Any]]:
    """The objects of a manifest."""
    return cast("list[dict[str, Any]]", list(yaml.safe_load_all(addons.render(name, VALUES))))


@pytest.mark.parametrize("name", EVERY)
def test_leaves_no_place_open(name: str) -> None:
    assert not re.search(r"@[a-z:-]+@", addons.render(name, VALUES))
    assert all(document["kind"] for document in documents(name))


def test_refuses_a_manifest_without_its_values() -> None:
    with pytest.raises(ClusterError, match="dns-service"):
        addons.render("dns", {})


def test_every_addon_has_a_manifest_images_and_something_to_wait_for() -> None:
    assert set(addons.NAMES) == set(addons.ROLLOUTS) == set(ADDON_IMAGES)
    assert set(addons.NAMES) <= set(EVERY)


@pytest.mark.parametrize("name", addons.NAMES)
def test_every_addon_brings_exactly_the_images_it_runs(name: str) -> None:
    text = Path(addons.MANIFESTS, f"{name}.yaml").read_text()
    assert set(re.findall(r"@image:([a-z-]+)@", text)) == set(ADDON_IMAGES[name])


@pytest.mark.parametrize("name", addons.NAMES)
def test_waits_for_every_workload_of_an_addon(name: str) -> None:
    workloads = {
        f"{document['kind'].lower()}/{document['metadata']['name']}"
        for document in documents(name)
        if document["kind"] in ("Deployment", "DaemonSet")
    }
    assert {rollout.split()[-1] for rollout in addons.ROLLOUTS[name]} == workloads


def test_alertmanager_sends_to_nobody_by_default() -> None:
    config = next(
        document for document in documents("monitoring") if document["kind"] == "ConfigMap"
    )
    alertmanager = yaml.safe_load(config["data"]["alertmanager.yml"])
    assert alertmanager["receivers"] == [{"name": alertmanager["route"]["receiver"]}]


def test_claims_wait_for_their_pod_and_end_with_their_data() -> None:
    storage = next(d for d in documents("storage") if d["kind"] == "StorageClass")
    assert storage["volumeBindingMode"] == "WaitForFirstConsumer"
    assert storage["reclaimPolicy"] == "Delete"
    default = storage["metadata"]["annotations"]["storageclass.kubernetes.io/is-default-class"]
    assert default == "true"
