"""Accuracy or speed: what agreement across budgets says."""

import numpy as np
import pytest

from nas.statistics import (
    Effect,
    budget_verdict,
    has_levelled_off,
    order_verdict,
    paired_effect,
)

SURE = {"levelled_off": True, "own_rates": True}
SKEWED = np.exp(np.random.default_rng(0).normal(0, 0.6, 6))


def effect(mean: float, half: float = 1.0, n: int = 6) -> Effect:
    """An effect with a given interval of about `half` to either side."""
    return paired_effect(mean + half * np.resize([-1.0, 1.0], n), method="Student t")


def test_an_effect_at_the_longest_budget_alone_appears_there() -> None:
    late = paired_effect([1.2, 1.3, 1.4, 1.5, 1.3, 1.5])
    assert late.mean == pytest.approx(1.37, abs=0.01)
    assert (late.low, late.high) == pytest.approx((1.2, 1.6), abs=0.1)
    found = budget_verdict({1: effect(0), 4: late}, smallest_effect=2)
    assert found.verdict == "appears"  # was "speed": gone at the longest budget
    assert "appears at the longest budget" in found.reason


def test_the_verdict_on_budgets() -> None:
    gain, loss, none = effect(10), effect(-10), effect(0)
    assert budget_verdict({4: loss, 1: gain}).verdict == "speed"
    assert budget_verdict({1: gain, 4: none}).verdict == "not resolved"
    assert budget_verdict({1: gain, 4: none}, smallest_effect=3).verdict == "speed"
    assert budget_verdict({1: none, 4: none}, smallest_effect=3).verdict == "not resolved"
    assert budget_verdict({1: gain}, **SURE).verdict == "not resolved"
    assert budget_verdict({1: gain, 2: none, 4: gain}, **SURE).verdict == "accuracy"


@pytest.mark.parametrize(
    ("levelled_off", "own_rates", "verdict", "doubt"),
    [
        (True, True, "accuracy", ""),
        (False, True, "persists", "the longest training had not levelled off"),
        (True, False, "persists", "the budgets share their learning rates"),
        (False, False, "persists", "not levelled off and the budgets share"),
    ],
)
def test_accuracy_needs_a_plateau_and_own_rates(
    levelled_off: bool, own_rates: bool, verdict: str, doubt: str
) -> None:
    both = {1: effect(10), 4: effect(9)}
    found = budget_verdict(both, levelled_off=levelled_off, own_rates=own_rates)
    assert found.verdict == verdict
    assert doubt in found.reason


def test_a_training_has_levelled_off_if_more_epochs_surely_change_little() -> None:
    falling = {1: [72.0, 81.0, 75.0, 70.0, 77.0], 4: [59.0, 48.0, 55.0, 51.0, 60.0]}
    assert not has_levelled_off(falling, smallest_effect=2)
    at_floor = {1: [0.1, 0.0, 0.0, 0.2, 0.1], 4: [0.0] * 5}
    assert has_levelled_off(at_floor, smallest_effect=2)
    assert not has_levelled_off({4: [0.0] * 5}, smallest_effect=2)
    assert not has_levelled_off({1: [0.0], 4: [0.0]}, smallest_effect=2)
    assert not has_levelled_off({1: [0.0, 0.0], 4: [0.0]}, smallest_effect=2)


def test_a_gain_that_shrinks_with_the_budget_shows_in_the_trend() -> None:
    found = budget_verdict({1: paired_effect(SKEWED + 30), 4: paired_effect(SKEWED + 8)}, **SURE)
    assert found.verdict == "accuracy"
    assert found.trend is not None
    assert found.trend.mean == pytest.approx(-22)
    assert budget_verdict({1: effect(9, n=5), 4: effect(9)}).trend is None


def test_an_order_that_changes_with_the_budget_is_speed() -> None:
    kept = budget_verdict({1: effect(10), 4: effect(9)}, **SURE)
    turned = budget_verdict({1: effect(5), 4: effect(-5)}, **SURE)
    doubtful = budget_verdict({1: effect(10), 4: effect(9)})
    open_ = budget_verdict({1: effect(5)}, **SURE)
    assert order_verdict({"a-b": kept, "b-c": kept}).verdict == "accuracy"
    assert order_verdict({"a-b": kept, "b-c": turned}).verdict == "speed"
    assert order_verdict({"a-b": kept, "b-c": open_}).verdict == "not resolved"
    assert order_verdict({"a-b": kept, "b-c": doubtful}).verdict == "persists"
