"""Our whole use of the Kubernetes API: plain dicts over the library's low-level client.

Every call has a time limit of its own, waits for a free slot, is counted, and fails with a class
of `clients.errors`. Nothing is ever repeated here: the work queue repeats, after looking again.
Never watches (Kopf does) and never logs a body.
"""

from __future__ import annotations

import asyncio
import json
import re
import ssl
import time
from typing import TYPE_CHECKING, Any, Protocol, cast

import aiohttp

from autoglm_api import kinds
from autoglm_operator.clients import errors

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Mapping

    from autoglm_api.kinds import Kind
    from autoglm_operator.clients.lowlevel import Api, LowLevel, Query

PATCH_TYPES = {
    "apply": "application/apply-patch+yaml",
    "merge": "application/merge-patch+json",
    "json": "application/json-patch+json",
}
Objects = list[dict[str, Any]]
# Source: the page size that Kopf and client-go use for large lists.
LIST_CHUNK = 500


class CallMetrics(Protocol):
    """What the client reports about each call."""

    def observe_call(self, verb: str, kind: str, code: str, seconds: float) -> None:
        """Count one call and its duration; code is `0` when there was no answer."""
        ...


class KubeClient:
    """Get, list and write objects of any kind, as dicts.

    Args:
        api: The logged-in low-level client, see `clients.lowlevel.connect`.
        timeout: Limit of one call in seconds, waiting for a slot not included.
        concurrency: Calls under way at once.
        metrics: Where calls are counted.
        may_write: Asked before every write; `errors.NotLeader` is raised when it says no.
    """

    def __init__(
        self,
        api: Api,
        *,
        timeout: float = 10.0,
        concurrency: int = 16,
        metrics: CallMetrics | None = None,
        may_write: Callable[[], bool] | None = None,
    ) -> None:
        self._api = cast("LowLevel", api)
        self._timeout = timeout
        self._slots = asyncio.Semaphore(concurrency)
        self._metrics = metrics
        self._may_write = may_write

    async def close(self) -> None:
        """Close the pooled connections."""
        await self._api.close()

    async def get(self, kind: Kind, namespace: str | None, name: str) -> dict[str, Any] | None:
        """Read one object live; None if it does not exist."""
        try:
            return await self._call("get", kind, path(kind, namespace, name))
        except errors.NotFound:
            return None

    async def list(
        self, kind: Kind, namespace: str | None = None, labels: str | None = None
    ) -> Objects:
        """Read all objects of a kind in pages; apiVersion and kind are filled in.

        Args:
            kind: What to list.
            namespace: Where; everywhere if None.
            labels: A label selector in its text form.
        """
        return [each async for page in self.pages(kind, namespace, labels) for each in page]

    async def pages(
        self, kind: Kind, namespace: str | None = None, labels: str | None = None
    ) -> AsyncGenerator[Objects]:
        """Read as `list` does, one page at a time, for whoever need not hold all at once."""
        named = {"apiVersion": kind.api_version, "kind": kind.kind}
        token = ""
        while True:
            query = [("limit", str(LIST_CHUNK))]
            query += [("labelSelector", labels)] if labels else []
            query += [("continue", token)] if token else []
            page = await self._call("list", kind, path(kind, namespace), query=query)
            listed = cast("Objects", page.get("items") or [])
            token = page.get("metadata", {}).get("continue") or ""
            del page
            yield [{**named, **item} for item in listed]
            if not token:
                return

    async def create(self, obj: dict[str, Any], *, manager: str | None = None) -> dict[str, Any]:
        """Create an object; `errors.Conflict` if the name is taken."""
        kind = kinds.kind_of(obj)
        query = [("fieldManager", manager)] if manager else []
        return await self._call(
            "create", kind, path(kind, obj["metadata"].get("namespace")), query=query, body=obj
        )

    async def apply(self, obj: dict[str, Any], *, manager: str, force: bool) -> dict[str, Any]:
        """Server-side apply.

        Args:
            obj: The fields this manager wants; with `metadata.uid`, only that very object.
            manager: Field manager.
            force: Take fields over from other managers instead of failing with Conflict.
        """
        applied, _ = await self.apply_first(obj, manager=manager, force=force)
        return applied

    async def apply_first(
        self, obj: dict[str, Any], *, manager: str, force: bool = False
    ) -> tuple[dict[str, Any], bool]:
        """Server-side apply that also tells whether the object was made by this very call."""
        status, applied = await self._patch_call("apply", obj, manager=manager, force=force)
        return applied, status == 201  # noqa: PLR2004 - HTTP Created

    async def apply_status(self, obj: dict[str, Any], *, manager: str) -> dict[str, Any]:
        """Server-side apply of the status subresource, with force: status has one writer."""
        _, applied = await self._patch_call(
            "apply", obj, manager=manager, force=True, subresource="status"
        )
        return applied

    async def patch(  # noqa: PLR0913 - one argument per part of the request
        self,
        kind: Kind,
        namespace: str | None,
        name: str,
        body: object,
        *,
        subresource: str | None = None,
        kind_of_patch: str = "merge",
        dry_run: bool = False,
    ) -> dict[str, Any]:
        """Merge-patch or JSON-patch an object or one of its subresources; a dry run only asks."""
        return await self._call(
            "patch",
            kind,
            path(kind, namespace, name, subresource),
            query=[("dryRun", "All")] if dry_run else None,
            body=body,
            content_type=PATCH_TYPES[kind_of_patch],
        )

    async def delete(
        self,
        kind: Kind,
        namespace: str | None,
        name: str,
        *,
        uid: str,
        resource_version: str | None = None,
        propagation: str = "Background",
    ) -> None:
        """Delete exactly the object with this UID (and version); absent already is success.

        Raises:
            errors.Conflict: Another object has the name now, or the object changed.
        """
        preconditions = {"uid": uid}
        if resource_version is not None:
            preconditions["resourceVersion"] = resource_version
        options = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "preconditions": preconditions,
            "propagationPolicy": propagation,
        }
        try:
            await self._call("delete", kind, path(kind, namespace, name), body=options)
        except errors.NotFound:
            return

    async def evict(
        self, namespace: str, name: str, *, uid: str, grace_seconds: int | None = None
    ) -> None:
        """Evict exactly the pod with this UID, so that disruption budgets hold.

        Args:
            namespace: Where.
            name: The pod.
            uid: Its UID; another pod of its name is left alone.
            grace_seconds: Time that it gets to end; None for what it asks for itself.

        Raises:
            errors.TooManyRequests: A budget does not allow it now.
            errors.NotFound: The pod is gone already.
        """
        options: dict[str, Any] = {"preconditions": {"uid": uid}}
        if grace_seconds is not None:
            options["gracePeriodSeconds"] = grace_seconds
        body = {
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"name": name, "namespace": namespace},
            "deleteOptions": options,
        }
        await self._call(
            "create", kinds.POD, path(kinds.POD, namespace, name, "eviction"), body=body
        )

    async def last_words(
        self, namespace: str, pod: str, container: str, *, previous: bool, limit_bytes: int
    ) -> str:
        """The end of what a container wrote, or its predecessor in the same pod.

        Args:
            namespace: Where.
            pod: The pod.
            container: Its container.
            previous: Whether the predecessor is meant.
            limit_bytes: How much of the last hundred lines is kept, from their end.
        """
        query = [("container", container), ("tailLines", "100"), ("limitBytes", str(LOG_BYTES))]
        query += [("previous", "true")] if previous else []
        data = await self._raw("log", kinds.POD, path(kinds.POD, namespace, pod, "log"), query)
        return data[-limit_bytes:].decode("utf-8", "replace")

    async def review(self, obj: dict[str, Any]) -> dict[str, Any]:
        """Ask the API server about a token or a right (TokenReview, SubjectAccessReview)."""
        kind = kinds.kind_of(obj)
        return await self._call("review", kind, path(kind, None), body=obj)

    async def _patch_call(
        self,
        verb: str,
        obj: dict[str, Any],
        *,
        manager: str,
        force: bool,
        subresource: str | None = None,
    ) -> tuple[int, dict[str, Any]]:
        kind, meta = kinds.kind_of(obj), obj["metadata"]
        return await self._request(
            verb,
            kind,
            path(kind, meta.get("namespace"), meta["name"], subresource),
            query=[("fieldManager", manager), ("force", "true" if force else "false")],
            body=obj,
            content_type=PATCH_TYPES["apply"],
        )

    async def _call(
        self,
        verb: str,
        kind: Kind,
        where: str,
        *,
        query: Query | None = None,
        body: object = None,
        content_type: str = "application/json",
    ) -> dict[str, Any]:
        _, answer = await self._request(
            verb, kind, where, query=query, body=body, content_type=content_type
        )
        return answer

    async def _request(
        self,
        verb: str,
        kind: Kind,
        where: str,
        *,
        query: Query | None = None,
        body: object = None,
        content_type: str = "application/json",
    ) -> tuple[int, dict[str, Any]]:
        code, data, headers = await self._send(
            verb, kind, where, query=query, body=body, content_type=content_type
        )
        return _answer(code, data, headers)

    async def _raw(self, verb: str, kind: Kind, where: str, query: Query) -> bytes:
        code, data, headers = await self._send(verb, kind, where, query=query)
        if code >= 400:  # noqa: PLR2004 - HTTP: everything below is not a refusal
            _answer(code, data, headers)
        return data

    async def _send(
        self,
        verb: str,
        kind: Kind,
        where: str,
        *,
        query: Query | None = None,
        body: object = None,
        content_type: str = "application/json",
    ) -> tuple[int, bytes, Mapping[str, str]]:
        async with self._slots:
            if verb not in READS and self._may_write is not None and not self._may_write():
                raise errors.NotLeader(f"{verb} of {kind.kind} after the Lease was lost")
            started = time.monotonic()
            code = 0
            try:
                async with asyncio.timeout(self._timeout):
                    prepared = await self._api.param_serialize(
                        METHODS[verb],
                        where,
                        query_params=query or [],
                        header_params={"Accept": "application/json", "Content-Type": content_type},
                        body=body,
                        auth_settings=["BearerToken"],
                    )
                    response = await self._api.call_api(*prepared, _request_timeout=self._timeout)
                    code = response.status
                    data = await response.read()
            except (TimeoutError, OSError, aiohttp.ClientError, ssl.SSLError) as error:
                code = 0
                raise errors.Unavailable(0, type(error).__name__, str(error) or where) from error
            finally:
                if self._metrics is not None:
                    elapsed = time.monotonic() - started
                    self._metrics.observe_call(verb, kind.kind, str(code), elapsed)
        return code, data, response.headers


