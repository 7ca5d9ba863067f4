"""The exact tests, and the p that decides: never below what they can give."""

from itertools import combinations

import numpy as np
import pytest
from scipy import stats

from nas.statistics import (
    degradation_difference,
    family,
    paired_effect,
    permutation_p,
    stage_effects,
    twin_effect,
    twin_gain,
)

RNG = np.random.default_rng(0)
SIX = np.array([30.0, 41.0, 35.0, 28.0, 44.0, 38.0])


@pytest.mark.parametrize(("n", "smallest"), [(3, 0.1), (4, 0.0286), (5, 0.0079), (6, 0.0022)])
def test_the_unpaired_permutation_reaches_further_than_signs(n, smallest):
    found = permutation_p(np.arange(n) + 100.0, np.arange(n))
    assert found == pytest.approx(smallest, abs=5e-5)


@pytest.mark.parametrize(("n", "m"), [(4, 4), (5, 3), (6, 6)])
def test_the_unpaired_permutation_agrees_with_brute_force(n, m):
    first, second = RNG.normal(0.8, 1, n).round(1), RNG.normal(0, 1, m).round(1)
    together, bar = np.concatenate([first, second]), abs(first.mean() - second.mean())
    found = []
    for some in combinations(range(n + m), n):
        rest = [i for i in range(n + m) if i not in some]
        found.append(abs(together[list(some)].mean() - together[rest].mean()) >= bar - 1e-9)
    assert permutation_p(first, second) == pytest.approx(np.mean(found))


def test_the_unpaired_permutation_of_many_runs_is_sampled():
    first, second = RNG.normal(0.5, 1, 30), RNG.normal(0, 1, 30)
    reference = stats.ttest_ind(first, second).pvalue
    assert permutation_p(first, second) == pytest.approx(reference, abs=0.02)
    assert permutation_p(first + 90, second) == 1 / 10_001


def test_a_comparison_is_not_more_certain_for_being_one_of_many():
    six = paired_effect(SIX)
    alone = family({"a": six})["a"]
    assert (alone.p_adjusted, alone.test, alone.status) == (2 / 64, "sign-flip", "resolved")
    one_of_four = family(dict.fromkeys("abcd", six))["a"]
    assert one_of_four.p_adjusted == pytest.approx(4 * 2 / 64)  # was 2.7e-5, by another test
    assert one_of_four.status == "not resolved"


def test_arms_that_do_not_overlap_resolve_six_pairs_as_one_of_four():
    six = twin_effect(SIX, np.array([1.0, 0.0, 2.0, 0.5, 0.0, 1.5]))
    claims = family(dict.fromkeys("abcd", six))
    assert {claim.status for claim in claims.values()} == {"resolved"}
    assert claims["a"].p_adjusted == pytest.approx(4 * six.unpaired_p)
    assert claims["a"].test == "unpaired permutation"


def test_of_two_exact_tests_the_one_that_uses_the_pairs_may_decide():
    luck = np.array([0.0, 20, 40, 60, 80, 10, 30, 50])
    correlated = twin_effect(luck + [5, 6, 5, 6, 5, 6, 5, 6], luck)
    assert correlated.unpaired_p > 0.5
    claim = family({"a": correlated})["a"]
    assert (claim.p_adjusted, claim.test) == (2 / 256, "sign-flip")


def test_the_t_test_decides_where_it_is_less_sure_than_the_exact_one():
    noisy = twin_effect([9.0, 31, 14, 52, 11], [8.0, 7.5, 8.5, 7.9, 8.2])
    claim = family({"a": noisy})["a"]
    assert noisy.unpaired_p < 0.01
    assert claim.p_adjusted == pytest.approx(stats.ttest_1samp(noisy.pairs, 0).pvalue)
    assert (claim.test, claim.status) == ("paired t", "not resolved")


def test_three_pairs_are_never_resolved_and_equal_ones_need_the_exact_test():
    three = twin_effect([90.0, 91, 92], [0.0, 0, 0])
    assert family({"a": three})["a"].p_adjusted == pytest.approx(0.1)
    assert family({"a": three})["a"].status == "not resolved"
    chance = twin_effect([90.0] * 6, [0.0] * 6)
    assert family({"a": chance})["a"].p_adjusted == pytest.approx(0.0022, abs=1e-4)
    nothing = twin_effect([1.0] * 6, [1.0] * 6)
    assert family({"a": nothing})["a"].p_adjusted == 1


def test_effects_between_two_arms_know_the_unpaired_p():
    plain = {8: RNG.normal(10, 1, 5), 56: RNG.normal(60, 1, 5)}
    residual = {8: RNG.normal(10, 1, 5), 56: RNG.normal(10, 1, 5)}
    assert twin_gain(plain, residual)[56].unpaired_p == pytest.approx(0.0079, abs=1e-4)
    assert degradation_difference(plain, residual).unpaired_p == pytest.approx(0.0079, abs=1e-4)
    table = RNG.normal(0, 1, (5, 2, 2)) + 50 * np.array([[1, 1], [0, 0]])
    stages = stage_effects(table)
    assert stages.main[0].unpaired_p == pytest.approx(0.0079, abs=1e-4)
    assert stages.shapley[0].unpaired_p is None
