"""Intervals of a mean from few, skewed pairs: the rule, and those it is compared with."""

import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from nas.statistics import paired_effect, stage_effects, twin_gain

sys.path.insert(0, str(Path(__file__).parents[1]))
from experiments.coverage.methods import METHODS, ends  # noqa: E402

SKEWED = np.exp(np.random.default_rng(0).normal(0, 0.6, 40))


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        ([13.4, 13.0, 7.9, 10.0, 14.1], (7, 15)),  # was [-0.8, 14.2]
        ([8.1, 16.0, 1.0, 16.0, 17.4], (-3, 19)),  # was [-39.1, 18.3]
    ],
)
def test_two_published_gains_have_sensible_intervals(pairs, expected):
    found = paired_effect(pairs, bounds=(-100, 100))
    assert (found.low, found.high) == pytest.approx(expected, abs=0.5)


def test_the_bootstrap_t_with_beta_weights_follows_its_definition():
    pairs = SKEWED[:6]
    drawn = np.random.default_rng(1).beta(0.5, 1.5, (400_000, 6))
    weights = drawn / drawn.sum(axis=1, keepdims=True)
    means = weights @ pairs
    spreads = np.sqrt(np.maximum(weights @ pairs**2 - means**2, 1e-15))
    t = (means - pairs.mean()) / spreads
    high, low = pairs.mean() - np.quantile(t, [0.025, 0.975]) * pairs.std()
    found = paired_effect(pairs)
    assert (found.low, found.high) == pytest.approx((low, high), rel=0.03)


@pytest.mark.parametrize("n", [3, 6, 12])
def test_neither_order_nor_sign_of_the_pairs_matters(n):
    found, turned = paired_effect(SKEWED[:n]), paired_effect(SKEWED[:n][::-1])
    mirrored = paired_effect(-SKEWED[:n])
    assert (found.low, found.high) == pytest.approx((turned.low, turned.high), rel=1e-9)
    assert (found.low, found.high) == pytest.approx((-mirrored.high, -mirrored.low), rel=1e-9)


def test_one_far_pair_still_gives_an_interval():
    found = paired_effect([0, 0, 0, 0, 5.0])
    assert found.low < 1 < 5 < found.high < 100


def test_an_interval_ends_where_gains_end():
    found = twin_gain({56: [90.0, 88, 95, 20, 92]}, {56: [1.0, 2, 0, 3, 0]}, largest=100)
    assert found[56].high == 100
    assert twin_gain({56: [90.0, 88, 95, 20, 92]}, {56: [1.0, 2, 0, 3, 0]})[56].high > 100
    table = np.zeros((5, 2, 2))
    table[:, 0, 0] = [90, 10, 80, 95, 99]
    stages = stage_effects(table, largest=100)
    assert max(one.high for one in (stages.total, stages.main[0], stages.alone[1])) <= 100
    assert stages.interaction[0, 1].low >= -200


@pytest.mark.parametrize("method", ["BCa", "percentile"])
def test_the_bootstraps_it_is_compared_with_agree_with_scipy(method):
    found = ends(METHODS[f"{method} bootstrap"], SKEWED)
    reference = stats.bootstrap(
        (SKEWED,), np.mean, n_resamples=20_000, method=method, rng=np.random.default_rng(1)
    ).confidence_interval
    assert found == pytest.approx((reference.low, reference.high), abs=0.03)


def test_the_bounded_interval_is_the_widest():
    widths = {name: np.ptp(ends(method, SKEWED[:8])) for name, method in METHODS.items()}
    assert max(widths, key=lambda name: widths[name]) == "bounded (Gaffke)"
