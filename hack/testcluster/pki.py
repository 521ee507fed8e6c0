"""Certificates, keys and kubeconfigs of a cluster that lives for a day at most.

Makes files and nothing else; every key stays in the cluster's own folder, readable by its owner.
"""

import base64
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from testcluster.settings import Settings

LIFETIME = timedelta(days=365)
"""Arbitrary, because `down` removes the files long before."""


@dataclass(frozen=True)
class Authority:
    """A certificate authority of the cluster's own."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate


@dataclass(frozen=True)
class Subject:
    """Whom a certificate names."""

    common_name: str
    organization: str | None = None
    """The group that Kubernetes takes the holder for."""
    addresses: tuple[str, ...] = ()
    """Host names and IP addresses it serves under."""

    @property
    def name(self) -> x509.Name:
        """As X.509 wants it."""
        parts = [x509.NameAttribute(NameOID.COMMON_NAME, self.common_name)]
        if self.organization:
            group = x509.NameAttribute(NameOID.ORGANIZATION_NAME, self.organization)
            parts.insert(0, group)
        return x509.Name(parts)


ADMINISTRATOR = Subject("testcluster-admin", "system:masters")

COMPONENTS = {
    "admin": ADMINISTRATOR,
    "kube-controller-manager": Subject("system:kube-controller-manager"),
    "kube-scheduler": Subject("system:kube-scheduler"),
    "kube-proxy": Subject("system:kube-proxy"),
    "coredns": Subject("testcluster-coredns"),
    "local-path-provisioner": Subject("testcluster-local-path-provisioner"),
}
"""Who gets a kubeconfig, by file name."""


def write(settings: Settings, nodes: int, now: datetime | None = None) -> None:
    """Write all certificates and kubeconfigs, replacing what is there."""
    settings.pki.mkdir(parents=True, exist_ok=True, mode=0o700)
    _Writer(settings, now or datetime.now(UTC)).write(nodes)


class _Writer:
    def __init__(self, settings: Settings, now: datetime) -> None:
        self._settings = settings
        self._now = now

    def write(self, nodes: int) -> None:
        cluster = self._authority("ca", "testcluster-ca")
        front = self._authority("front-proxy-ca", "testcluster-front-proxy-ca")
        topology = self._settings.topology
        service = "kubernetes.default.svc.cluster.local"
        addresses = (
            str(topology.control_address),
            str(topology.kubernetes_service),
            "127.0.0.1",
            "localhost",
            *(".".join(service.split(".")[:count]) for count in (1, 2, 3, 5)),
        )
        self._issue("apiserver", Subject("kube-apiserver", None, addresses), cluster)
        kubelet_client = Subject("kube-apiserver-kubelet-client", "system:masters")
        self._issue("apiserver-kubelet-client", kubelet_client, cluster)
        self._issue("front-proxy-client", Subject("front-proxy-client"), front)
        self._service_account_keys()
        for name, subject in COMPONENTS.items():
            self._kubeconfig(name, subject, cluster)
        for index in range(1, nodes + 1):
            name = self._settings.node_name(index)
            where = (name, str(topology.node_address(index)))
            self._kubeconfig(name, Subject(f"system:node:{name}", "system:nodes", where), cluster)

    def _authority(self, name: str, common_name: str) -> Authority:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = Subject(common_name)
        usage = x509.KeyUsage(
            digital_signature=True,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            key_cert_sign=True,
            crl_sign=True,
            encipher_only=False,
            decipher_only=False,
        )
        certificate = (
            self._builder(subject, subject.name, key)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(usage, critical=True)
            .sign(key, hashes.SHA256())
        )
        self._put(f"{name}.key", _pem(key))
        self._put(f"{name}.crt", certificate.public_bytes(serialization.Encoding.PEM))
        return Authority(key, certificate)

    def _issue(self, name: str, subject: Subject, authority: Authority) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        both = x509.ExtendedKeyUsage(
            [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]
        )
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key())
        builder = (
            self._builder(subject, authority.certificate.subject, key)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(both, critical=False)
            .add_extension(issuer, critical=False)
        )
        if subject.addresses:
            names = x509.SubjectAlternativeName([_general(a) for a in subject.addresses])
            builder = builder.add_extension(names, critical=False)
        certificate = builder.sign(authority.key, hashes.SHA256())
        self._put(f"{name}.key", _pem(key))
        self._put(f"{name}.crt", certificate.public_bytes(serialization.Encoding.PEM))

    def _builder(
        self, subject: Subject, issuer: x509.Name, key: ec.EllipticCurvePrivateKey
    ) -> x509.CertificateBuilder:
        own = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
        return (
            x509.CertificateBuilder()
            .subject_name(subject.name)
            .issuer_name(issuer)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(self._now - timedelta(hours=1))
            .not_valid_after(self._now + LIFETIME)
            .add_extension(own, critical=False)
        )

    def _service_account_keys(self) -> None:
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self._put("service-account.key", _pem(key))
        public = key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        self._put("service-account.pub", public)

    def _kubeconfig(self, name: str, subject: Subject, authority: Authority) -> None:
        self._issue(name, subject, authority)
        text = kubeconfig(
            self._settings.topology.api_url,
            cluster=f"testcluster-{self._settings.name}",
            authority=self._get("ca.crt"),
            certificate=self._get(f"{name}.crt"),
            key=self._get(f"{name}.key"),
        )
        self._put(f"{name}.kubeconfig", text.encode())

    def _put(self, name: str, content: bytes) -> None:
        path = self._settings.pki / name
        path.touch(mode=0o600)
        path.write_bytes(content)

    def _get(self, name: str) -> bytes:
        return (self._settings.pki / name).read_bytes()


def kubeconfig(
    server: str, *, cluster: str, authority: bytes, certificate: bytes, key: bytes
) -> str:
    """A kubeconfig with everything inside (JSON is YAML)."""
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": cluster,
        "contexts": [{"name": cluster, "context": {"cluster": cluster, "user": cluster}}],
        "clusters": [
            {
                "name": cluster,
                "cluster": {"server": server, "certificate-authority-data": _base64(authority)},
            }
        ],
        "users": [
            {
                "name": cluster,
                "user": {
                    "client-certificate-data": _base64(certificate),
                    "client-key-data": _base64(key),
                },
            }
        ],
    }
    return json.dumps(document, indent=1)


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()


def _general(address: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(address))
    except ValueError:
        return x509.DNSName(address)


def _pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