_NAME = re.compile(r"(?!\.{1,2}$)[-._:A-Za-z0-9]+")
"""Source: path.IsValidPathSegmentName of k8s.io/apimachinery, without what a URL would change."""
LOG_BYTES = 64 * 1024
"""Most that is asked of a log. Arbitrary, because a hundred lines are rarely more."""
READS = frozenset({"get", "list", "log", "review"})
METHODS = {
    "get": "GET",
    "list": "GET",
    "log": "GET",
    "create": "POST",
    "review": "POST",
    "apply": "PATCH",
    "patch": "PATCH",
    "delete": "DELETE",
}


def path(
    kind: Kind, namespace: str | None, name: str | None = None, subresource: str | None = None
) -> str:
    """Where the API server keeps an object or a list.

    Names come from labels of alerts as well, so that a sender chooses them.

    Raises:
        errors.NotFound: the name would mean something else in a URL, so nothing has it.
    """
    for each in (namespace, name):
        if each and not _NAME.fullmatch(each):
            raise errors.NotFound(404, "NotFound", f"No object can have the name {each[:63]!r}.")
    parts = ["/apis", kind.group, kind.version] if kind.group else ["/api", kind.version]
    if kind.namespaced and namespace:
        parts += ["namespaces", namespace]
    parts += [kind.plural, *(part for part in (name, subresource) if part)]
    return "/".join(parts)


def _answer(status: int, data: bytes, headers: Mapping[str, str]) -> tuple[int, dict[str, Any]]:
    try:
        parsed: object = json.loads(data) if data else {}
    except ValueError:
        parsed = {"reason": "NotJSON", "message": data[:200].decode("utf-8", "replace")}
    answer = cast("dict[str, Any]", parsed) if isinstance(parsed, dict) else {}
    if status < 400:  # noqa: PLR2004 - HTTP: everything below is not a refusal
        return status, answer
    retry_after = headers.get("Retry-After", "")
    raise errors.refusal(
        status,
        str(answer.get("reason") or "Unknown"),
        str(answer.get("message") or "The API server gave no reason."),
        retry_after=float(retry_after) if retry_after.isdigit() else None,
    )
