"""What is remembered of a cluster, and that only one at a time changes it."""

from pathlib import Path

import pytest

from testcluster import record
from testcluster.errors import ClusterError
from testcluster.record import Record
from testcluster.settings import Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A cluster in an empty place."""
    return Settings(name="blue", state_root=tmp_path / "state")


def test_knows_nothing_of_a_cluster_that_is_not_up(settings: Settings) -> None:
    assert record.read(settings) is None


def test_reads_what_it_wrote(settings: Settings) -> None:
    written = Record("embedded", 2, ("metrics",)).finished()
    record.write(settings, written)
    assert record.read(settings) == written
    assert written.complete


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"provider": "embedded"}'])
def test_takes_an_unreadable_record_for_an_unfinished_cluster(
    settings: Settings, text: str
) -> None:
    settings.directory.mkdir(parents=True)
    (settings.directory / record.FILE).write_text(text)
    known = record.read(settings)
    assert known is not None
    assert not known.complete


def test_the_second_to_change_a_cluster_is_told_who_is_first(settings: Settings) -> None:
    with (
        record.locked(settings),
        pytest.raises(ClusterError, match=r"process \d+ is changing the cluster 'blue'"),
        record.locked(settings),
    ):
        pass


def test_the_lock_is_free_afterwards(settings: Settings) -> None:
    for _ in range(2):
        with record.locked(settings):
            pass


def test_a_removed_lock_protects_nobody(settings: Settings) -> None:
    with record.locked(settings):
        record.remove_lock(settings)
        assert not settings.lock_file.exists()
    with (
        record.locked(settings),
        pytest.raises(ClusterError, match="is changing"),
        record.locked(settings),
    ):
        pass


def test_clusters_of_other_names_are_not_locked(settings: Settings) -> None:
    other = Settings(name="green", state_root=settings.state_root)
    with record.locked(settings), record.locked(other):
        pass


def test_a_place_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    settings = Settings(state_root=tmp_path / "file" / "state")
    with pytest.raises(ClusterError, match="AUTOGLM_CLUSTER_STATE"), record.locked(settings):
        pass
