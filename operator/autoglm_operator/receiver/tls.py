"""The webhook's certificate, from mounted files that are renewed under the running process.

New connections get the new certificate; those that are open keep theirs. Never makes one.
"""

import logging
import ssl
from pathlib import Path
from typing import Final

from autoglm_operator.runtime.clock import Clock

log = logging.getLogger(__name__)

LOOK_SECONDS: Final = 10.0
"""Time between two looks at the files. Arbitrary: a kubelet needs up to a minute to change them."""


class ServerCertificate:
    """A TLS context that follows ``tls.crt`` and ``tls.key`` in a directory."""

    def __init__(self, directory: Path) -> None:
        """Load the certificate.

        Raises:
            OSError: a file cannot be read, or is no certificate or key.
        """
        self._certificate = directory / "tls.crt"
        self._key = directory / "tls.key"
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        self._loaded = b""
        self.reload()

    def reload(self) -> bool:
        """Load the files if they changed; returns whether they had.

        Raises:
            OSError: a file cannot be read, or is no certificate or key.
        """
        found = self._certificate.read_bytes() + self._key.read_bytes()
        if found == self._loaded:
            return False
        self.context.load_cert_chain(self._certificate, self._key)
        self._loaded = found
        return True

    async def follow(self, clock: Clock) -> None:
        """Reload whenever the files change; a half-written pair is tried again."""
        while True:
            await clock.sleep(LOOK_SECONDS)
            try:
                if self.reload():
                    log.info("certificate renewed")
            except OSError as error:
                log.warning("certificate not reloaded", extra={"error": str(error)})
