"""The proxy reads a request as the API server does."""

import pytest

from proxy_records import Call, Record, answered, body_hash, destroyed, parse

LEASES = "/apis/coordination.k8s.io/v1/namespaces/a/leases"


@pytest.mark.parametrize(
    ("method", "path", "query", "said"),
    [
        ("GET", "/api/v1/pods", {}, "list pods"),
        ("GET", "/api/v1/pods", {"watch": "true"}, "watch pods"),
        ("GET", "/api/v1/namespaces/a/pods/p", {}, "get pods a/p"),
        ("GET", "/api/v1/namespaces", {}, "list namespaces"),
        ("GET", "/api/v1/namespaces/a", {}, "get namespaces a/a"),
        ("PUT", "/api/v1/namespaces/a/finalize", {}, "update namespaces/finalize a/a"),
        ("DELETE", "/api/v1/namespaces/a", {}, "delete namespaces a/a"),
        ("DELETE", "/api/v1/namespaces/a/pods", {}, "deletecollection pods a"),
        ("POST", "/api/v1/namespaces/a/pods/p/eviction", {}, "create pods/eviction a/p"),
        ("PATCH", "/apis/apps/v1/namespaces/a/deployments/d", {}, "patch deployments a/d"),
        ("PATCH", "/api/v1/nodes/n/status", {}, "patch nodes/status n"),
        ("PUT", f"{LEASES}/l", {}, "update leases a/l"),
        ("GET", "/apis/apps/v1", {}, "get /apis/apps/v1"),
        ("GET", "/readyz", {}, "get /readyz"),
    ],
)
def test_reads_verb_and_object(method: str, path: str, query: dict[str, str], said: str) -> None:
    assert str(parse(method, path, query)) == said


def test_reads_the_group() -> None:
    assert parse("GET", LEASES, {}).group == "coordination.k8s.io"
    assert parse("GET", "/api/v1/pods", {}).group == ""


@pytest.mark.parametrize(
    ("method", "path", "query"),
    [
        ("GET", "/api/v1/pods", {}),
        ("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", {}),
        ("POST", "/api/v1/namespaces/a/pods", {"dryRun": "All"}),
        ("POST", "/logs", {}),
    ],
)
def test_does_not_take_a_question_for_a_write(
    method: str, path: str, query: dict[str, str]
) -> None:
    assert not parse(method, path, query).writes


@pytest.mark.parametrize(
    ("method", "path", "destroys"),
    [
        ("DELETE", "/api/v1/namespaces/a/pods/p", True),
        ("DELETE", "/api/v1/namespaces/a/pods", True),
        ("POST", "/api/v1/namespaces/a/pods/p/eviction", True),
        ("POST", "/api/v1/namespaces/a/pods", False),
        ("PATCH", "/apis/apps/v1/namespaces/a/deployments/d", False),
    ],
)
def test_knows_what_destroys(method: str, path: str, destroys: bool) -> None:
    assert parse(method, path, {}).destroys is destroys


def test_hashes_equal_bodies_equally() -> None:
    assert body_hash(b'{"a": 1, "b": 2}') == body_hash(b'{"b":2,"a":1}')
    assert body_hash(b'{"a": 1}') != body_hash(b'{"a": 2}')
    assert body_hash(b"k8s\x00binary") != body_hash(b"")


def test_learns_a_generated_name_from_the_answer() -> None:
    answer = b'{"kind": "Pod", "metadata": {"name": "p-x7k2", "uid": "u"}}'
    assert answered(answer) == ("Pod", "p-x7k2", "u")


def test_learns_the_deleted_object_from_a_status() -> None:
    answer = b'{"kind": "Status", "metadata": {}, "details": {"name": "p", "uid": "u"}}'
    assert answered(answer) == ("", "p", "u")


def test_learns_nothing_from_what_is_no_object() -> None:
    assert answered(b"ok") == ("", "", "")
    assert answered(b"[]") == ("", "", "")


def a_deletion(uid: str = "u1", status: int | None = 200, told: int | None = 200) -> Record:
    return Record(Call("delete", "", "pods", "a", "p"), 1, "", "", status, told, uid=uid)


def test_counts_a_second_deletion_of_the_same_object() -> None:
    assert destroyed([a_deletion(), a_deletion()]) == {"delete pods a/p u1": 2}


def test_tells_a_successor_of_the_same_name_apart() -> None:
    assert destroyed([a_deletion(), a_deletion(uid="u2")]).total() == 2
    assert max(destroyed([a_deletion(), a_deletion(uid="u2")]).values()) == 1


def test_does_not_count_what_the_server_refused_or_never_saw() -> None:
    assert not destroyed([a_deletion(status=409), a_deletion(status=None)])


def test_counts_what_was_carried_out_though_the_client_never_heard() -> None:
    assert destroyed([a_deletion(told=None)]).total() == 1
