"""Who may come in, on the real API server: from Secrets to the table of every router."""

import base64
from pathlib import Path
from typing import Any

from certificates import an_authority
from control_objects import a_simulator, reason
from customresources import a_cluster
from kube import Kube
from kubeconfig import Object
from operator_process import OperatorProcess
from played_pods import PlayedPods
from signedtokens import AUDIENCE, ISSUER, Issuer, key_set
from statuses import condition
from timeline import Timeline, within

SOON = within(150)
"""Arbitrary, because every step of a test shares it and machines are slow."""
JWT = {
    "issuer": ISSUER,
    "audience": AUDIENCE,
    "jwksSecretRef": {"name": "issuer-keys", "key": "jwks.json"},
    "modelsClaim": "models",
}


def get(kube: Kube, namespace: str) -> Object:
    found = kube.get("AutoGLMCluster", "demo", namespace)
    assert found is not None
    return found


def a_labelled_secret(name: str, **data: bytes) -> Object:
    """A Secret that its owner lets us read; underscores of keys become dots."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "labels": {"autoglm.io/credential": "true"}},
        "data": {
            key.replace("_", "."): base64.b64encode(value).decode() for key, value in data.items()
        },
    }


def create(kube: Kube, namespace: str, **spec: object) -> None:
    kube.create(a_simulator("local", replicas=1), namespace)
    kube.create(a_cluster(**spec), namespace)


def document(pods: PlayedPods) -> dict[str, Any]:
    """What the first router has in force; empty while there is none."""
    agents = pods.agents("demo")
    return agents[0].documents[-1] if agents and agents[0].documents else {}


def keys(pods: PlayedPods) -> list[Any]:
    """The keys of tokens that routers trust."""
    security: dict[str, Any] = document(pods).get("security", {})
    tokens: dict[str, Any] = security.get("tokens") or {}
    return list(tokens.get("keys", ()))


def test_an_issuers_keys_reach_every_router_and_a_broken_set_leaves_them(
    kube: Kube, namespace: str, pods: PlayedPods, operator: OperatorProcess, timeline: Timeline
) -> None:
    create(kube, namespace, security={"authentication": {"type": "JWT", "jwt": JWT}})
    timeline.want(
        SOON,
        "the missing Secret is reported",
        lambda: reason(get(kube, namespace), "ResolvedRefs") == "SecretNotFound",
    )
    timeline.want(SOON, "nobody is let in", lambda: bool(document(pods)) and keys(pods) == [])
    first, second = Issuer("ES256", kid="first"), Issuer("RS256", kid="second")
    kube.create(a_labelled_secret("issuer-keys", jwks_json=key_set(first)), namespace)
    timeline.want(SOON, "the key is trusted", lambda: len(keys(pods)) == 1)
    timeline.want(
        SOON,
        "the cluster is Ready",
        lambda: (
            condition(get(kube, namespace), "Ready") == "True"
            and condition(get(kube, namespace), "ResolvedRefs") == "True"
        ),
    )
    changed = a_labelled_secret("issuer-keys", jwks_json=key_set(first, second))
    kube.patch("Secret", "issuer-keys", namespace, {"data": changed["data"]})
    timeline.want(SOON, "both keys are trusted", lambda: len(keys(pods)) == 2)
    broken = a_labelled_secret("issuer-keys", jwks_json=b"{}")
    kube.patch("Secret", "issuer-keys", namespace, {"data": broken["data"]})
    timeline.want(
        SOON,
        "the broken set is reported",
        lambda: reason(get(kube, namespace), "ResolvedRefs") == "KeyUnusable",
    )
    assert len(keys(pods)) == 2
    assert condition(get(kube, namespace), "Ready") == "True"


def test_a_certificate_reaches_every_router_and_moves_the_service(
    kube: Kube,
    namespace: str,
    pods: PlayedPods,
    operator: OperatorProcess,
    timeline: Timeline,
    tmp_path: Path,
) -> None:
    create(kube, namespace, router={"tls": {"secretRef": {"name": "demo-tls"}}})
    timeline.want(
        SOON,
        "no table is made without it",
        lambda: reason(get(kube, namespace), "RoutingProgrammed") == "SecretNotFound",
    )
    assert document(pods) == {}
    made = an_authority(tmp_path, "router.example.com")
    certificate, key = made.certificate.read_bytes(), made.key.read_bytes()
    kube.create(a_labelled_secret("demo-tls", tls_crt=certificate, tls_key=key), namespace)
    timeline.want(
        SOON,
        "routers have it",
        lambda: (
            document(pods).get("listener", {}).get("certificate", {}).get("chain", "").split()
            == certificate.decode().split()
        ),
    )
    timeline.want(
        SOON, "the cluster is Ready", lambda: condition(get(kube, namespace), "Ready") == "True"
    )
    service = kube.get("Service", "demo-router", namespace)
    assert service is not None
    assert [port["port"] for port in service["spec"]["ports"]] == [443]
    assert get(kube, namespace)["status"]["url"] == f"https://demo-router.{namespace}.svc"
    assert "PRIVATE KEY" not in str(get(kube, namespace)["status"])


def test_a_cluster_that_lets_everybody_in_is_insecure(
    kube: Kube, namespace: str, pods: PlayedPods, operator: OperatorProcess, timeline: Timeline
) -> None:
    create(kube, namespace, security={"authentication": {"type": "None"}})
    timeline.want(SOON, "it says so", lambda: condition(get(kube, namespace), "Insecure") == "True")
    timeline.want(
        SOON,
        "routers let everybody in",
        lambda: document(pods).get("security", {}).get("authentication") == "None",
    )
    secured = {"spec": {"security": {"authentication": {"type": "APIKey"}}}}
    kube.patch("AutoGLMCluster", "demo", namespace, secured)
    timeline.want(
        SOON, "it is over", lambda: condition(get(kube, namespace), "Insecure") == "Absent"
    )
    timeline.want(
        SOON,
        "keys are asked for again",
        lambda: document(pods).get("security", {}).get("authentication") == "APIKey",
    )
