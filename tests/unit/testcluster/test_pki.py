"""Certificates that the cluster's programs accept of each other."""

import base64
import json
import stat
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from testcluster import pki
from testcluster.settings import Settings


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A cluster of two nodes with its certificates written."""
    made = Settings(name="blue", state_root=tmp_path_factory.mktemp("state"))
    pki.write(made, nodes=2)
    return made


def certificate(settings: Settings, name: str) -> x509.Certificate:
    """A certificate that was written."""
    return x509.load_pem_x509_certificate((settings.pki / f"{name}.crt").read_bytes())


@pytest.mark.parametrize("name", ["apiserver", "admin", "node1", "node2", "kube-proxy"])
def test_the_clusters_authority_vouches_for_everyone(settings: Settings, name: str) -> None:
    certificate(settings, name).verify_directly_issued_by(certificate(settings, "ca"))


def test_the_front_proxy_has_an_authority_of_its_own(settings: Settings) -> None:
    client = certificate(settings, "front-proxy-client")
    client.verify_directly_issued_by(certificate(settings, "front-proxy-ca"))


def test_the_api_server_serves_under_its_names_and_addresses(settings: Settings) -> None:
    extensions = certificate(settings, "apiserver").extensions
    names = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    topology = settings.topology
    addresses = names.get_values_for_type(x509.IPAddress)
    assert {topology.control_address, topology.kubernetes_service} <= set(addresses)
    assert {
        "localhost",
        "kubernetes",
        "kubernetes.default",
        "kubernetes.default.svc",
        "kubernetes.default.svc.cluster.local",
    } == set(names.get_values_for_type(x509.DNSName))


def test_a_kubelet_is_a_node_and_nobody_else(settings: Settings) -> None:
    subject = certificate(settings, "node2").subject
    assert subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value == "system:node:node2"
    group = subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)[0].value
    assert group == "system:nodes"


def test_the_administrators_kubeconfig_leads_to_the_api_server(settings: Settings) -> None:
    document = json.loads(settings.kubeconfig.read_text())
    assert document["clusters"][0]["cluster"]["server"] == settings.topology.api_url
    key = base64.b64decode(document["users"][0]["user"]["client-key-data"])
    assert key == (settings.pki / "admin.key").read_bytes()


def test_nobody_else_may_read_the_keys(settings: Settings) -> None:
    modes = {stat.S_IMODE(path.stat().st_mode) for path in settings.pki.iterdir()}
    assert modes == {0o600}


def test_two_clusters_do_not_trust_each_other(settings: Settings, tmp_path: Path) -> None:
    other = Settings(name="green", state_root=tmp_path)
    pki.write(other, nodes=0)
    mine, theirs = (certificate(each, "ca").public_key() for each in (settings, other))
    assert isinstance(mine, ec.EllipticCurvePublicKey)
    assert isinstance(theirs, ec.EllipticCurvePublicKey)
    assert mine.public_numbers() != theirs.public_numbers()
