"""`autoglm verify-artifact`: ends with 0 if the files are the right ones, and says why if not.

Its last words begin with the reason that the endpoint's status then shows.
"""

import contextlib
import logging
import sys
import time

from autoglm_api import logs, settings
from autoglm_api.conditions import Reason
from autoglm_dataplane.artifact.digest import UnreadableError, digest_of
from autoglm_dataplane.artifact.settings import ArtifactSettings

log = logging.getLogger(__name__)


def main() -> int:
    """Check once; 0 means right, 1 wrong or unreadable, 2 an environment that cannot be used."""
    try:
        told = settings.read(ArtifactSettings)
    except settings.SettingsError as error:
        print(error, file=sys.stderr, flush=True)  # noqa: T201 - what kubectl logs shows
        return 2
    logs.configure(told.log_level)
    found = verdict(told)
    if found is None:
        return 0
    log.error("files not accepted", extra={"why": found})
    with contextlib.suppress(OSError):
        told.termination_log.write_text(found, encoding="utf-8")
    return 1


def verdict(told: ArtifactSettings) -> str | None:
    """Why the files are not accepted, as reason and sentence; None if they are."""
    started = time.monotonic()
    try:
        found = digest_of(told.artifact_path, told.artifact_volume)
    except UnreadableError as error:
        return f"{Reason.ARTIFACT_UNREADABLE}: {error}"
    seconds = round(time.monotonic() - started, 1)
    log.info("files read", extra={"digest": found, "seconds": seconds})
    if found == told.artifact_digest:
        return None
    return (
        f"{Reason.DIGEST_MISMATCH}: The files are {found}, the endpoint's artifact says"
        f" {told.artifact_digest}: restore the files, or write the digest of those that you mean."
    )


if __name__ == "__main__":
    sys.exit(main())
