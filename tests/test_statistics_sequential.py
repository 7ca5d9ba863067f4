"""Looks after every pair: the evidence, the interval that holds at all looks, and the answers."""

import math
from collections.abc import Sequence

import numpy as np
import pytest
from scipy import integrate, stats

from nas.statistics import Effect, confidence_sequence, sequential_answers, stopping_pairs
from nas.statistics.sequential import EVERY_LOOK, half_width, log_e_value


def effect(pairs: Sequence[float]) -> Effect:
    return Effect(float(np.mean(pairs)), -1.0, 1.0, tuple(pairs), None, 0.95, "")


@pytest.mark.parametrize(
    "pairs", [[1.0, 2.5], [3.0, 1.0, 2.0], [-0.2, 0.1, 0.3, -0.5, 0.2], [9, 10, 11, 12, 8, 9.5]]
)
def test_the_evidence_is_the_ratio_of_likelihoods_of_the_t_statistic(pairs: list[float]) -> None:
    """Those of a noncentral t, over a standard normal prior, against a central one (by scipy)."""
    n = len(pairs)
    t = stats.ttest_1samp(pairs, 0.5).statistic

    def weighed(size: float) -> float:
        return stats.nct.pdf(t, n - 1, size * math.sqrt(n)) * stats.norm.pdf(size)

    mixed, _ = integrate.quad(weighed, -8, 8, points=[t / math.sqrt(n)], limit=200)
    expected = math.log(mixed / stats.t.pdf(t, n - 1))
    assert log_e_value(pairs, 0.5) == pytest.approx(expected, rel=1e-4, abs=1e-6)


@pytest.mark.parametrize("alpha", [0.05, 0.0125])
def test_an_interval_ends_where_the_evidence_reaches_its_bound(alpha: float) -> None:
    pairs = np.random.default_rng(0).normal(2.0, 1.0, size=12)
    half = half_width(pairs, alpha)
    for side in (-1, 1):
        assert log_e_value(pairs, pairs.mean() + side * half) == pytest.approx(-math.log(alpha))


def test_too_few_or_equal_pairs_leave_nothing_out() -> None:
    assert half_width([1.0], 0.05) == math.inf
    assert half_width([1.0, 1.2, 0.9, 1.1], 0.05) == math.inf  # four tell nothing at 5%
    assert half_width([3.0] * 9, 0.05) == math.inf
    assert math.isfinite(half_width([1.0, 1.2, 0.9, 1.1, 1.05], 0.05))


def test_the_interval_of_all_looks_is_what_they_have_in_common() -> None:
    pairs = list(np.random.default_rng(1).normal(2.0, 1.0, size=20))
    low, high = confidence_sequence(pairs)
    last = half_width(pairs, 0.05)
    assert low >= np.mean(pairs) - last
    assert high <= np.mean(pairs) + last
    assert confidence_sequence(pairs[:3]) == (-math.inf, math.inf)


@pytest.mark.parametrize(("sizes", "smallest"), [((0.0,), 0.0), ((0.0,) * 4, 0.0), ((1.0,), 1.0)])
def test_false_claims_are_few_with_a_look_after_every_pair(
    sizes: tuple[float, ...], smallest: float
) -> None:
    """At most 5%: here of normal pairs whose true mean is 0, or the smallest effect itself."""
    random = np.random.default_rng(2)
    studies, false = 400, 0
    for _ in range(studies):
        effects = {
            str(index): effect(random.normal(size, 1.0, size=20))
            for index, size in enumerate(sizes)
        }
        said = sequential_answers(effects, smallest).values()
        wrong = {"pays", "costs"} if smallest == 0 else {"no difference", "costs"}
        false += any(answer.answer in wrong for _, answer in said)
    assert false <= stats.binom.ppf(0.999, studies, 0.05)


@pytest.mark.parametrize(("size", "median"), [(4.0, 5), (2.5, 6), (1.5, 8), (1.0, 12)])
def test_how_many_pairs_decide(size: float, median: int) -> None:
    random = np.random.default_rng(3)
    needed = []
    for _ in range(100):
        pairs = random.normal(size, 1.0, size=40)
        looks = range(2, 41)
        needed.append(
            next((n for n in looks if decided(pairs[:n])), 41)  # as `nas payoff --until` stops
        )
    assert abs(float(np.median(needed)) - median) <= 1
    assert abs((stopping_pairs(size, 0.05) or 0) - median) <= 2


def decided(pairs: Sequence[float]) -> bool:
    ((_, answer),) = sequential_answers({"one": effect(pairs)}, 0.0).values()
    return answer.is_decided


def test_an_answer_stays_when_later_pairs_are_less_clear() -> None:
    clear = [4.0, 4.1, 3.9, 4.05, 3.95, 4.0, 4.02]
    assert decided(clear)
    assert decided([*clear, 2.0, 6.0])


def test_the_answers_come_with_their_interval_and_what_is_missing() -> None:
    random = np.random.default_rng(4)
    found = sequential_answers(
        {
            "pays": effect(random.normal(5.0, 0.5, size=10)),
            "costs": effect(random.normal(-5.0, 0.5, size=10)),
            "none": effect(random.normal(0.0, 0.3, size=14)),
            "open": effect(random.normal(1.5, 1.0, size=6)),
        },
        1.0,
    )
    said = {name: answer.answer for name, (_, answer) in found.items()}
    assert said == {
        "pays": "pays",
        "costs": "costs",
        "none": "no difference",
        "open": "undecided",
    }
    assert all(told.method == EVERY_LOOK for told, _ in found.values())
    assert found["pays"][0].low > 1.0
    more = found["open"][1].more_pairs
    assert more is not None
    assert more > 1
    assert found["pays"][1].more_pairs is None


def test_planned_comparisons_without_a_pair_count() -> None:
    pairs = [4.0, 4.4, 3.6, 4.2, 3.8]
    alone = sequential_answers({"a": effect(pairs)}, 0.0)["a"][1]
    many = sequential_answers({"a": effect(pairs)}, 0.0, planned=8)["a"][1]
    assert alone.is_decided
    assert not many.is_decided
    assert many.p_adjusted == pytest.approx(8 * alone.p_adjusted)
