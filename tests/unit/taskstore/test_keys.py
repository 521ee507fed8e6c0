"""Names in the store."""

from autoglm_dataplane.taskstore.keys import Keys


def test_every_key_begins_with_the_prefix() -> None:
    keys = Keys("team-a/demo:")
    named = [keys.runs, keys.executors, keys.feed, keys.run("r"), keys.results("r")]
    named += [keys.tasks("e"), keys.alive("e"), keys.repeat("key")]
    assert all(name.startswith("team-a/demo:") for name in named)
    assert len(set(named)) == len(named)


def test_a_run_is_found_by_its_journal() -> None:
    keys = Keys("x:")
    assert keys.run_id(keys.run("abc")) == "abc"


def test_an_idempotency_key_of_any_length_gives_a_short_name() -> None:
    assert len(Keys("").repeat("k" * 10_000)) < 100
