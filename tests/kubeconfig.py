"""How tests reach an API server: reads and writes kubeconfig files.

Exists so that the test client and the recording proxy share one idea of an address and an
identity. Never talks to a server.
"""

import base64
import ssl
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import yaml

Object = dict[str, Any]
"""A Kubernetes object, or a part of one, as the API server speaks it."""


@dataclass(frozen=True)
class Access:
    """Address of an API server and, when given, who calls."""

    server: str
    ca: bytes | None = None
    certificate: bytes | None = None
    key: bytes | None = None
    token: str | None = None

    def tls(self, *, identified: bool = True) -> ssl.SSLContext | None:
        """Return the TLS settings of a client, without its certificate unless identified.

        The API server believes a client certificate before a token, so whoever passes on another
        caller's token must come without the certificate.
        """
        if not self.server.startswith("https:"):
            return None
        context = ssl.create_default_context(cadata=self.ca.decode() if self.ca else None)
        if identified and self.certificate and self.key:
            with tempfile.NamedTemporaryFile() as pair:
                # The ssl module takes certificates from files only.
                pair.write(self.certificate + b"\n" + self.key)
                pair.flush()
                context.load_cert_chain(pair.name)
        return context


def load(path: Path) -> Access:
    """Read the current context of a kubeconfig file."""
    document = cast("Object", yaml.safe_load(path.read_text()))
    context = _named(document, "contexts", document["current-context"])["context"]
    cluster = _named(document, "clusters", context["cluster"])["cluster"]
    user = _named(document, "users", context["user"])["user"]
    return Access(
        server=cluster["server"].rstrip("/"),
        ca=_content(cluster, "certificate-authority", path.parent),
        certificate=_content(user, "client-certificate", path.parent),
        key=_content(user, "client-key", path.parent),
        token=user.get("token"),
    )


def write(path: Path, access: Access) -> Path:
    """Write a kubeconfig file with one cluster, user and context, and return its path."""
    cluster: Object = {"server": access.server}
    user: Object = {}
    for target, field, content in (
        (cluster, "certificate-authority-data", access.ca),
        (user, "client-certificate-data", access.certificate),
        (user, "client-key-data", access.key),
    ):
        if content:
            target[field] = base64.b64encode(content).decode()
    if access.token:
        user["token"] = access.token
    name = "test"
    document: Object = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": name,
        "clusters": [{"name": name, "cluster": cluster}],
        "users": [{"name": name, "user": user}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
    }
    path.touch(mode=0o600)
    path.write_text(yaml.safe_dump(document))
    return path


def _named(document: Object, section: str, name: str) -> Object:
    return next(entry for entry in document[section] if entry["name"] == name)


def _content(entry: Object, field: str, folder: Path) -> bytes | None:
    if data := entry.get(f"{field}-data"):
        return base64.b64decode(str(data))
    if file := entry.get(field):
        return (folder / str(file)).read_bytes()
    return None
