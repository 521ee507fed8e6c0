from pathlib import Path

import pytest

from buildcache.failures import BuildError
from images.building import recorded
from images.catalogue import CATALOGUE, Suite, chosen
from images.debian import explain
from images.roots import command_inside
from programs.catalogue import CATALOGUE as PROGRAMS


def test_versions_of_the_programs_it_is_made_for_are_recorded() -> None:
    found = recorded(CATALOGUE["haproxy"], {"haproxy": "3.2.26-1", "libc6": "2.43-7"})
    assert found == {"haproxy": "3.2.26-1"}


def test_version_out_of_range_stops_the_build_and_says_what_to_do() -> None:
    with pytest.raises(BuildError, match=r"haproxy 3.4.1-1.*tested with >=3.2,<3.3.*widen") as told:
        recorded(CATALOGUE["haproxy"], {"haproxy": "3.4.1-1"})
    assert "\n" not in str(told.value)


def test_program_without_a_version_records_none() -> None:
    assert recorded(CATALOGUE["pause"], {"pause": ""}) == {}


def test_unknown_image_is_refused_with_the_known_ones() -> None:
    with pytest.raises(BuildError, match="no image 'nginx'; choose from autoglm, haproxy"):
        chosen(["autoglm", "nginx"])


@pytest.mark.parametrize("name", CATALOGUE)
def test_every_recipe_names_known_programs_and_ranges_of_its_packages(name: str) -> None:
    recipe = CATALOGUE[name]
    assert not recipe.program or recipe.program in PROGRAMS
    assert set(recipe.accepted) <= set(recipe.packages)
    assert recipe.entrypoint or recipe.command


@pytest.mark.parametrize(
    ("log", "told"),
    [
        ("Err:1 http://a Could not resolve 'a'", "does not answer"),
        ("E: Release file for http://a is expired", "has expired"),
        ("dpkg: No space left on device", "disk is full"),
    ],
)
def test_packages_that_cannot_be_had_are_explained_in_one_sentence(log: str, told: str) -> None:
    sentence = explain(Suite.TESTING, ["haproxy"], log)
    assert told in sentence
    assert "\n" not in sentence


def test_other_failures_are_shown_without_the_chatter() -> None:
    told = explain(Suite.TESTING, ["haproxyyy"], "I: mode: root\nE: Unable to locate package\n")
    assert told.splitlines()[1:] == ["E: Unable to locate package"]


def test_command_inside_a_root_binds_before_it_starts() -> None:
    argv = command_inside(
        Path("/cache/root"),
        ["haproxy", "-f", "/etc/h a.cfg"],
        binds={Path("/srv/my cfg"): "/etc/haproxy"},
        environment={"A": "b c"},
        user="65532:65532",
    )
    *mounts, start = argv[-1].splitlines()
    assert argv[:2] == ["unshare", "--mount"]
    assert mounts[-1] == "mount --rbind '/srv/my cfg' /cache/root/etc/haproxy"
    assert start.startswith("exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 'A=b c' ")
    assert start.endswith("chroot --userspec=65532:65532 /cache/root haproxy -f '/etc/h a.cfg'")
