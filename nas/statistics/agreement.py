"""Twins picture by picture: on which pictures one is right and the other is wrong."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np
from scipy.special import stdtrit

from nas.statistics.rates import mcnemar_p
from nas.statistics.resampling import Array, tails

#: resamples of seeds and pictures
RESAMPLES = 2000


@dataclass(frozen=True)
class Agreement:
    """Pictures in points of all, as means over the pairs: both right, one alone, neither. `gain` is
    `only_arm` less `only_reference`; its interval is over seeds and pictures, so also over what
    other pictures may say, and None of one pair. p_values: McNemar's of each pair, exact; None if
    fewer than six of its pictures disagree.
    """

    both: float
    only_reference: float
    only_arm: float
    neither: float
    gain: float
    low: float | None
    high: float | None
    p_values: tuple[float | None, ...]
    pictures: int

    @property
    def n(self) -> int:
        """The number of pairs."""
        return len(self.p_values)


def agreement(
    reference: Sequence[Sequence[bool]],
    arm: Sequence[Sequence[bool]],
    *,
    confidence: float = 0.95,
    seed: int = 0,
) -> Agreement:
    """Which pictures each twin classifies rightly, for each seed the same pictures in the same
    order.
    """
    first, second = np.array(reference, dtype=bool), np.array(arm, dtype=bool)
    only_reference, only_arm = first & ~second, second & ~first
    low, high = two_way_interval(
        100.0 * (only_arm.astype(float) - only_reference), confidence, seed
    )
    return Agreement(
        both=points(first & second),
        only_reference=points(only_reference),
        only_arm=points(only_arm),
        neither=points(~first & ~second),
        gain=points(only_arm) - points(only_reference),
        low=low,
        high=high,
        p_values=tuple(
            mcnemar_p(int(a.sum()), int(b.sum()))
            for a, b in zip(only_reference, only_arm, strict=True)
        ),
        pictures=first.shape[1],
    )


def points(which: Array) -> float:
    """A share in points."""
    return float(100 * which.mean())


def two_way_interval(
    table: Array, confidence: float, seed: int
) -> tuple[float | None, float | None]:
    """mean +- t s* of a table of (seeds, pictures), t Student's with a degree of freedom less than
    there are seeds, and s* the deviation of means over seeds and pictures that are both drawn with
    replacement, independently of each other, times sqrt(n / (n - 1)).

    The bootstrap of two crossed factors by Owen (2007, doi 10.1214/07-AOAS122), whose variance is
    on the large side; Student's t because there are few seeds. None of one seed.
    """
    seeds, pictures = table.shape
    if seeds < 2:
        return None, None
    drawn = np.random.default_rng(seed)
    rows = drawn.multinomial(seeds, np.full(seeds, 1 / seeds), size=RESAMPLES)
    columns = drawn.multinomial(pictures, np.full(pictures, 1 / pictures), size=RESAMPLES)
    means = np.einsum("bp,bp->b", rows @ table, columns) / table.size
    half = stdtrit(seeds - 1, tails(confidence)[1]) * means.std() * sqrt(seeds / (seeds - 1))
    mean = table.mean()
    return max(-100.0, float(mean - half)), min(100.0, float(mean + half))
