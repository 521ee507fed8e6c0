import pytest

from images.versions import Range, numbers, upstream


@pytest.mark.parametrize(
    ("version", "number"),
    [
        ("3.2.26-1", (3, 2, 26)),
        ("1:3.2.0-1~bpo13+1", (3, 2, 0)),
        ("9.1.2+dfsg1-3", (9, 1, 2)),
        ("3.5.3+ds1-6", (3, 5, 3)),
        ("20250419", (20250419,)),
        ("2:4.13+dfsg-a-b-1", (4, 13)),
    ],
)
def test_numbers_are_read_from_a_debian_version(version: str, number: tuple[int, ...]) -> None:
    assert numbers(upstream(version)) == number


@pytest.mark.parametrize("version", ["3.2.0-1", "3.2.26-1", "1:3.2.99-2"])
def test_range_holds_versions_from_its_lower_end_on(version: str) -> None:
    assert Range("3.2", "3.3").holds(version)


@pytest.mark.parametrize("version", ["3.1.9-1", "3.3.0-1", "3.3~rc1-1", "3.10.0-1", "nonsense"])
def test_range_does_not_hold_others(version: str) -> None:
    assert not Range("3.2", "3.3").holds(version)


def test_range_reads_as_a_requirement() -> None:
    assert str(Range("3.2", "3.3")) == ">=3.2,<3.3"
