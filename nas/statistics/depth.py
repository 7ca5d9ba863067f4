"""Where on the depth axis shortcuts pay: gain by depth, degradation, onset and crossover.

Errors of an arm are a mapping from depth to one error for each seed, in the same order of seeds
throughout.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from nas.statistics.intervals import Array, draw, quantiles, tails
from nas.statistics.paired import Effect, paired_effect

Errors = Mapping[int, ArrayLike]


@dataclass(frozen=True)
class OnsetDepth:
    """The smallest depth whose gain surely exceeds `smallest_effect` (None: no depth does), and
    whether every deeper one does too, which is what "from here on" needs.
    """

    depth: int | None
    holds_deeper: bool
    smallest_effect: float


@dataclass(frozen=True)
class CrossoverDepth:
    """The depth of least mean error. `low` to `high` is its interval and `shares` the share of
    resamples by depth; `censored` says that the interval reaches the deepest one tried, so it may
    lie beyond.
    """

    depth: int
    low: int
    high: int
    censored: bool
    shares: dict[int, float]
    n: int


def twin_gain(plain: Errors, residual: Errors, **options: Any) -> dict[int, Effect]:
    """G(d) = e_plain(d) - e_residual(d) at each depth of both arms: positive where shortcuts
    pay.
    """
    depths = sorted(plain.keys() & residual.keys())
    return {d: paired_effect(by_seed(plain, d) - by_seed(residual, d), **options) for d in depths}


def degradation_difference(
    plain: Errors,
    residual: Errors,
    *,
    shallow: int | None = None,
    deep: int | None = None,
    **options: Any,
) -> Effect:
    """The primary estimand, I = [e_plain(deep) - e_plain(shallow)] - [e_res(deep) - e_res(shallow)]
    of the training error: what depth costs a plain network beyond what it costs one with shortcuts
    (He et al., 2015, table 2). The depths are the ends of the ladder unless they are given.
    """
    depths = sorted(plain.keys() & residual.keys())
    if len(depths) < 2:
        raise ValueError(
            f"a difference over depth needs two depths in both arms, but there are {depths}."
        )
    d1, d2 = shallow or depths[0], deep or depths[-1]
    plain_cost = by_seed(plain, d2) - by_seed(plain, d1)
    residual_cost = by_seed(residual, d2) - by_seed(residual, d1)
    return paired_effect(plain_cost - residual_cost, **options)


def onset_depth(gains: Mapping[int, Effect], smallest_effect: float) -> OnsetDepth:
    """d* = the smallest depth whose lower bound exceeds the smallest effect of interest, set
    beforehand.
    """
    depths = sorted(gains)
    clears = [gains[d].resolved and gains[d].low > smallest_effect for d in depths]
    if True not in clears:
        return OnsetDepth(None, False, smallest_effect)
    first = clears.index(True)
    return OnsetDepth(depths[first], all(clears[first:]), smallest_effect)


def crossover_depth(
    errors: Errors, *, confidence: float = 0.95, resamples: int = 10_000, seed: int = 0
) -> CrossoverDepth:
    """d_x = argmin over depth of the mean error; interval by resampling whole seeds
    (percentile).
    """
    depths = np.array(sorted(errors))
    table = np.stack([by_seed(errors, int(d)) for d in depths], axis=1)
    drawn = draw(len(table), resamples, seed)
    best = (drawn.counts @ table).argmin(axis=1)
    low, high = quantiles(best.astype(float), drawn.weights, tails(confidence))
    shares = np.bincount(best, weights=drawn.weights, minlength=len(depths)) / drawn.weights.sum()
    return CrossoverDepth(
        depth=int(depths[table.mean(axis=0).argmin()]),
        low=int(depths[int(low)]),
        high=int(depths[int(high)]),
        censored=int(high) == len(depths) - 1,
        shares={int(d): float(share) for d, share in zip(depths, shares, strict=True)},
        n=len(table),
    )


def by_seed(errors: Errors, depth: int) -> Array:
    """The errors at a depth as an array."""
    return np.asarray(errors[depth], dtype=float)
