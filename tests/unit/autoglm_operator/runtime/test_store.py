from typing import Any

from autoglm_api.kinds import POD, SERVICE
from autoglm_operator.runtime.store import ObjectStore, trim


def a_pod(name: str, uid: str = "", version: str = "1", **meta: object) -> dict[str, Any]:
    about = {"name": name, "namespace": "ns", "uid": uid or name, "resourceVersion": version}
    return {"metadata": {**about, **meta}}


def names(objects: tuple[dict[str, Any], ...]) -> list[str]:
    return sorted(each["metadata"]["name"] for each in objects)


def test_finds_objects_by_name_uid_label_and_owner() -> None:
    store = ObjectStore()
    store.put(POD, a_pod("a", labels={"x": "1"}, ownerReferences=[{"uid": "boss"}]))
    store.put(SERVICE, a_pod("a", "s", ownerReferences=[{"uid": "boss"}]))
    found = store.get(POD, "ns", "a")
    assert found is not None
    assert found is store.by_uid(POD, "a")
    assert names(store.labelled(POD, "ns", x="1")) == ["a"]
    assert store.labelled(POD, "ns", x="2") == ()
    assert len(store.owned("boss")) == 2
    assert len(store.owned("boss", POD)) == 1
    assert store.list(POD, "other") == ()


def test_forgets_removed_objects_everywhere() -> None:
    store = ObjectStore()
    store.put(POD, a_pod("a", ownerReferences=[{"uid": "boss"}]))
    assert store.remove(POD, "a") is not None
    assert store.remove(POD, "a") is None
    assert store.get(POD, "ns", "a") is None
    assert store.owned("boss") == ()


def test_a_namesake_takes_the_place_of_its_predecessor() -> None:
    store = ObjectStore()
    store.put(POD, a_pod("a", "old"))
    store.put(POD, a_pod("a", "new"))
    assert store.by_uid(POD, "old") is None
    store.remove(POD, "old")
    assert store.get(POD, "ns", "a") is not None


def test_a_changed_owner_is_known() -> None:
    store = ObjectStore()
    store.put(POD, a_pod("a", ownerReferences=[{"uid": "one"}]))
    store.put(POD, a_pod("a", version="2", ownerReferences=[{"uid": "two"}]))
    assert store.owned("one") == ()
    assert names(store.owned("two")) == ["a"]


def test_an_older_version_is_ignored() -> None:
    store = ObjectStore()
    store.put(POD, a_pod("a", version="10"))
    store.put(POD, a_pod("a", version="9", labels={"late": "yes"}))
    found = store.get(POD, "ns", "a")
    assert found is not None
    assert "labels" not in found["metadata"]


def test_a_sweep_evicts_ghosts_and_finds_what_was_missed() -> None:
    store = ObjectStore()
    store.put(POD, a_pod("stays"))
    store.put(POD, a_pod("ghost"))
    store.put(POD, a_pod("changes"))
    mark = store.mark()
    diff = store.sweep(POD, [a_pod("stays"), a_pod("changes", version="2"), a_pod("new")], mark)
    assert names(diff.gone) == ["ghost"]
    assert names(diff.changed) == ["changes"]
    assert names(diff.added) == ["new"]
    assert names(store.list(POD)) == ["changes", "new", "stays"]


def test_a_sweep_leaves_alone_what_events_touched_meanwhile() -> None:
    store = ObjectStore()
    store.put(POD, a_pod("deleted"))
    mark = store.mark()
    store.remove(POD, "deleted")
    store.put(POD, a_pod("made"))
    diff = store.sweep(POD, [a_pod("deleted")], mark)
    assert names(store.list(POD)) == ["made"]
    assert (diff.added, diff.changed, diff.gone) == ((), (), ())
    store.forget_marks(store.mark())
    assert names(store.sweep(POD, [], store.mark()).gone) == ["made"]


def test_trims_what_nobody_reads() -> None:
    last = "kubectl.kubernetes.io/last-applied-configuration"
    pod = a_pod("a", managedFields=[1], annotations={last: "{}", "kept": "yes"})
    trimmed = trim(pod)["metadata"]
    assert "managedFields" not in trimmed
    assert trimmed["annotations"] == {"kept": "yes"}
