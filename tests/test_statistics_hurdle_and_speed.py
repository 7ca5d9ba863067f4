"""Does it train at all, and how soon: rates with their intervals, censored steps."""

import numpy as np
import pytest

from nas.statistics import hurdle, newcombe, speed_up, wilson


@pytest.mark.parametrize(
    ("count", "n", "ends"),
    [
        (0, 6, (0, 0.3903)),
        (3, 6, (0.1876, 0.8124)),
        (5, 5, (0.5655, 1)),
        (15, 40, (0.2422, 0.5297)),
    ],
)
def test_wilson_agrees_with_statsmodels(count, n, ends):
    """proportion_confint(method="wilson") of statsmodels 0.15.0."""
    found = wilson(count, n)
    assert (found.low, found.high) == pytest.approx(ends, abs=5e-5)


@pytest.mark.parametrize(
    ("counts", "ends"),
    [
        ((56, 70, 48, 80), (0.0524, 0.3339)),
        ((5, 6, 0, 6), (0.2767, 0.9699)),
        ((3, 5, 1, 8), (-0.0310, 0.7754)),
        ((0, 5, 0, 5), (-0.4345, 0.4345)),
    ],
)
def test_newcombe_agrees_with_statsmodels_for_independent_runs(counts, ends):
    """confint_proportions_2indep(method="newcomb") of statsmodels 0.15.0."""
    first, n, second, m = counts
    assert newcombe(wilson(first, n), wilson(second, m)) == pytest.approx(ends, abs=5e-5)


def test_a_gain_is_split_into_how_often_both_train_and_by_how_much():
    plain, residual = [90.0, 12.0, 90.0, 14.0, 11.0, 13.0], [2.0, 3.0, 1.0, 2.0, 2.5, 3.0]
    trains = [False, True, False, True, True, True]
    found = hurdle(plain, residual, trains, [True] * 6, bounds=(-100, 100))
    assert (found.trains.plain.count, found.trains.residual.count) == (2, 0)
    assert found.trains.gain == pytest.approx(1 / 3)
    assert found.gain is not None
    assert found.gain.pairs == (9.0, 12.0, 8.5, 10.0)
    assert 0 < found.gain.low < 9.9 < found.gain.high < 20
    assert not found.is_ceiling


def test_where_no_plain_network_trains_the_gain_is_a_ceiling():
    found = hurdle([90.0] * 5, [59.0, 60, 61, 58, 62], [False] * 5, [True] * 5)
    assert found.is_ceiling
    assert found.gain is None
    assert found.trains.plain.low == pytest.approx(0.5655, abs=1e-4)
    neither = hurdle([90.0] * 5, [90.0] * 5, [False] * 5, [False] * 5)
    assert neither.is_ceiling
    assert neither.trains.gain == 0


PLAIN = {
    8: [5, 3, 4, 4, 2, 2],
    32: [49, 59, 19, 20, 17, 22],
    56: [None, 146, None, 200, None, 112],
}
IDENTITY = {8: [3, 2, 3, 2, 1, 2], 32: [3, 1, 7, 1, 2, 4], 56: [6, 3, 8, 2, 3, 9]}


@pytest.mark.parametrize(("layers", "ratio"), [(56, 13.8), (32, 3.0), (8, 1.09)])
def test_speed_on_digits_counts_the_steps_made(layers, ratio):
    """Of runs in experiments/digits_twins the start of the ten steps was counted that are averaged:
    44.9, 11.6 and 1.54 times."""
    plain, identity = (
        [None if start is None else start + 10 for start in arm[layers]]
        for arm in (PLAIN, IDENTITY)
    )
    found = speed_up(plain, identity, horizon=269)
    assert found.ratio == pytest.approx(ratio, abs=0.05)
    assert found.at_least == (layers == 56)
    assert (found.high is None) == (layers == 56)


def test_where_no_run_gets_there_no_ratio_is_told():
    found = speed_up([None, None, 300], [None, 400, None], horizon=270)
    assert found.none_got_there
    assert (found.ratio, found.low, found.high) == (None, None, None)
    assert not found.resolved


def test_where_residual_runs_alone_never_get_there_the_ratio_is_at_most():
    found = speed_up([80, 90, 70, 85, 60], [None, 200, None, 180, None], horizon=269)
    assert found.at_most
    assert found.low is None
    assert found.high is not None
    assert found.resolved
    assert found.saved.mean == pytest.approx(np.mean([80 - 269, -110, 70 - 269, -95, 60 - 269]))


def test_where_some_of_both_never_get_there_nothing_bounds_the_ratio():
    found = speed_up([None, 20.0], [None, 20.0], horizon=100)
    assert (found.ratio, found.at_least, found.at_most) == (None, False, False)
    assert not found.none_got_there
    assert found.saved.mean == 0
