"""A second cluster over the same endpoints: its signed tokens and TLS are renewed under traffic."""

import base64
import json
import ssl
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path

import pytest

from builders import an_object
from certificates import Authority, an_authority
from demo.stage import Stage
from demo.traffic import Client, send
from demo_stage import Scene
from kube import Kube
from kubeconfig import Object
from signedtokens import AUDIENCE, ISSUER, Issuer, claims, encoded, key_set
from statuses import condition
from timeline import Timeline, within
from undisturbed import answered_by, undisturbed

SOON = within(60)
"""Generous: the design says 15 s."""
NAME = "trusting"


@dataclass(frozen=True)
class Door:
    """A cluster that lets in who has a token."""

    kube: Kube
    namespace: str
    authorities: tuple[Authority, Authority]
    timeline: Timeline

    @property
    def stage(self) -> Stage:
        """The cluster, as the demo's steps know one."""
        return Stage(self.namespace, NAME)

    def client(self, token: str, *authorities: Authority) -> Client:
        """A client with a token, which trusts every authority unless it says whom."""
        trusted = "".join(one.bundle for one in authorities or self.authorities)
        context = ssl.create_default_context(cadata=trusted)
        return Client(f"https://{host(self.namespace)}", token, context)

    def keys(self, *issuers: Issuer) -> float:
        """Put a key set into the Secret; return when."""
        self._write("token-keys", {"keys.json": key_set(*issuers)})
        return self.timeline.now

    def show(self, authority: Authority) -> None:
        """Put a certificate into the Secret."""
        files = {"tls.crt": authority.certificate, "tls.key": authority.key}
        self._write(
            "router-tls",
            {name: path.read_bytes() for name, path in files.items()},
            "kubernetes.io/tls",
        )

    def _write(self, name: str, data: dict[str, bytes], kind: str = "Opaque") -> None:
        text = {key: base64.b64encode(value).decode() for key, value in data.items()}
        labels = {"autoglm.io/credential": "true"}
        self.kube.apply(
            an_object("Secret", name, type=kind, labels=labels, data=text), self.namespace
        )

    def wants(self, what: str, so: Callable[[], bool]) -> float:
        """Wait; return how many seconds it took."""
        began = self.timeline.now
        return self.timeline.want(SOON, what, so) - began


def host(namespace: str) -> str:
    return f"{NAME}-router.{namespace}.svc"


def a_cluster() -> Object:
    tokens = {
        "issuer": ISSUER,
        "audience": AUDIENCE,
        "jwksSecretRef": {"name": "token-keys", "key": "keys.json"},
    }
    spec: Object = {
        "upstreams": [{"name": each, "endpointRef": {"name": each}} for each in ("east", "west")],
        "router": {"replicas": 2, "tls": {"secretRef": {"name": "router-tls"}}},
        "planner": {"replicas": 1},
        "executor": {"replicas": 1},
        "sessions": {"store": {"embedded": {"storage": "64Mi"}}},
        "security": {"authentication": {"type": "JWT", "jwt": tokens}},
    }
    return an_object("AutoGLMCluster", NAME, "autoglm.io/v1alpha1", spec=spec)


@pytest.fixture
def door(kube: Kube, scene: Scene, timeline: Timeline, tmp_path: Path) -> Generator[Door]:
    """The second cluster, Ready; it is gone in the end."""
    places = tmp_path / "first", tmp_path / "second"
    for place in places:
        place.mkdir()
    first, second = (an_authority(place, host(scene.namespace), place.name) for place in places)
    door = Door(kube, scene.namespace, (first, second), timeline)
    door.show(door.authorities[0])
    door.keys(Issuer(kid="none-yet"))
    kube.apply(a_cluster(), scene.namespace)

    def ready() -> bool:
        return condition(kube.get("AutoGLMCluster", NAME, scene.namespace), "Ready") == "True"

    try:
        timeline.want(within(120), "the second cluster is Ready", ready)
        yield door
    finally:
        kube.delete("AutoGLMCluster", NAME, scene.namespace)
        timeline.want(within(120), "it is gone", lambda: not _pods(kube, scene))


def _pods(kube: Kube, scene: Scene) -> list[Object]:
    return kube.list("Pod", scene.namespace, f"autoglm.io/cluster={NAME}")


def refuses(client: Client) -> bool:
    """Whether nothing is let in, by the word of every router."""
    return len(send(client, 8).failures) == 8


def admits(client: Client) -> bool:
    """Whether everything is let in."""
    return not send(client, 8).failures


def test_keys_and_certificate_are_renewed_and_both_clusters_go_on(
    door: Door, scene: Scene, timeline: Timeline
) -> None:
    """What one cluster is told never reaches the other, though they share their endpoints."""
    one, two = Issuer(kid="one"), Issuer("ES256", kid="two")
    old, new = door.client(one.token()), door.client(two.token())
    first, second = door.authorities
    with undisturbed(scene.stage, timeline):
        assert refuses(old)
        door.keys(one)
        took = [door.wants("the first key is in force", lambda: admits(old))]
        with undisturbed(door.stage, timeline, old):
            door.keys(one, two)
            took.append(door.wants("both keys are in force", lambda: admits(new)))
        with undisturbed(door.stage, timeline, new) as sent:
            door.keys(two)
            took.append(door.wants("the first key is gone", lambda: refuses(old)))
            door.show(second)
            renewed = door.client(two.token(), second)
            took.append(door.wants("the second certificate is shown", lambda: admits(renewed)))
            assert refuses(door.client(two.token(), first))
            answered_by(sent, timeline)
        unsigned = f"{_part({'alg': 'none', 'typ': 'JWT'})}.{_part(claims())}."
        for token in (two.token(exp=1), two.token(aud="other"), unsigned):
            assert refuses(door.client(token)), token
        key = scene.stage.client().key
        assert refuses(door.client(key))
        assert refuses(Client(scene.stage.client().url, two.token()))
    shown = ", ".join(f"{each:.1f}" for each in took)
    timeline.note(f"keys and certificate are in force after {shown} s")


def _part(content: Object) -> str:
    return encoded(json.dumps(content).encode())
