"""Only a name that says that something else has taken its place is rubbish."""

import pytest

from autoglm_api.healingladder import Rubbish
from autoglm_dataplane.cleaner.rubbish import is_rubbish, may_enter

MACHINE = "0123456789abcdef0123456789abcdef"


@pytest.mark.parametrize(
    "name",
    [
        "syslog.1",
        "syslog.2.gz",
        "messages-20260101",
        "messages-20260101.xz",
        "app.log.1",
        "app.log.17.zst",
        "app.log.gz",
        "app.log-20260101-1767225600.gz",
        "nginx.access.1",
        "my-error.3.bz2",
        "daemon.err.old",
        "Xorg.0.log.old",
        "catalina.2026-01-31.log",
        "gc-20260131.1.log.gz",
        "dmesg.0",
    ],
)
def test_a_rotated_log_is_rubbish(name: str) -> None:
    assert is_rubbish(Rubbish.LOGS, name)


@pytest.mark.parametrize(
    "name",
    [
        "syslog",
        "app.log",
        "orders.db",
        "orders.db.1",
        "orders.db-20260101",
        "backup.tar.gz",
        "dump.1",
        "catalog",
        "changelog.txt",
        "app.log.12345",
        "app.log.1\n",
        "app.log.1 ",
        "app.log.1/x",
        "audit.log.1",
        "audit-2026-01-31.log",
        "logs",
        ".1",
        "",
        "wtmp.1",
    ],
)
def test_anything_else_among_logs_is_not(name: str) -> None:
    assert not is_rubbish(Rubbish.LOGS, name)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (f"system@{MACHINE}-0000000000000001-000600a1b2c3d4e5.journal", True),
        (f"user-1000@{MACHINE}-0000000000000001-000600a1b2c3d4e5.journal", True),
        ("system@000600a1b2c3d4e5-f1e2d3c4b5a69788.journal~", True),
        ("system.journal", False),
        ("user-1000.journal", False),
        ("system@.journal", False),
        ("fss", False),
    ],
)
def test_only_archived_journals_are_rubbish(name: str, *, expected: bool) -> None:
    assert is_rubbish(Rubbish.JOURNAL, name) is expected


def test_any_temporary_file_may_be_rubbish_and_no_file_stands_for_an_image() -> None:
    assert is_rubbish(Rubbish.TEMPORARY_FILES, "anything")
    assert not is_rubbish(Rubbish.IMAGES, "app.log.1")


@pytest.mark.parametrize(
    ("sort", "path", "expected"),
    [
        (Rubbish.LOGS, ("nginx",), True),
        (Rubbish.LOGS, ("pods",), False),
        (Rubbish.LOGS, ("containers",), False),
        (Rubbish.LOGS, ("journal",), False),
        (Rubbish.LOGS, ("audit",), False),
        (Rubbish.LOGS, ("kubernetes", "audit"), False),
        (Rubbish.LOGS, ("app", "pods"), True),
        (Rubbish.JOURNAL, (MACHINE,), True),
        (Rubbish.JOURNAL, (f"{MACHINE}.space",), True),
        (Rubbish.JOURNAL, ("remote",), False),
        (Rubbish.JOURNAL, (MACHINE, "inner"), False),
        (Rubbish.TEMPORARY_FILES, ("build",), True),
        (Rubbish.TEMPORARY_FILES, ("systemd-private-1-chrony",), False),
    ],
)
def test_some_folders_are_never_entered(
    sort: Rubbish, path: tuple[str, ...], *, expected: bool
) -> None:
    assert may_enter(sort, path) is expected
