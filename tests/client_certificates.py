"""Makes authorities of callers, and the certificates by which callers show who they are.

Exists so that no private key lies in the repository.
"""

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID


@dataclass(frozen=True)
class ClientAuthority:
    """An authority that signs callers."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def pem(self) -> bytes:
        """Its certificate."""
        return self.certificate.public_bytes(Encoding.PEM)

    def write(self, directory: Path, name: str, *, uri: str = "") -> tuple[Path, Path]:
        """Write a caller's certificate and key; replaces those of that name in one step each."""
        key = ec.generate_private_key(ec.SECP256R1())
        alternative: list[x509.GeneralName] = [x509.DNSName(name)]
        if uri:
            alternative.append(x509.UniformResourceIdentifier(uri))
        built = _certificate(name, key, self.certificate.subject, self.key, alternative)
        pems = built.public_bytes(Encoding.PEM), _pem(key)
        files = directory / f"{name}.crt", directory / f"{name}.key"
        for file, pem in zip(files, pems, strict=True):
            replace(file, pem)
        return files


def a_client_authority(name: str = "callers") -> ClientAuthority:
    """Make one."""
    key = ec.generate_private_key(ec.SECP256R1())
    return ClientAuthority(_certificate(name, key, _name(name), key, []), key)


def replace(file: Path, content: bytes) -> None:
    """Write a file as a kubelet does: whole, or not at all."""
    new = file.with_name(f".{file.name}.new")
    new.write_bytes(content)
    new.replace(file)


def _certificate(
    subject: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: x509.Name,
    issuer_key: ec.EllipticCurvePrivateKey,
    names: list[x509.GeneralName],
) -> x509.Certificate:
    now = datetime.fromtimestamp(time.time(), UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=not names, path_length=None), critical=True)
    )
    if names:
        usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
        built = built.add_extension(usage, critical=False)
        built = built.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return built.sign(issuer_key, hashes.SHA256())


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])
