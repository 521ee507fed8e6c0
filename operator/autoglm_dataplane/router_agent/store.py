"""Keeps the newest document that HAProxy took, and pinned addresses, over restarts of the agent.

Only what HAProxy accepted is written: after any crash the file is one that works. Also reads the
mounted Secret. This module never decides which document wins.
"""

import json
import logging
from collections.abc import Mapping
from pathlib import Path

from autoglm_api.routing import RoutingDocument, RoutingDocumentError, decode, encode
from autoglm_dataplane.router_agent import files

logger = logging.getLogger(__name__)

DOCUMENT = "routing.json"
PUSH_TOKEN = "push-token"  # noqa: S105 - a file name
PINS = "pins.json"


class Store:
    """The agent's own directory and the mounted Secret."""

    def __init__(self, state_dir: Path, secret_dir: Path) -> None:
        self._state = state_dir
        self._secret = secret_dir

    def kept(self) -> RoutingDocument | None:
        """The document that was in force last; None if there is none that can be used."""
        return _document(self._state / DOCUMENT)

    def mounted(self) -> RoutingDocument | None:
        """The document of the mounted Secret; None if there is none that can be used."""
        return _document(self._secret / DOCUMENT)

    def keep(self, document: RoutingDocument) -> None:
        """Remember a document that HAProxy took."""
        files.write(self._state / DOCUMENT, encode(document))

    def pins(self) -> dict[str, tuple[str, ...]]:
        """Addresses by host name, as they were resolved last."""
        try:
            found = json.loads((self._state / PINS).read_bytes())
            return {str(host): tuple(map(str, addresses)) for host, addresses in found.items()}
        except (OSError, ValueError, AttributeError, TypeError):
            return {}

    def keep_pins(self, pins: Mapping[str, tuple[str, ...]]) -> None:
        """Remember addresses, so that a restart while the name server is away changes nothing."""
        files.write(self._state / PINS, json.dumps(pins, sort_keys=True).encode())

    def push_tokens(self) -> tuple[bytes, ...]:
        """Tokens that may push: one per line, so that old and new can both be good for a while."""
        try:
            lines = (self._secret / PUSH_TOKEN).read_bytes().split()
        except OSError:
            return ()
        return tuple(lines)

    def certificate(self) -> tuple[Path, Path]:
        """Certificate chain and private key of the push API."""
        return self._secret / "tls.crt", self._secret / "tls.key"


def _document(path: Path) -> RoutingDocument | None:
    try:
        return decode(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, RoutingDocumentError) as error:
        logger.warning("document cannot be used", extra={"path": str(path), "reason": str(error)})
        return None
