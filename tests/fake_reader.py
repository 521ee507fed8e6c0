"""An API server of a few objects, as what the healer reads from."""

from dataclasses import dataclass, field

from autoglm_api.kinds import Kind
from autoglm_operator.clients import errors
from autoglm_operator.decisions.reading import Manifest

DENIED = errors.Forbidden(403, "Forbidden", "no")


@dataclass
class FakeReader:
    """An API server with some objects, some of which may not be read."""

    objects: list[Manifest] = field(default_factory=list[Manifest])
    denied: tuple[Kind, ...] = ()
    lists: list[tuple[str, str | None]] = field(default_factory=list[tuple[str, str | None]])

    async def get(self, kind: Kind, namespace: str | None, name: str) -> Manifest | None:
        """Read one object."""
        assert namespace is None or kind.namespaced
        if kind in self.denied:
            raise DENIED
        found = (obj for obj in self.objects if (obj["kind"], name_of(obj)) == (kind.kind, name))
        return next(found, None)

    async def list(
        self, kind: Kind, namespace: str | None = None, labels: str | None = None
    ) -> list[Manifest]:
        """List every object of a kind in namespace team-a, and note how it was asked for."""
        assert namespace == ("team-a" if kind.namespaced else None)
        self.lists.append((kind.kind, labels))
        return [obj for obj in self.objects if obj["kind"] == kind.kind]


def name_of(obj: Manifest) -> str:
    """Name of an object."""
    return str(obj["metadata"]["name"])
