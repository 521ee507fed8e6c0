"""People with rights of their own, and the commands that they type.

Exists so that what people do is tried as themselves: by a certificate of the API server's own
authority, or a token. Never gives anybody more than a test says.
"""

import base64
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from kube import Kube
from kubeconfig import Access, Object, write
from timeline import Timeline, within

ROOT = Path(__file__).parent.parent
RBAC = "rbac.authorization.k8s.io"
COMMAND_SECONDS = 120.0
"""Longer than any command here waits."""
SIGNED = within(60)
"""The control plane signs a certificate within a second on an idle machine."""


@dataclass(frozen=True)
class Said:
    """What a command answered."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        """What it printed."""
        return self.out.splitlines()


@dataclass(frozen=True)
class Person:
    """Somebody with a kubeconfig."""

    name: str
    """As the API server knows them."""
    config: Path

    def types(self, *words: str) -> Said:
        """Type `autoglm` and some words."""
        return self.runs(sys.executable, "-m", "autoglm_cli", *words)

    def runs(self, *argv: str) -> Said:
        """Run any command with this person's kubeconfig."""
        environment = {
            "PATH": os.defpath,
            "PYTHONPATH": str(ROOT / "operator"),
            "KUBECONFIG": str(self.config),
            "HOME": "/nonexistent",
        }
        done = subprocess.run(
            argv,
            env=environment,
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )
        return Said(done.returncode, done.stdout, done.stderr)


def with_token(access: Access, directory: Path, name: str, token: str) -> Person:
    """Somebody who comes with a token, such as a ServiceAccount."""
    identity = Access(access.server, ca=access.ca, token=token)
    return Person(name, write(directory / f"{name}.kubeconfig", identity))


def with_certificate(kube: Kube, access: Access, directory: Path, name: str) -> Person:
    """Somebody whose certificate the API server's own authority has signed."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    asked = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    pem = asked.public_bytes(serialization.Encoding.PEM)
    request = f"{name.replace('@', '-')}-{os.urandom(4).hex()}"
    _approve(kube, request, pem)

    def signed() -> str:
        found = kube.get("CertificateSigningRequest", request) or {}
        return str(found.get("status", {}).get("certificate", ""))

    Timeline().want(SIGNED, "the certificate is signed", signed)
    secret = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    certificate = base64.b64decode(signed())
    kube.delete("CertificateSigningRequest", request)
    identity = Access(access.server, ca=access.ca, certificate=certificate, key=secret)
    return Person(name, write(directory / f"{name}.kubeconfig", identity))


def works_in(person: Person, namespace: str) -> None:
    """Let the person's context name a namespace, as `kubectl config set-context` does."""
    document = yaml.safe_load(person.config.read_text())
    document["contexts"][0]["context"]["namespace"] = namespace
    person.config.write_text(yaml.safe_dump(document))


def bind(kube: Kube, namespace: str, user: str, role: str, kind: str = "ClusterRole") -> None:
    """Give a user a role in a namespace."""
    binding: Object = {
        "apiVersion": f"{RBAC}/v1",
        "kind": "RoleBinding",
        "metadata": {"name": f"{user.replace('@', '-').replace(':', '-')}-{role}"},
        "roleRef": {"apiGroup": RBAC, "kind": kind, "name": role},
        "subjects": [{"apiGroup": RBAC, "kind": "User", "name": user}],
    }
    kube.apply(binding, namespace)


def a_role(kube: Kube, namespace: str, name: str, resources: list[str], verbs: list[str]) -> None:
    """Make a role over some of our kinds."""
    rule: Object = {"apiGroups": ["autoglm.io"], "resources": resources, "verbs": verbs}
    role: Object = {
        "apiVersion": f"{RBAC}/v1",
        "kind": "Role",
        "metadata": {"name": name},
        "rules": [rule],
    }
    kube.apply(role, namespace)


def _approve(kube: Kube, name: str, pem: bytes) -> None:
    made = kube.create(
        {
            "apiVersion": "certificates.k8s.io/v1",
            "kind": "CertificateSigningRequest",
            "metadata": {"name": name},
            "spec": {
                "request": base64.b64encode(pem).decode(),
                "signerName": "kubernetes.io/kube-apiserver-client",
                "usages": ["client auth"],
            },
        }
    )
    word = {"type": "Approved", "status": "True", "reason": "Test", "message": "A test asked."}
    made["status"] = {"conditions": [word]}
    path = kube.resource("CertificateSigningRequest").path(None, name, "approval")
    kube.call("PUT", path, made)
