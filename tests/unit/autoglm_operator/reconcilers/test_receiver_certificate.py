"""The receiver's certificate: made once, renewed in time, never taken from somebody else."""

import base64
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

import pytest

from autoglm_api import labels
from autoglm_api.kinds import Kind
from autoglm_operator.reconcilers.receiver_certificate import ReceiverCertificate
from autoglm_operator.runtime import certificates
from autoglm_operator.runtime.certificates import KeyPair
from manual_clock import START, ManualClock

if TYPE_CHECKING:
    from autoglm_operator.clients.kube import KubeClient
    from autoglm_operator.reconcilers.authority import Authority

Object = dict[str, Any]
AUTHORITY = certificates.new_authority("test", START)


class FakeKube:
    """An API server that stores what is applied."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str], Object] = {}
        self.applied: list[str] = []

    async def get(self, kind: Kind, namespace: str | None, name: str) -> Object | None:
        assert namespace == "system"
        return self.objects.get((kind.kind, name))

    async def apply(self, obj: Object, *, manager: str, force: bool) -> Object:
        assert (manager, force) == (labels.OPERATOR, True)
        self.objects[obj["kind"], obj["metadata"]["name"]] = obj
        self.applied.append(obj["kind"])
        return obj


class FakeAuthority:
    """The authority, already made."""

    async def pair(self) -> KeyPair:
        return AUTHORITY


@pytest.fixture
def kube() -> FakeKube:
    return FakeKube()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def certificate(kube: FakeKube, clock: ManualClock) -> ReceiverCertificate:
    return ReceiverCertificate(
        cast("KubeClient", kube),
        clock,
        cast("Authority", FakeAuthority()),
        namespace="system",
        service="autoglm-receiver",
    )


async def test_makes_a_certificate_and_publishes_its_authority(
    kube: FakeKube, certificate: ReceiverCertificate, clock: ManualClock
) -> None:
    await certificate.ensure()

    data = kube.objects["Secret", "autoglm-receiver-tls"]["data"]
    pair = KeyPair(base64.b64decode(data["tls.crt"]), base64.b64decode(data["tls.key"]))
    name = "autoglm-receiver.system.svc"
    assert not certificates.needs_issue(pair, AUTHORITY, name, clock.now())
    published = kube.objects["ConfigMap", "autoglm-receiver-ca"]["data"]["ca.crt"]
    assert published == AUTHORITY.certificate.decode()


async def test_writes_nothing_while_all_is_well(
    kube: FakeKube, certificate: ReceiverCertificate
) -> None:
    await certificate.ensure()
    await certificate.ensure()

    assert kube.applied == ["Secret", "ConfigMap"]


async def test_renews_before_it_is_too_late(
    kube: FakeKube, certificate: ReceiverCertificate, clock: ManualClock
) -> None:
    await certificate.ensure()

    await clock.advance(timedelta(days=61).total_seconds())
    await certificate.ensure()

    assert kube.applied == ["Secret", "ConfigMap", "Secret"]


async def test_replaces_what_cannot_be_read(
    kube: FakeKube, certificate: ReceiverCertificate
) -> None:
    await certificate.ensure()
    kube.objects["Secret", "autoglm-receiver-tls"]["data"]["tls.crt"] = "not base64!"

    await certificate.ensure()

    assert kube.applied.count("Secret") == 2


async def test_leaves_a_certificate_of_somebody_else(
    kube: FakeKube, certificate: ReceiverCertificate
) -> None:
    foreign = {"metadata": {"name": "autoglm-receiver-tls"}, "data": {}}
    kube.objects["Secret", "autoglm-receiver-tls"] = foreign

    await certificate.ensure()

    assert kube.applied == []


async def test_keeps_nothing_without_a_service(kube: FakeKube, clock: ManualClock) -> None:
    without = ReceiverCertificate(
        cast("KubeClient", kube),
        clock,
        cast("Authority", FakeAuthority()),
        namespace="system",
        service="",
    )

    await without.keep()

    assert kube.applied == []
