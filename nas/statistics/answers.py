"""The answers to "does it make a difference?": it pays by at least the smallest effect of interest,
it costs as much, it makes no difference of that size, or that is undecided, and how many more pairs
it would take.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from nas.statistics.family import holm
from nas.statistics.paired import SIGN_FLIP_FROM, Effect, decision_p, student_p
from nas.statistics.power import fewest_pairs, pairs_needed

Word = Literal["pays", "costs", "no difference", "undecided"]


@dataclass(frozen=True)
class Answer:
    """What may be said of one effect among all that were planned. `more_pairs`: so many more decide
    it with a probability of 80% if its mean and its spread stay what they are; None if it is
    decided, or if more than a thousand pairs would not be enough.
    """

    answer: Word
    p_adjusted: float
    more_pairs: int | None = None

    @property
    def is_decided(self) -> bool:
        """Whether anything may be claimed."""
        return self.answer != "undecided"


def answers(
    effects: Mapping[str, Effect],
    smallest_effect: float,
    *,
    alpha: float = 0.05,
    planned: int = 0,
) -> dict[str, Answer]:
    """The answer for each effect of one family, by name. Planned effects that have no pair count in
    the correction, each with a p of 1.

    An effect pays if its interval lies above the smallest effect, and costs if below minus that; it
    makes no difference if its interval lies between both. Besides, a p corrected by Holm must be at
    most alpha: that of the paired t-test against the nearer of the two bounds, and to claim a
    difference not below the one against zero (see `decision_p`). At most one of the two claims can
    be false for any true effect, so one p for both keeps the share of families with a false claim
    at alpha. Fewer pairs than `fewest_pairs` decide nothing.
    """
    comparisons = max(planned, len(effects))
    p_values = [claim_p(effect, smallest_effect) for effect in effects.values()]
    adjusted = holm([*p_values, *[1.0] * (comparisons - len(p_values))])
    return {
        name: answer(effect, p, smallest_effect, comparisons, alpha)
        for (name, effect), p in zip(effects.items(), adjusted[: len(p_values)], strict=True)
    }


def claim_p(effect: Effect, smallest_effect: float) -> float:
    """The p of the one claim that the mean of an effect allows: a difference of at least the
    smallest effect if it lies beyond it, or else a smaller one.
    """
    to_bound = student_p(np.asarray(effect.pairs) - nearer_bound(effect, smallest_effect))
    if abs(effect.mean) > smallest_effect:
        return max(decision_p(effect)[0], to_bound)
    return to_bound


def nearer_bound(effect: Effect, smallest_effect: float) -> float:
    """The smallest effect with the sign of the mean."""
    return smallest_effect if effect.mean >= 0 else -smallest_effect


def answer(
    effect: Effect, p_adjusted: float, smallest_effect: float, comparisons: int, alpha: float
) -> Answer:
    """The answer for one effect, its p corrected already."""
    word = where(effect.low, effect.high, smallest_effect)
    equal = effect.low == effect.high and effect.n < SIGN_FLIP_FROM
    enough = effect.n >= fewest_pairs(comparisons, alpha=alpha) and not equal
    if word != "undecided" and enough and p_adjusted <= alpha:
        return Answer(word, p_adjusted)
    return Answer("undecided", p_adjusted, more_pairs(effect, smallest_effect, comparisons, alpha))


def where(low: float, high: float, smallest_effect: float) -> Word:
    """On which side of the smallest effect an interval lies."""
    if low >= smallest_effect and low > 0:
        return "pays"
    if high <= -smallest_effect and high < 0:
        return "costs"
    if -smallest_effect < low and high < smallest_effect:
        return "no difference"
    return "undecided"


def more_pairs(
    effect: Effect, smallest_effect: float, comparisons: int = 1, alpha: float = 0.05
) -> int | None:
    """How many pairs more decide an effect with probability 80% if its mean and spread stay as they
    are; at least one, and None if a thousand pairs are too few, or nothing is known of the spread.

    A claim of no difference can fail on two sides, each of which is given half of the 20%.
    """
    if effect.n < 2:
        return None
    distance = abs(abs(effect.mean) - smallest_effect)
    power = 0.8 if abs(effect.mean) > smallest_effect else 0.9
    if effect.sd <= 1e-12 * max(map(abs, effect.pairs)):
        needed: int | None = max(SIGN_FLIP_FROM, fewest_pairs(comparisons, alpha=alpha))
    else:
        needed = pairs_needed(distance / effect.sd, comparisons, power=power, alpha=alpha)
    return None if needed is None else max(1, needed - effect.n)


def p_words(p: float) -> str:
    """`= 0.031`, or `< 0.001`."""
    return "< 0.001" if p < 0.001 else f"= {p:.2g}"
