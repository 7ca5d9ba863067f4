"""Before a run: what so many pairs can resolve, and from how many pairs on anything can be."""

from itertools import count
from math import comb, inf, sqrt

from scipy.special import nctdtrinc, stdtrit

#: pairs beyond which nobody is told how many more it would take
MOST_PAIRS = 1_000


def resolvable_effect(
    pairs: int, comparisons: int = 1, *, power: float = 0.8, alpha: float = 0.05
) -> float:
    """The effect, in standard deviations of a pair, that `pairs` pairs resolve with probability
    `power` as the first of `comparisons` comparisons under Holm's correction; inf if the exact
    test cannot reject with so few pairs, whatever the effect (see `fewest_pairs`).

    The power is that of the two-sided paired t-test on normal differences. The rule that decides
    asks for an exact test and the interval too: simulated at this effect it resolves 70 to 80% for
    pairs of arms that hardly correlate (64 to 79% at .3, from 5 pairs on).
    """
    if pairs < fewest_pairs(comparisons, alpha=alpha):
        return inf
    return t_resolvable(pairs, comparisons, power, alpha)


def pairs_needed(
    effect: float, comparisons: int = 1, *, power: float = 0.8, alpha: float = 0.05
) -> int | None:
    """The fewest pairs that resolve an effect of so many standard deviations of a pair with
    probability `power`, in the sense of `resolvable_effect`; None if a thousand are too few.
    """
    low, high = fewest_pairs(comparisons, alpha=alpha), MOST_PAIRS
    if t_resolvable(high, comparisons, power, alpha) > effect:
        return None
    while low < high:
        middle = (low + high) // 2
        if t_resolvable(middle, comparisons, power, alpha) <= effect:
            high = middle
        else:
            low = middle + 1
    return low


def t_resolvable(pairs: int, comparisons: int, power: float, alpha: float) -> float:
    """The noncentrality at which t(n-1) passes its critical value with probability `power`, over
    sqrt(n) (Cohen, 1988, section 2.5; the other tail is negligible).
    """
    critical = stdtrit(pairs - 1, 1 - alpha / comparisons / 2)
    return float(nctdtrinc(pairs - 1, 1 - power, critical)) / sqrt(pairs)


def fewest_pairs(comparisons: int = 1, *, alpha: float = 0.05) -> int:
    """The fewest pairs at which the exact unpaired permutation test can reject the first of
    `comparisons` comparisons under Holm's correction: its smallest p is 2 / C(2n, n).
    """
    return next(n for n in count(2) if smallest_p(n) * comparisons <= alpha)


def smallest_p(pairs: int) -> float:
    """The smallest p of the exact two-sided unpaired permutation test of two groups of so many."""
    return 2 / comb(2 * pairs, pairs)
