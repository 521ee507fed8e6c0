"""The proxy passes everything on unchanged and remembers it."""

from collections.abc import Callable
from pathlib import Path

import pytest

import kubeconfig
from builders import a_config_map, an_object
from kube import Kube, KubeError
from kubeconfig import Access
from proxy_faults import Match
from proxy_records import body_hash
from recording_proxy import RecordingProxy


def test_passes_on_what_is_asked_and_answered(
    proxy: RecordingProxy, client: Kube, kube: Kube, namespace: str
) -> None:
    created = client.create(a_config_map("one", {"key": "a/b?c=d %20 ü"}), namespace)
    assert created == kube.get("ConfigMap", "one", namespace)
    assert client.get("ConfigMap", "one", namespace) == created
    (write,) = proxy.writes()
    assert str(write.call) == f"create configmaps {namespace}"
    assert (write.number, write.status, write.told) == (1, 201, 201)
    assert (write.kind, write.name, write.uid) == ("ConfigMap", "one", created["metadata"]["uid"])
    assert write.caller == "autoglm-tests"


def test_passes_on_the_servers_refusal(proxy: RecordingProxy, client: Kube, namespace: str) -> None:
    with pytest.raises(KubeError, match="is invalid") as refused:
        client.create(a_config_map("Not A Name", {}), namespace)
    assert refused.value.status == 422
    (write,) = proxy.writes()
    assert (write.status, write.applied) == (422, False)


def test_tells_equal_bodies_from_different_ones(
    proxy: RecordingProxy, client: Kube, namespace: str
) -> None:
    for text in ("a", "a", "b"):
        client.apply(a_config_map("one", {"key": text}), namespace)
    first, second, third = (write.sent_hash for write in proxy.writes())
    assert first == second != third
    assert first != body_hash(b"")


def test_knows_generated_names(proxy: RecordingProxy, client: Kube, namespace: str) -> None:
    nameless = a_config_map("", {})
    nameless["metadata"] = {"generateName": "some-"}
    name = client.create(nameless, namespace)["metadata"]["name"]
    assert proxy.writes()[0].name == name


def test_numbers_only_what_a_scenario_decides(
    proxy: RecordingProxy, client: Kube, namespace: str
) -> None:
    client.create(a_config_map("dry", {}), namespace, dry_run=True)
    client.list("ConfigMap", namespace)
    client.create(an_object("Lease", "l", "coordination.k8s.io/v1", spec={}), namespace)
    client.create(a_config_map("one", {}), namespace)
    client.delete("ConfigMap", "one", namespace)
    assert [(write.number, write.call.verb) for write in proxy.writes()] == [
        (1, "create"),
        (2, "delete"),
    ]
    assert len(proxy.records(Match(resource="leases"))) == 1


def test_counts_deletions_by_object_and_not_by_name(
    proxy: RecordingProxy, client: Kube, namespace: str
) -> None:
    for _ in range(2):
        client.create(a_config_map("one", {}), namespace)
        client.delete("ConfigMap", "one", namespace)
    client.delete("ConfigMap", "one", namespace)  # nothing is there: nothing is destroyed
    assert sorted(proxy.destroyed().values()) == [1, 1]


def test_lists_what_was_used_as_rbac_names_it(
    proxy: RecordingProxy, client: Kube, namespace: str
) -> None:
    client.list("Deployment", namespace)
    client.patch("Namespace", namespace, None, {}, subresource="status")
    assert proxy.used() == {("list", "apps", "deployments"), ("patch", "", "namespaces/status")}


def test_begins_anew_with_a_scenario(proxy: RecordingProxy, client: Kube, namespace: str) -> None:
    client.create(a_config_map("one", {}), namespace)
    proxy.reset()
    client.delete("ConfigMap", "one", namespace)
    assert [write.number for write in proxy.writes()] == [1]


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_lets_the_server_see_the_callers_own_identity(
    tls: bool, access: Access, kube: Kube, namespace: str, tmp_path: Path
) -> None:
    account = kube.create(an_object("ServiceAccount", "someone"), namespace)
    path = kube.resource("ServiceAccount").path(namespace, "someone", "token")
    request = an_object("TokenRequest", "someone", "authentication.k8s.io/v1", spec={})
    token = kube.call("POST", path, request)["status"]["token"]
    with RecordingProxy(access, tls=tls) as proxy:
        config = proxy.kubeconfig(tmp_path / "config", token)
        seen = _caller(Kube(kubeconfig.load(config)))
    assert seen == f"system:serviceaccount:{namespace}:{account['metadata']['name']}"


def test_lends_its_own_identity_to_who_has_none(client: Kube, kube: Kube) -> None:
    assert _caller(client) == _caller(kube)


def test_refuses_what_it_cannot_pass_on(proxy: RecordingProxy, connect: Callable[[], str]) -> None:
    assert "501" in connect()
    assert not proxy.records()


@pytest.fixture
def connect(proxy: RecordingProxy) -> Callable[[], str]:
    """Ask for a connection that changes its protocol; returns the status line."""

    def asked() -> str:
        connection = Kube(proxy.access()).connect()
        try:
            headers = {"Connection": "Upgrade", "Upgrade": "SPDY/3.1"}
            connection.request("POST", "/api/v1/namespaces/a/pods/p/exec", headers=headers)
            return str(connection.getresponse().status)
        finally:
            connection.close()

    return asked


def _caller(client: Kube) -> str:
    review = an_object("SelfSubjectReview", "", "authentication.k8s.io/v1")
    review["metadata"] = {}
    return str(client.create(review)["status"]["userInfo"]["username"])
