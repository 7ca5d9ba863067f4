"""What so many pairs can resolve, against simulation and the exact test's smallest p."""

import math

import numpy as np
import pytest
from scipy import stats

from nas.statistics import fewest_pairs, resolvable_effect, smallest_p
from nas.statistics.power import t_resolvable


@pytest.mark.parametrize(("pairs", "sds"), [(5, 2.5), (6, 2.0), (8, 1.5), (10, 1.3)])
def test_what_can_be_resolved_under_holm_over_four(pairs, sds):
    assert resolvable_effect(pairs, 4) == pytest.approx(sds, abs=0.05)


@pytest.mark.parametrize("pairs", [3, 5, 8])
def test_the_power_is_that_of_simulated_t_tests(pairs):
    effect = t_resolvable(pairs, 4, power=0.8, alpha=0.05)
    drawn = np.random.default_rng(pairs).normal(effect, 1, (100_000, pairs))
    share = (stats.ttest_1samp(drawn, 0, axis=1).pvalue <= 0.05 / 4).mean()
    assert share == pytest.approx(0.8, abs=0.006)


def test_too_few_pairs_resolve_nothing_whatever_the_effect():
    assert resolvable_effect(3) == math.inf
    assert resolvable_effect(4, 4) == math.inf
    assert math.isfinite(resolvable_effect(4))
    assert [fewest_pairs(number) for number in (1, 2, 6, 7, 23, 24)] == [4, 5, 5, 6, 6, 7]


def test_the_smallest_p_is_that_of_the_exact_permutation():
    assert [round(smallest_p(n), 4) for n in (3, 4, 5, 6)] == [0.1, 0.0286, 0.0079, 0.0022]
    separated = stats.permutation_test(
        (np.arange(5.0), np.arange(5.0) + 10), lambda a, b: a.mean() - b.mean(), n_resamples=np.inf
    )
    assert separated.pvalue == pytest.approx(smallest_p(5))


def test_more_pairs_resolve_less_and_more_comparisons_more():
    effects = [resolvable_effect(pairs, 2) for pairs in range(5, 40)]
    assert effects == sorted(effects, reverse=True)
    assert resolvable_effect(8, 1) < resolvable_effect(8, 2) < resolvable_effect(8, 4)
