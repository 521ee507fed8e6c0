"""Reads nodes, and finds the node or pod that an address means.

All of it is read live. It never writes, and never judges what it finds.
"""

from typing import Protocol

from autoglm_api import kinds
from autoglm_api.kinds import Kind
from autoglm_operator.decisions import nodes
from autoglm_operator.decisions.reading import Manifest, name_of


class NodeReader(Protocol):
    """The list of the API client."""

    async def list(
        self, kind: Kind, namespace: str | None = None, labels: str | None = None
    ) -> list[Manifest]:
        """Read all objects of a kind that carry these labels."""
        ...


async def find_node(kube: NodeReader, text: str) -> Manifest | str:
    """The only node with this name or address, or a sentence that there is none or several."""
    found = nodes.named_nodes(await kube.list(kinds.NODE), text)
    return found[0] if len(found) == 1 else _not_one("node", "name or address", text, found)


async def find_pod(kube: NodeReader, namespace: str, text: str) -> Manifest | str:
    """The only pod of a namespace with this address, or a sentence that there is not just one."""
    found = nodes.addressed_pods(await kube.list(kinds.POD, namespace), text)
    if len(found) == 1:
        return found[0]
    where = f"pod in namespace {namespace}"
    return _not_one(where, "address of its own", text, found)


def _not_one(what: str, by: str, text: str, found: list[Manifest]) -> str:
    if not found:
        return f"The alert names {text}, but no {what} has that {by}."
    several = ", ".join(sorted(name_of(each) for each in found))
    return f"The alert names {text}, but more than one {what} has that {by}: {several}."
