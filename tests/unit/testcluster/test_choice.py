"""Which provider is taken when nobody names one."""

import pytest

from testcluster.errors import UsageError
from testcluster.providers import choice
from testcluster.providers.embedded import Embedded
from testcluster.settings import Settings


@pytest.mark.parametrize(("engine", "expected"), [(True, "kind"), (False, "embedded")])
def test_takes_kind_only_when_an_engine_answers(
    engine: bool, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answers(argv: list[str], *, timeout_seconds: float) -> bool:
        assert argv[0] == "docker"
        assert timeout_seconds
        return engine

    monkeypatch.setattr(choice, "succeeds", answers)
    assert choice.guess() == expected


def test_knows_each_provider_by_name() -> None:
    assert isinstance(choice.provider_called("embedded", Settings()), Embedded)
    with pytest.raises(UsageError, match="choose from"):
        choice.provider_called("cloud", Settings())
