"""Which names are rubbish and which folders are never entered. Pure: looks at nothing but names.

A file is old rubbish only if its name says that something else has taken its place: rotated logs
and archived journals. An active log, whatever its age, is not.
"""

import re
from typing import Final

from autoglm_api.healingladder import Rubbish

Path = tuple[str, ...]
"""Names of folders below the one that is mounted."""

_COMPRESSED: Final = r"(?:\.(?:gz|xz|bz2|zst|lz4|Z))"
_DATE: Final = r"(?:[.-]\d{4}-?\d{2}-?\d{2}(?:[-T.]?\d{2,10})?)"
_LOG_NAMES: Final = (
    "boot|cron|daemon|debug|dmesg|kern|mail|maillog|messages|secure|spooler|syslog|user"
)
_LOG: Final = rf"(?:.*(?:log|\.err|\.out)|.*[-_.](?:access|error)|{_LOG_NAMES})"

_ROTATED: Final = tuple(
    re.compile(form)
    for form in (
        # logrotate: NAME.1, NAME.2.gz, NAME-20240131, NAME-20240131.xz; and NAME.old
        rf"{_LOG}(?:\.\d{{1,4}}|{_DATE}|\.old){_COMPRESSED}?",
        # Java and others: NAME.2024-01-31.log, NAME-20240131.1.log.gz
        rf".+{_DATE}(?:\.\d{{1,4}})?\.(?:log|err|out){_COMPRESSED}?",
        # Compressed without a number
        rf"{_LOG}{_COMPRESSED}",
    )
)
_ARCHIVED: Final = re.compile(r"[A-Za-z0-9_.:-]+@[0-9a-f]+-[0-9a-f]+(?:-[0-9a-f]+)?\.journal~?")
"""Source: journal_file_archive and journal_file_dispose in systemd; the active file has no @."""
_JOURNAL_FOLDER: Final = re.compile(r"[0-9a-f]{32}(?:\.[A-Za-z0-9_-]{1,63})?")
"""Source: sd-journal(3): the machine id, and a namespace."""

JOURNAL: Final = "journal"
_NOT_OURS: Final = frozenset({JOURNAL, "pods", "containers"})
"""In the node's log folder: the journal is a sort of its own, the rest is the kubelet's."""
_AUDIT: Final = "audit"
_PRIVATE: Final = ("systemd-private-", "snap-private-", "snap.", "kubelet", "containerd", "crio")
"""Temporary folders that services hold for themselves."""


def may_enter(rubbish: Rubbish, path: Path) -> bool:
    """Whether a folder may be looked into for this sort of rubbish."""
    name = path[-1]
    if rubbish is Rubbish.LOGS:
        # Audit trails are kept for as long as their owner says, however full a disk is.
        return not (len(path) == 1 and name in _NOT_OURS) and not name.startswith(_AUDIT)
    if rubbish is Rubbish.JOURNAL:
        return len(path) == 1 and _JOURNAL_FOLDER.fullmatch(name) is not None
    return not (len(path) == 1 and name.startswith(_PRIVATE))


def is_rubbish(rubbish: Rubbish, name: str) -> bool:
    """Whether a file of this name is rubbish once it is old and large enough."""
    if rubbish is Rubbish.LOGS:
        return not name.startswith(_AUDIT) and any(form.fullmatch(name) for form in _ROTATED)
    if rubbish is Rubbish.JOURNAL:
        return _ARCHIVED.fullmatch(name) is not None
    return rubbish is Rubbish.TEMPORARY_FILES
