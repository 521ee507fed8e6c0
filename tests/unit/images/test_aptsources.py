import pytest

from buildcache.failures import BuildError
from images import aptsources
from images.aptsources import Archives, Source, parse, passed_on, pick

DEB822 = """\
# the main archive
Types: deb deb-src
URIs: http://archive.example/debian
Suites: bookworm
 bookworm-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://archive.example/debian-security
Suites: bookworm-security
Components: main

Types: deb-src
URIs: http://sources.example/debian
Suites: bookworm

Types: deb
Enabled: no
URIs: http://off.example/debian
Suites: bookworm
"""

ONE_LINE = """\
# deb http://commented.example/debian bookworm main
deb [arch=amd64 signed-by=/k.gpg] http://archive.example/debian bookworm main contrib
deb-src http://archive.example/debian bookworm main
deb http://archive.example/debian-security bookworm-security main # updates
"""


def test_deb822_gives_enabled_sources_of_binary_packages() -> None:
    assert parse("debian.sources", DEB822) == [
        Source("http://archive.example/debian", ("bookworm", "bookworm-updates")),
        Source("http://archive.example/debian-security", ("bookworm-security",)),
    ]


def test_one_line_form_gives_the_same() -> None:
    assert parse("sources.list", ONE_LINE) == [
        Source("http://archive.example/debian", ("bookworm",)),
        Source("http://archive.example/debian-security", ("bookworm-security",)),
    ]


def test_main_archive_is_told_from_that_of_security_updates() -> None:
    found = pick(reversed(parse("debian.sources", DEB822)))
    assert found == Archives(
        "http://archive.example/debian", "http://archive.example/debian-security"
    )


@pytest.mark.parametrize(
    "source",
    [
        Source("http://archive.example/ubuntu", ("noble",)),
        Source("http://archive.example/debian", ("bookworm-backports",)),
        Source("http://archive.example/debian-security", ("bookworm-security",)),
    ],
)
def test_other_archives_are_not_taken_for_the_main_one(source: Source) -> None:
    assert pick([source]) is None


def test_stable_suite_takes_its_updates() -> None:
    archives = Archives("http://a/debian", "http://a/debian-security")
    assert archives.lines("trixie", updates=True) == [
        "deb http://a/debian trixie main",
        "deb http://a/debian trixie-updates main",
        "deb http://a/debian-security trixie-security main",
    ]


def test_testing_suite_stands_alone() -> None:
    archives = Archives("http://a/debian", "http://a/debian-security")
    assert archives.lines("forky", updates=False) == ["deb http://a/debian forky main"]


def test_archive_named_in_the_environment_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTOGLM_DEBIAN_ARCHIVE", "http://named.example/debian")
    assert aptsources.of_this_machine() == Archives("http://named.example/debian")


def test_machine_without_debian_archive_is_told_what_to_set(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    monkeypatch.delenv("AUTOGLM_DEBIAN_ARCHIVE", raising=False)
    monkeypatch.setattr(aptsources, "APT", tmp_path_factory.mktemp("apt"))
    with pytest.raises(BuildError, match="set AUTOGLM_DEBIAN_ARCHIVE"):
        aptsources.of_this_machine()


def test_only_settings_about_fetching_are_passed_on() -> None:
    dump = 'Acquire "";\nAcquire::Check-Valid-Until "false";\nDir "/";\nAcquire::Retries "3";\n'
    assert passed_on(dump) == ['Acquire::Check-Valid-Until "false"', 'Acquire::Retries "3"']
