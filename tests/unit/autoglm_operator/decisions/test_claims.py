"""What a person can do about a volume that fills up."""

import json
import shlex
from typing import Any

from autoglm_operator.decisions import claims, target
from autoglm_operator.decisions.healing import Sighting
from episodes import a_claim, a_node, an_object

CLASS: dict[str, Any] = {
    **an_object("storage.k8s.io/v1", "StorageClass", "fast"),
    "allowVolumeExpansion": True,
}


def told(storage_class: dict[str, Any] | None = CLASS, **sizes: str) -> str:
    claim = a_claim()
    claim["spec"]["resources"]["requests"]["storage"] = sizes.get("asked", "1Gi")
    claim["status"]["capacity"] = {"storage": sizes["has"]} if "has" in sizes else {}
    found = claims.advice(Sighting(claim=claim, storage_class=storage_class))
    assert found is not None
    return found


def test_offers_the_exact_command() -> None:
    said = told(asked="10Gi", has="10Gi")

    offer, _, command = said.partition(": ")
    words = shlex.split(command)
    assert offer == "The volume of PersistentVolumeClaim data-store-0 can grow from 10Gi to 15Gi"
    assert " ".join(words[:-1]) == (
        "kubectl patch persistentvolumeclaim data-store-0 --namespace team-a --type merge --patch"
    )
    assert json.loads(words[-1]) == {"spec": {"resources": {"requests": {"storage": "15Gi"}}}}


def test_a_small_volume_grows_by_whole_gibibytes() -> None:
    assert "can grow from 1Gi to 2Gi" in told(asked="1Gi", has="1Gi")
    assert "can grow from 1Gi to 1Gi" not in told(asked="500Mi", has="700Mi")


def test_a_volume_of_unknown_size_is_measured_by_what_was_asked_for() -> None:
    assert "can grow from 4Gi to 6Gi" in told(asked="4Gi")


def test_an_expansion_under_way_is_waited_for() -> None:
    assert told(asked="20Gi", has="10Gi") == (
        "PersistentVolumeClaim data-store-0 is being expanded to 20Gi already."
    )


def test_says_why_a_volume_cannot_grow() -> None:
    fixed = {**CLASS, "allowVolumeExpansion": False}

    assert told(fixed).startswith("StorageClass fast does not let the volume of")
    assert told(None).startswith("Nobody knows whether the volume of")


def test_other_targets_get_no_advice() -> None:
    assert claims.advice(target.sighted([a_node()])) is None
