"""An API server of a few objects in memory, for unit tests of what writes them.

It keeps versions as the real one does, so that a write on an old version is refused, and can break
any one of its writes. Never used where a real one can be had.
"""

import copy
from dataclasses import dataclass, field
from typing import Any, cast

from autoglm_api.kinds import Kind
from autoglm_operator.clients import errors

Object = dict[str, Any]

LOST = errors.Unavailable(0, "TimeoutError", "No answer.")
NUMBERS = {
    "Deployment": ("spec", "replicas"),
    "AutoGLMCluster": ("spec", "executor", "replicas"),
}
"""Where the scale subresource of a kind keeps its number."""


@dataclass
class FakeObjects:
    """Objects by kind and name."""

    objects: dict[tuple[str, str], Object] = field(default_factory=dict[tuple[str, str], Object])
    writes: list[str] = field(default_factory=list[str])
    broken: dict[int, tuple[Exception, bool]] = field(
        default_factory=dict[int, tuple[Exception, bool]]
    )
    """Errors by the number of the write, and whether the write takes effect all the same."""

    def put(self, obj: Object) -> Object:
        """Keep an object as if somebody else had written it."""
        kept = copy.deepcopy(obj)
        kept["metadata"].setdefault("resourceVersion", "1")
        self.objects[kept["kind"], kept["metadata"]["name"]] = kept
        return kept

    async def get(self, kind: Kind, namespace: str | None, name: str) -> Object | None:
        """Read an object."""
        assert namespace
        return copy.deepcopy(self.objects.get((kind.kind, name)))

    async def list(
        self, kind: Kind, namespace: str | None = None, labels: str | None = None
    ) -> list[Object]:
        """Read all objects of a kind."""
        assert labels is None or namespace
        return [copy.deepcopy(obj) for (name, _), obj in self.objects.items() if name == kind.kind]

    async def apply(self, obj: Object, *, manager: str, force: bool) -> Object:
        """Merge an object into the one of its name."""
        assert (manager, force) == ("autoglm-healer", True)
        return self._write(f"apply {obj['kind']}", obj["kind"], obj["metadata"]["name"], obj)

    async def patch(
        self,
        kind: Kind,
        namespace: str | None,
        name: str,
        body: object,
        *,
        subresource: str | None = None,
        kind_of_patch: str = "merge",
    ) -> Object:
        """Merge a body into an object; into its number of pods for subresource scale."""
        assert namespace
        assert kind_of_patch == "merge"
        what = cast("Object", body)
        if subresource == "scale":
            number = what.pop("spec")["replicas"]
            for key in reversed(NUMBERS[kind.kind]):
                number = {key: number}
            what |= number
        verb = f"{subresource or 'patch'} {kind.kind}"
        return self._write(verb, kind.kind, name, what)

    async def create(self, obj: Object, *, manager: str | None = None) -> Object:
        """Nothing here creates."""
        raise AssertionError(f"{obj['kind']} was created by {manager}")

    async def evict(
        self, namespace: str, name: str, *, uid: str, grace_seconds: int | None = None
    ) -> None:
        """Nothing here evicts."""
        raise AssertionError(f"{namespace}/{name} {uid} was evicted")

    def _write(self, verb: str, kind: str, name: str, body: Object) -> Object:
        self.writes.append(verb)
        error, applied = self.broken.pop(len(self.writes), (None, True))
        if error is not None and not applied:
            raise error
        live = self.objects.get((kind, name))
        if live is None:
            raise errors.NotFound(404, "NotFound", f"{name} does not exist.")
        sent = body.get("metadata", {})
        for key in ("resourceVersion", "uid"):
            if key in sent and sent[key] != live["metadata"][key]:
                raise errors.Conflict(409, "Conflict", "The object has been modified.")
        _merge(live, body)
        live["metadata"]["resourceVersion"] = str(int(live["metadata"]["resourceVersion"]) + 1)
        if error is not None:
            raise error
        return copy.deepcopy(live)


def _merge(live: Object, body: Object) -> None:
    """Source: RFC 7396, except that the version is not taken over."""
    for key, value in body.items():
        if key == "resourceVersion":
            continue
        if value is None:
            live.pop(key, None)
        elif isinstance(value, dict):
            old = live.get(key)
            live[key] = cast("Object", old) if isinstance(old, dict) else {}
            _merge(live[key], cast("Object", value))
        else:
            live[key] = value
