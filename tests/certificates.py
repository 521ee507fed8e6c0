"""Makes certificate authorities and server certificates for tests.

Exists so that no private key lies in the repository.
"""

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from autoglm_api.routingvalues import certificates_in


@dataclass(frozen=True)
class Authority:
    """An authority and one server certificate that it signed."""

    bundle: str
    """The authority's certificate, in the form that a routing document takes."""
    certificate: Path
    key: Path


def an_authority(directory: Path, host: str, name: str = "tests") -> Authority:
    """Make an authority and a certificate for one host name.

    Authorities that one client trusts at the same time need names of their own.
    """
    ca_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    ca = _certificate(name, ca_key, name, ca_key, None)
    leaf = _certificate(host, key, name, ca_key, host)
    certificate, private = directory / "tls.crt", directory / "tls.key"
    certificate.write_bytes(leaf.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    bundle = certificates_in(ca.public_bytes(serialization.Encoding.PEM).decode())
    assert bundle is not None
    return Authority(bundle, certificate, private)


def _certificate(
    subject: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: str,
    issuer_key: ec.EllipticCurvePrivateKey,
    host: str | None,
) -> x509.Certificate:
    now = datetime.fromtimestamp(time.time(), UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(_name(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=host is None, path_length=None), critical=True)
    )
    if host is not None:
        names = x509.SubjectAlternativeName([x509.DNSName(host)])
        built = built.add_extension(names, critical=False)
    return built.sign(issuer_key, hashes.SHA256())


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])
