import pytest

from images.pythonparts import for_target, platforms, target

LOCK = """\
# This file was made by a tool
anyio==4.16.0 \\
    --hash=sha256:aaaa \\
    --hash=sha256:bbbb
    # via httpx
tomli==2.0.0 ; python_full_version < '3.11' \\
    --hash=sha256:cccc
uvloop==0.22 ; sys_platform != 'win32' \\
    --hash=sha256:dddd
"""


def test_lines_of_the_lock_that_hold_are_kept_with_all_hashes() -> None:
    assert for_target(LOCK, target("3.13.5", "x86_64")).splitlines() == [
        "anyio==4.16.0 --hash=sha256:aaaa --hash=sha256:bbbb",
        "uvloop==0.22 --hash=sha256:dddd",
    ]


def test_markers_are_judged_by_the_python_of_the_image() -> None:
    assert "tomli" in for_target(LOCK, target("3.10.9", "x86_64"))


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_wheels_for_every_c_library_up_to_the_image_s_are_accepted(machine: str) -> None:
    found = platforms("2.41-12+deb13u4", machine)
    assert found[0] == f"manylinux_2_41_{machine}"
    assert f"manylinux_2_28_{machine}" in found
    assert found[-2:] == [f"manylinux_2_17_{machine}", f"manylinux2014_{machine}"]
    assert not any("2_42" in tag for tag in found)
