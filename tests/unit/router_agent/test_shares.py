from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from autoglm_dataplane.router_agent.shares import MAX_SERVER_WEIGHT, server_weights

SHARES = st.dictionaries(
    st.text(max_size=5),
    st.builds(Fraction, st.integers(1, 1_000_000), st.integers(1, 512)),
    max_size=20,
)


def test_small_ratios_are_kept_exactly() -> None:
    shares = {"a": Fraction(3, 2), "b": Fraction(3, 2), "c": Fraction(1)}
    assert server_weights(shares) == {"a": 3, "b": 3, "c": 2}


def test_equal_shares_have_the_least_weight() -> None:
    assert server_weights({"a": Fraction(1_000_000), "b": Fraction(1_000_000)}) == {"a": 1, "b": 1}


def test_a_tiny_share_still_gets_requests() -> None:
    assert server_weights({"a": Fraction(1_000_000), "b": Fraction(1)}) == {"a": 256, "b": 1}


def test_nothing_has_no_weights() -> None:
    assert server_weights({}) == {}


@given(SHARES)
def test_weights_fit_haproxy_and_keep_the_order(shares: dict[str, Fraction]) -> None:
    weights = server_weights(shares)
    assert weights.keys() == shares.keys()
    assert all(1 <= weight <= MAX_SERVER_WEIGHT for weight in weights.values())
    ordered = sorted(shares, key=shares.__getitem__)
    assert [weights[name] for name in ordered] == sorted(weights.values())


@given(SHARES)
def test_weights_are_off_by_half_a_step_at_most(shares: dict[str, Fraction]) -> None:
    weights = server_weights(shares)
    if not weights:
        return
    top = max(shares, key=shares.__getitem__)
    for name, share in shares.items():
        wanted = share / shares[top] * weights[top]
        assert abs(weights[name] - wanted) <= max(Fraction(1, 2), 1 - wanted)
