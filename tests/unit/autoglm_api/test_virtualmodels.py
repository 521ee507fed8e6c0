"""Virtual models and their strategies."""

from autoglm_api import virtualmodels
from autoglm_api.autoglmcluster import CooperationStrategy


def test_the_default_model_follows_the_cluster() -> None:
    for strategy in CooperationStrategy:
        assert virtualmodels.strategy_of(virtualmodels.DEFAULT, strategy) is strategy


def test_every_strategy_can_be_chosen_by_name() -> None:
    assert set(virtualmodels.STRATEGY_OF.values()) == set(CooperationStrategy)


def test_a_real_model_is_not_virtual() -> None:
    assert virtualmodels.strategy_of("autoglm-phone-9b", CooperationStrategy.PLAN) is None
