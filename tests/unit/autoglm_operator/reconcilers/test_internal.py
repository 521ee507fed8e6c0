from autoglm_operator.reconcilers.internal import InternalTokens
from manual_clock import ManualClock


async def test_the_old_token_stays_valid_until_every_mount_has_followed() -> None:
    clock = ManualClock()
    tokens = InternalTokens(clock)
    assert tokens.accepted("c", "one") == ("one",)
    assert tokens.accepted("c", "two") == ("two", "one")
    await clock.advance(179)
    assert tokens.accepted("c", "two") == ("two", "one")
    await clock.advance(1)
    assert tokens.accepted("c", "two") == ("two",)


def test_clusters_do_not_share_tokens() -> None:
    tokens = InternalTokens(ManualClock())
    tokens.accepted("c", "one")
    assert tokens.accepted("d", "two") == ("two",)
    tokens.forget("c")
    assert tokens.accepted("c", "three") == ("three",)
