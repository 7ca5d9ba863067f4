"""Pays, costs, no difference or undecided: what each claim needs, and how often it is false."""

import math

import numpy as np
import pytest
from scipy import stats

from nas.statistics import Effect, answers, more_pairs, paired_effect, pairs_needed, twin_effect
from nas.statistics.answers import claim_p
from nas.statistics.paired import decision_p


def effect(*pairs: float) -> Effect:
    return paired_effect(pairs, resamples=512)


def word(one: Effect, smallest: float = 2.0, planned: int = 0) -> str:
    return answers({"it": one}, smallest, planned=planned)["it"].answer


SPREAD = (-0.5, -0.3, -0.1, 0.1, 0.3, 0.5)


@pytest.mark.parametrize(
    ("mean", "expected"),
    [
        (5.0, "pays"),
        (-5.0, "costs"),
        (0.0, "no difference"),
        (1.0, "no difference"),
        (2.0, "undecided"),
        (-2.1, "undecided"),
    ],
)
def test_an_answer_is_by_where_the_interval_lies(mean: float, expected: str) -> None:
    assert word(effect(*(mean + one for one in SPREAD))) == expected


def test_a_gain_that_is_sure_but_may_be_small_is_undecided() -> None:
    one = effect(*(2.1 + one for one in SPREAD))
    assert one.resolved
    assert word(one) == "undecided"
    assert word(one, smallest=0.0) == "pays"


def test_with_no_smallest_effect_nothing_makes_no_difference() -> None:
    assert word(effect(*SPREAD), smallest=0.0) == "undecided"


def test_few_pairs_decide_nothing_however_alike_they_are() -> None:
    assert word(effect(9.0, 9.1, 9.2)) == "undecided"
    assert word(effect(0.0, 0.01, 0.02)) == "undecided"
    assert word(effect(9.0, 9.0, 9.0, 9.0, 9.0)) == "undecided"
    assert word(effect(*[9.0] * 6)) == "pays"
    assert word(effect(*[0.0] * 6)) == "no difference"


def test_an_answer_pays_for_what_else_was_planned() -> None:
    one = twin_effect([9.0, 9.1, 9.2, 9.3], [0.0, 0.0, 0.0, 0.1])
    assert word(one) == "pays"
    assert word(one, planned=2) == "undecided"


def test_the_p_is_that_of_scipys_t_test_against_the_nearer_bound() -> None:
    inside, beyond = effect(*(0.5 + one for one in SPREAD)), effect(*(3 + one for one in SPREAD))
    assert claim_p(inside, 2.0) == pytest.approx(stats.ttest_1samp(inside.pairs, 2.0).pvalue)
    to_bound = stats.ttest_1samp(beyond.pairs, 2.0).pvalue
    assert claim_p(beyond, 2.0) == pytest.approx(max(to_bound, decision_p(beyond)[0]))


@pytest.mark.parametrize("comparisons", [1, 4])
@pytest.mark.parametrize("distance", [0.3, 0.8, 2.0])
def test_the_pairs_needed_have_the_power_that_scipy_computes(
    distance: float, comparisons: int
) -> None:
    def power(n: int) -> float:
        critical = stats.t.ppf(1 - 0.05 / comparisons / 2, n - 1)
        return float(stats.nct.sf(critical, n - 1, distance * math.sqrt(n)))

    needed = pairs_needed(distance, comparisons)
    assert needed is not None
    assert power(needed) >= 0.8
    assert needed <= 5 or power(needed - 1) < 0.8


def test_the_pairs_that_are_missing_are_told() -> None:
    one = effect(2.0, 6.0, 1.0, 7.0)
    missing = more_pairs(one, 2.0)
    assert missing == pairs_needed((one.mean - 2.0) / one.sd) - one.n  # type: ignore[operator]
    assert answers({"it": one}, 2.0)["it"].more_pairs == missing
    assert more_pairs(effect(1.0, 3.0, 1.0, 3.0), 2.0) is None  # it lies on the bound
    assert more_pairs(effect(4.0), 2.0) is None
    assert more_pairs(effect(9.0, 9.0), 2.0) == 4
    assert answers({"it": effect(*[9.0] * 6)}, 2.0)["it"].more_pairs is None


@pytest.mark.parametrize("n", [5, 8])
@pytest.mark.parametrize(
    ("true", "false_claims"),
    [
        (0.0, {"pays", "costs"}),
        (1.0, {"pays", "costs", "no difference"}),
        (-1.0, {"pays", "costs", "no difference"}),
    ],
)
def test_false_claims_are_few(n: int, true: float, false_claims: set[str]) -> None:
    """Effects of none, and of just the smallest effect, where every claim but "at least" is false:
    and that too, as half of the effects there lie below. The spread is that of the bound.
    """
    drawn = np.random.default_rng(3)
    studies = 400
    said = [word(effect(*drawn.normal(true, 1.0, n)), smallest=1.0) for _ in range(studies)]
    share = sum(one in false_claims for one in said) / studies
    assert share <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / studies)


def test_a_family_makes_a_false_claim_no_more_often_than_one_comparison() -> None:
    drawn, studies, wrong = np.random.default_rng(4), 200, 0
    for _ in range(studies):
        family = {str(i): effect(*drawn.normal(1.0, 0.5, 8)) for i in range(4)}
        wrong += any(one.is_decided for one in answers(family, 1.0).values())
    assert wrong / studies <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / studies)
