"""A throw-away certificate for a server on loopback.

Exists because clients written in Go keep their token to themselves on plain HTTP. Never used
outside a test's own process.
"""

import datetime
import ipaddress
import ssl
import tempfile
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

LIFETIME = datetime.timedelta(days=1)


class Identity(NamedTuple):
    """Both sides of one certificate."""

    server: ssl.SSLContext
    authority: bytes
    """What a client trusts it by."""


def loopback_identity() -> Identity:
    """Return the identity of a TLS server at 127.0.0.1."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "recording proxy")])
    begin = datetime.datetime.now(datetime.UTC)  # noqa: TID251 - TLS compares with the real time
    address = x509.IPAddress(ipaddress.IPv4Address("127.0.0.1"))
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin - LIFETIME)
        .not_valid_after(begin + LIFETIME)
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    public = certificate.public_bytes(serialization.Encoding.PEM)
    secret = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.NamedTemporaryFile() as pair:
        # The ssl module takes certificates from files only.
        pair.write(public + secret)
        pair.flush()
        context.load_cert_chain(pair.name)
    return Identity(context, public)
