"""A small blocking client of the API server for tests.

Exists so that a test reads and writes objects as plain dicts without the project's own client,
which is among the things under test. Every request has a connection of its own: a fault that
breaks one leaves nothing behind. Never retries and never caches objects.
"""

import http.client
import json
import urllib.parse
from dataclasses import dataclass
from typing import Any, Literal, cast

from kubeconfig import Access, Object

REQUEST_SECONDS = 15.0
"""Arbitrary, because it only has to be longer than a busy API server needs."""

DISCOVERY = "application/json;v=v2;g=apidiscovery.k8s.io;as=APIGroupDiscoveryList"

PATCHES = {
    "merge": "application/merge-patch+json",
    "json": "application/json-patch+json",
    "strategic": "application/strategic-merge-patch+json",
}


class KubeError(Exception):
    """The API server answered with an error."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(f"{status} {reason}: {message}")
        self.status = status
        self.reason = reason
        self.message = message


class KubeUnreachableError(Exception):
    """No answer came from the API server."""


@dataclass(frozen=True)
class Resource:
    """Where the objects of one kind live."""

    api_version: str
    plural: str
    namespaced: bool

    def path(self, namespace: str | None, name: str = "", subresource: str = "") -> str:
        """Return the path of a collection, an object or a subresource."""
        root = "/apis" if "/" in self.api_version else "/api"
        parts = [root, self.api_version]
        if self.namespaced and namespace:
            parts += ["namespaces", namespace]
        parts += [part for part in (self.plural, name, subresource) if part]
        return "/".join(parts)


class Kube:
    """Reads and writes objects of any kind that the server knows."""

    def __init__(self, access: Access) -> None:
        self.access = access
        self._tls = access.tls()
        self._kinds: dict[tuple[str, str], Resource] = {}

    def as_user(self, token: str) -> "Kube":
        """Return a client of the same server that comes with this token and nothing else."""
        return Kube(Access(self.access.server, ca=self.access.ca, token=token))

    def get(self, kind: str, name: str, namespace: str | None = None) -> Object | None:
        """Return the object, or None when there is none."""
        try:
            return self.call("GET", self.resource(kind).path(namespace, name))
        except KubeError as error:
            if error.status == http.client.NOT_FOUND:
                return None
            raise

    def list(self, kind: str, namespace: str | None = None, labels: str = "") -> list[Object]:
        """Return the objects of a kind, everywhere or in one namespace."""
        query = {"labelSelector": labels} if labels else {}
        found = self.call("GET", self.resource(kind).path(namespace), query=query)
        return cast("list[Object]", found["items"])

    def create(self, obj: Object, namespace: str | None = None, *, dry_run: bool = False) -> Object:
        """Create the object; unknown fields are refused."""
        query = {"fieldValidation": "Strict"} | ({"dryRun": "All"} if dry_run else {})
        path = self._resource_of(obj).path(self._namespace_of(obj, namespace))
        return self.call("POST", path, obj, query=query)

    def apply(self, obj: Object, namespace: str | None = None, *, manager: str = "tests") -> Object:
        """Apply the object on the server side; unknown fields are refused."""
        path = self._resource_of(obj).path(
            self._namespace_of(obj, namespace), obj["metadata"]["name"]
        )
        query = {"fieldManager": manager, "force": "true", "fieldValidation": "Strict"}
        return self.call("PATCH", path, obj, query=query, media="application/apply-patch+yaml")

    def patch(
        self,
        kind: str,
        name: str,
        namespace: str | None,
        body: Any,  # noqa: ANN401 - a merge patch is an object, a JSON patch a list
        *,
        subresource: str = "",
        kind_of_patch: Literal["merge", "json", "strategic"] = "merge",
    ) -> Object:
        """Patch an object or one of its subresources."""
        path = self.resource(kind).path(namespace, name, subresource)
        return self.call("PATCH", path, body, media=PATCHES[kind_of_patch])

    def delete(self, kind: str, name: str, namespace: str | None = None, uid: str = "") -> None:
        """Delete an object and, in the background, what it owns; an absent one is fine."""
        options: Object = {"propagationPolicy": "Background"}
        if uid:
            options["preconditions"] = {"uid": uid}
        try:
            self.call("DELETE", self.resource(kind).path(namespace, name), options)
        except KubeError as error:
            if error.status != http.client.NOT_FOUND:
                raise

    def logs(self, pod: str, namespace: str, *, previous: bool = False) -> str:
        """Return what the only container of a pod wrote, or its predecessor."""
        query = {"previous": "true"} if previous else {}
        path = self.resource("Pod").path(namespace, pod, "log")
        return self.raw("GET", path, query=query).decode()

    def resource(self, kind: str) -> Resource:
        """Find a kind by its name, or by "Name.group" where names collide.

        Raises:
            LookupError: the server does not serve this kind.
        """
        name, _, group = kind.partition(".")
        for _ in range(2):
            for (known_kind, api_version), resource in self._kinds.items():
                if known_kind == name and (not group or api_version.startswith(f"{group}/")):
                    return resource
            self._discover()
        raise LookupError(f"The API server serves no kind {kind}.")

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,  # noqa: ANN401 - whatever JSON can hold
        *,
        query: dict[str, str] | None = None,
        media: str = "application/json",
    ) -> Object:
        """Send one request with a JSON body and return the JSON answer."""
        answer = self.raw(method, path, body, query=query, media=media)
        return cast("Object", json.loads(answer))

    def raw(
        self,
        method: str,
        path: str,
        body: Any = None,  # noqa: ANN401 - whatever JSON can hold
        *,
        query: dict[str, str] | None = None,
        media: str = "application/json",
        accept: str = "application/json, */*",
    ) -> bytes:
        """Send one request and return the answer's bytes.

        Raises:
            KubeError: the server refused.
            KubeUnreachableError: the server did not answer.
        """
        headers = {"Accept": accept, "User-Agent": "autoglm-tests"}
        if self.access.token:
            headers["Authorization"] = f"Bearer {self.access.token}"
        if body is not None:
            headers["Content-Type"] = media
        target = f"{path}?{urllib.parse.urlencode(query)}" if query else path
        connection = self.connect()
        try:
            connection.request(method, target, None if body is None else json.dumps(body), headers)
            response = connection.getresponse()
            content = response.read()
        except (OSError, http.client.HTTPException) as error:
            raise KubeUnreachableError(f"{method} {path}: {error!r}") from error
        finally:
            connection.close()
        if response.status >= http.client.BAD_REQUEST:
            raise _error(response.status, content)
        return content

    def connect(self) -> http.client.HTTPConnection:
        """Return a connection that is not open yet, for what `call` cannot do."""
        address = urllib.parse.urlsplit(self.access.server)
        host = address.hostname or "localhost"
        if self._tls is None:
            return http.client.HTTPConnection(host, address.port, timeout=REQUEST_SECONDS)
        return http.client.HTTPSConnection(
            host, address.port, timeout=REQUEST_SECONDS, context=self._tls
        )

    def _discover(self) -> None:
        found: dict[tuple[str, str], Resource] = {}
        for root in ("/api", "/apis"):
            document = json.loads(self.raw("GET", root, accept=DISCOVERY))
            for group in document["items"]:
                for version in group["versions"]:
                    name = group["metadata"].get("name", "")
                    api_version = f"{name}/{version['version']}" if name else version["version"]
                    for entry in version.get("resources", []):
                        found[entry["responseKind"]["kind"], api_version] = Resource(
                            api_version, entry["resource"], entry["scope"] == "Namespaced"
                        )
        self._kinds = found

    def _resource_of(self, obj: Object) -> Resource:
        key = (obj["kind"], obj["apiVersion"])
        if key not in self._kinds:
            self._discover()
        if key not in self._kinds:
            raise LookupError(f"The API server serves no kind {key[0]} of {key[1]}.")
        return self._kinds[key]

    @staticmethod
    def _namespace_of(obj: Object, namespace: str | None) -> str | None:
        return cast("str | None", obj["metadata"].get("namespace", namespace))


def _error(status: int, content: bytes) -> KubeError:
    try:
        answer = json.loads(content)
        return KubeError(status, answer.get("reason", ""), answer.get("message", ""))
    except (ValueError, AttributeError):
        return KubeError(status, "", content[:500].decode(errors="replace"))
