"""What the recording proxy understands of a request: verb, object, whether it destroys.

Exists so that tests count writes in Kubernetes' own words. Pure: never touches a connection.
"""

import contextlib
import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, cast

READS = frozenset({"get", "list", "watch"})
REVIEWS = frozenset(
    {
        "tokenreviews",
        "subjectaccessreviews",
        "localsubjectaccessreviews",
        "selfsubjectaccessreviews",
        "selfsubjectrulesreviews",
        "selfsubjectreviews",
    }
)
"""Created like objects, stored nowhere: questions, not writes."""

BACKGROUND = frozenset({"leases", "events"})
"""Written at times that no scenario decides, so left out unless a test asks for them."""

NAMESPACE_SUBRESOURCES = frozenset({"status", "finalize"})
"""Source: RequestInfoFactory of k8s.io/apiserver, which tells a namespace from what is in it."""


@dataclass(frozen=True)
class Call:
    """One request of the API, as RBAC sees it."""

    verb: str
    group: str = ""
    resource: str = ""
    namespace: str = ""
    name: str = ""
    subresource: str = ""
    path: str = ""
    dry_run: bool = False

    @property
    def writes(self) -> bool:
        """Whether the request may change what is stored."""
        return (
            bool(self.resource)
            and self.verb not in READS
            and self.resource not in REVIEWS
            and not self.dry_run
        )

    @property
    def destroys(self) -> bool:
        """Whether the request takes away something that runs or is stored."""
        return self.writes and (
            self.verb in {"delete", "deletecollection"} or self.subresource == "eviction"
        )

    def __str__(self) -> str:
        resource = "/".join(part for part in (self.resource, self.subresource) if part)
        target = "/".join(part for part in (self.namespace, self.name) if part)
        return f"{self.verb} {resource or self.path} {target}".rstrip()


@dataclass(frozen=True)
class Record:
    """One request and what became of it."""

    call: Call
    number: int
    """Counts the writes of the scenario from 1; 0 for everything else."""
    sent_hash: str
    """SHA-256 of the canonical JSON body: equal bodies, equal hashes."""
    caller: str
    """The User-Agent, because one proxy may serve several processes."""
    status: int | None
    """Of the reply of the API server; None when the request never reached it."""
    told: int | None
    """Status that the client was told; None when the reply was lost."""
    kind: str = ""
    name: str = ""
    """From the server's answer, so that generated names are known too."""
    uid: str = ""
    seconds: float = 0.0
    """When it came, since the scenario's start."""

    @property
    def applied(self) -> bool:
        """Whether the server carried the request out."""
        return self.status is not None and 200 <= self.status < 300


def parse(method: str, path: str, query: Mapping[str, str]) -> Call:
    """Read verb and object from a request line.

    Source: RequestInfoFactory of k8s.io/apiserver.
    """
    parts = [part for part in path.split("/") if part]
    root_length = {"api": 2, "apis": 3}.get(parts[0] if parts else "", 0)
    if not root_length or len(parts) <= root_length:
        return Call("get" if method == "GET" else method.lower(), path=path)
    group = parts[1] if parts[0] == "apis" else ""
    rest, namespace = parts[root_length:], ""
    if rest[0] == "namespaces" and len(rest) > 1:
        namespace = rest[1]
        if len(rest) > 2 and rest[2] not in NAMESPACE_SUBRESOURCES:
            rest = rest[2:]
    resource, name, subresource = [*rest, "", ""][:3]
    return Call(
        _verb(method, name, query),
        group,
        resource,
        namespace,
        name,
        subresource,
        path,
        dry_run=bool(query.get("dryRun")),
    )


def body_hash(body: bytes) -> str:
    """Return the hash of a body that does not depend on key order or spaces; "" for none."""
    if not body:
        return ""
    with contextlib.suppress(ValueError):  # Protobuf and YAML are hashed as they are.
        body = json.dumps(json.loads(body), sort_keys=True, separators=(",", ":")).encode()
    return hashlib.sha256(body).hexdigest()


def answered(body: bytes) -> tuple[str, str, str]:
    """Return kind, name and UID of the object that an answer speaks of, "" where it does not."""
    try:
        answer = cast("dict[str, Any]", json.loads(body))
        kind = str(answer.get("kind", ""))
        found = answer.get("details" if kind == "Status" else "metadata")
        about = cast("dict[str, Any]", found or {})
    except (ValueError, AttributeError):
        return "", "", ""
    return "" if kind == "Status" else kind, str(about.get("name", "")), str(about.get("uid", ""))


def destroyed(records: Iterable[Record]) -> Counter[str]:
    """Count the destructive requests that the server carried out, per object.

    An object is verb, place and UID: a second deletion of a successor of the same name is another
    object's, a second one of the same object is something done twice.
    """
    return Counter(
        f"{record.call}{f' {record.uid}' if record.uid else ''}"
        for record in records
        if record.call.destroys and record.applied
    )


def _verb(method: str, name: str, query: Mapping[str, str]) -> str:
    if method in {"GET", "HEAD"}:
        if query.get("watch") in {"true", "1"}:
            return "watch"
        return "get" if name else "list"
    if method == "DELETE":
        return "delete" if name else "deletecollection"
    return {"POST": "create", "PUT": "update", "PATCH": "patch"}.get(method, method.lower())
