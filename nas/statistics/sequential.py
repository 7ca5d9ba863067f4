"""Looking after every pair: intervals and answers that stay valid whenever one stops.

The t-test as an e-process (Rouder et al. 2009, doi:10.3758/PBR.16.2.225, with a normal prior of
variance one on the standardised effect; valid at every look by Ville's inequality, as the t
statistics are scale invariant: Lai 1976, doi:10.1214/aos/1176343406). Normal pairs are assumed;
what it does on others is in `experiments/coverage`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import exp, inf, log, log1p, sqrt

import numpy as np

from nas.statistics.answers import Answer, Word, where
from nas.statistics.family import holm
from nas.statistics.paired import Effect
from nas.statistics.power import MOST_PAIRS

#: the method of intervals that hold at every look
EVERY_LOOK = "confidence sequence"
#: variance of the prior on the effect in standard deviations of a pair
PRIOR = 1.0


def log_e_value(pairs: Sequence[float], mean: float) -> float:
    """The logarithm of the evidence of some pairs against their true mean being `mean`; 0 of fewer
    than two, or of pairs that are all equal, which tell no scale.
    """
    values = np.asarray(pairs, dtype=float)
    if len(values) < 2 or is_constant(values):
        return 0.0
    free, spread = len(values) - 1, 1 + PRIOR * len(values)
    squared = len(values) * (values.mean() - mean) ** 2 / values.var(ddof=1) / free
    return 0.5 * ((free + 1) * (log1p(squared) - log1p(squared / spread)) - log(spread))


def half_width(pairs: Sequence[float], alpha: float) -> float:
    """How far from their mean the interval of some pairs reaches: `log_e_value` is `log(1 / alpha)`
    there; inf if no mean can be left out.
    """
    values = np.asarray(pairs, dtype=float)
    if len(values) < 2 or is_constant(values):
        return inf
    return reach(len(values), alpha) * float(values.std(ddof=1))


def is_constant(values: np.ndarray) -> bool:
    """Whether pairs are equal but for rounding."""
    return bool(values.std() <= 1e-12 * max(1.0, np.abs(values).max()))


def confidence_sequence(pairs: Sequence[float], alpha: float = 0.05) -> tuple[float, float]:
    """The interval that holds the mean at all looks together with probability 1 - alpha: what the
    intervals after each pair have in common, that of the last look if they have nothing.
    """
    ends = [around(pairs[:number], alpha) for number in range(1, len(pairs) + 1)]
    low, high = max(low for low, _ in ends), min(high for _, high in ends)
    return (low, high) if low <= high else ends[-1]


def around(pairs: Sequence[float], alpha: float) -> tuple[float, float]:
    """The interval after some pairs, without those before."""
    half = half_width(pairs, alpha)
    if half == inf:
        return -inf, inf
    return float(np.mean(pairs)) - half, float(np.mean(pairs)) + half


def sequential_answers(
    effects: Mapping[str, Effect],
    smallest_effect: float,
    *,
    alpha: float = 0.05,
    planned: int = 0,
) -> dict[str, tuple[Effect, Answer]]:
    """Each effect of one family with the interval of all its looks, and its answer, in the sense of
    `nas.statistics.answers`: with a look after every pair at most alpha of the families have a
    false one. Its p is the least one over the looks, corrected by Holm; planned effects without a
    pair count with a p of 1.
    """
    comparisons = max(planned, len(effects))
    said = {name: claim(effect.pairs, smallest_effect) for name, effect in effects.items()}
    p_values = [p for _, p in said.values()]
    adjusted = holm([*p_values, *[1.0] * (comparisons - len(p_values))])
    found = {}
    for (name, effect), p in zip(effects.items(), adjusted[: len(p_values)], strict=True):
        low, high = confidence_sequence(effect.pairs, alpha)
        told = replace(effect, low=low, high=high, method=EVERY_LOOK)
        word = said[name][0]
        if p <= alpha and where(low, high, smallest_effect) == word:
            found[name] = told, Answer(word, p)
        else:
            more = more_pairs_to_stop(effect, smallest_effect, alpha / comparisons)
            found[name] = told, Answer("undecided", p, more)
    return found


def claim(pairs: Sequence[float], smallest_effect: float) -> tuple[Word, float]:
    """What the look with the most evidence claims, and its p: an effect of at least the smallest
    one where the mean lies beyond it, else a smaller one.
    """
    looks = [
        (log_p(pairs[:number], smallest_effect), number) for number in range(2, len(pairs) + 1)
    ]
    if not looks:
        return "undecided", 1.0
    p, number = min(looks)
    return claimed(pairs[:number], smallest_effect), min(1.0, exp(p))


def claimed(pairs: Sequence[float], smallest_effect: float) -> Word:
    """What the mean of some pairs would say if it were the true one."""
    mean = float(np.mean(pairs))
    if abs(mean) <= smallest_effect:
        return "no difference"
    return "pays" if mean > 0 else "costs"


def log_p(pairs: Sequence[float], smallest_effect: float) -> float:
    """The logarithm of the p of what some pairs claim: against the nearer bound of the smallest
    effect.
    """
    bound = smallest_effect if np.mean(pairs) >= 0 else -smallest_effect
    return -log_e_value(pairs, bound)


def more_pairs_to_stop(effect: Effect, smallest_effect: float, alpha: float) -> int | None:
    """How many pairs more decide an effect if their mean and spread stay as they are; None if a
    thousand are too few, or nothing is known of the spread.
    """
    if effect.n < 2 or is_constant(np.asarray(effect.pairs)):
        return None
    distance = abs(abs(effect.mean) - smallest_effect) / effect.sd
    needed = stopping_pairs(distance, alpha)
    return None if needed is None else max(1, needed - effect.n)


def stopping_pairs(distance: float, alpha: float) -> int | None:
    """The pairs after which a mean so many standard deviations of a pair away from a bound is told
    from it, if mean and spread are what they are on average; None if a thousand are too few.
    """
    return next((n for n in range(2, MOST_PAIRS + 1) if reach(n, alpha) < distance), None)


def reach(pairs: int, alpha: float) -> float:
    """`half_width` of so many pairs, in standard deviations of a pair."""
    free, spread = pairs - 1, 1 + PRIOR * pairs
    ratio = exp((2 * log(1 / alpha) + log(spread)) / (free + 1))
    return inf if ratio >= spread else sqrt(free * (ratio - 1) / (1 - ratio / spread) / pairs)
