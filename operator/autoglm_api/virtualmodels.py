"""Virtual models: names under which clients ask the planner instead of a model.

The operator puts them into the routing document, the planner answers them. It never decides which
real model a subtask is sent to.
"""

from typing import Final

from autoglm_api.autoglmcluster import CooperationStrategy

DEFAULT: Final = "autoglm"
"""Worked on by the strategy of the cluster's `cooperation`."""
STRATEGY_OF: Final = {
    "autoglm-single": CooperationStrategy.SINGLE,
    "autoglm-plan": CooperationStrategy.PLAN,
}
"""The strategies that a client may choose itself."""
NAMES: Final = (DEFAULT, *STRATEGY_OF)
"""All virtual models."""


def strategy_of(model: str, default: CooperationStrategy) -> CooperationStrategy | None:
    """How to work on a request for a model; None if the model is not virtual."""
    return default if model == DEFAULT else STRATEGY_OF.get(model)
