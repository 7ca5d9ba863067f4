"""Where on the depth axis shortcuts pay: gain by depth, degradation, onset and crossover.

Errors of an arm are a mapping from depth to one error for each seed, in the same order of seeds
throughout. `largest` is the largest error there can be, by which intervals are clipped.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nas.statistics.paired import Effect, paired_effect, twin_effect
from nas.statistics.resampling import Array, draw, quantiles, tails

Errors = Mapping[int, ArrayLike]

#: mean errors that differ by less are equal
TIE = 1e-9


@dataclass(frozen=True)
class OnsetDepth:
    """The smallest depth whose gain surely exceeds `smallest_effect` (None: no depth does), whether
    every deeper one does too, which is what "from here on" needs, and whether it is the deepest
    one tried, so that there is no deeper one. `confidence` holds for all depths together.
    """

    depth: int | None
    holds_deeper: bool
    smallest_effect: float
    is_deepest: bool = False
    confidence: float = 0.95


@dataclass(frozen=True)
class CrossoverDepth:
    """The depths of least mean error, from `depth` to `last` if several are equal; `low` to `high`
    is their interval and `shares` the share of resamples by depth, ties divided evenly.

    `censored` and `censored_shallow` say that the interval reaches the deepest or the shallowest
    depth tried, so the least error may lie beyond; `saturated` that the least mean error is 0.
    """

    depth: int
    low: int
    high: int
    censored: bool
    shares: dict[int, float]
    n: int
    last: int
    censored_shallow: bool
    saturated: bool


def twin_gain(
    plain: Errors, residual: Errors, *, largest: float = inf, **options: Any
) -> dict[int, Effect]:
    """G(d) = e_plain(d) - e_residual(d) at each depth of both arms: positive where shortcuts
    pay.
    """
    depths = sorted(plain.keys() & residual.keys())
    bounds = (-largest, largest)
    return {d: twin_effect(plain[d], residual[d], bounds=bounds, **options) for d in depths}


def degradation_difference(
    plain: Errors,
    residual: Errors,
    *,
    shallow: int | None = None,
    deep: int | None = None,
    largest: float = inf,
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
    bounds = (-2 * largest, 2 * largest)
    return twin_effect(plain_cost, residual_cost, bounds=bounds, **options)


def onset_depth(gains: Mapping[int, Effect], smallest_effect: float) -> OnsetDepth:
    """d* = the smallest depth whose lower bound exceeds the smallest effect of interest, set
    beforehand. The intervals hold at all depths together (Bonferroni).
    """
    depths = sorted(gains)
    confidence = min((gain.confidence for gain in gains.values()), default=0.95)
    clears = [
        gains[d].resolved and joint_low(gains[d], len(depths)) > smallest_effect for d in depths
    ]
    if True not in clears:
        return OnsetDepth(None, False, smallest_effect, confidence=confidence)
    first = clears.index(True)
    return OnsetDepth(
        depth=depths[first],
        holds_deeper=all(clears[first:]),
        smallest_effect=smallest_effect,
        is_deepest=first == len(depths) - 1,
        confidence=confidence,
    )


def joint_low(effect: Effect, comparisons: int) -> float:
    """The low end of the interval that holds for so many effects together."""
    confidence = 1 - (1 - effect.confidence) / comparisons
    return paired_effect(effect.pairs, confidence=confidence).low


def crossover_depth(
    errors: Errors, *, confidence: float = 0.95, resamples: int = 10_000, seed: int = 0
) -> CrossoverDepth:
    """d_x = the depths of least mean error; interval by resampling whole seeds (percentile), from
    the shallowest to the deepest of those that are equal in a resample.
    """
    depths = np.array(sorted(errors))
    table = np.stack([by_seed(errors, int(d)) for d in depths], axis=1)
    least, drawn = np.flatnonzero(least_of(table.mean(axis=0))), draw(len(table), resamples, seed)
    best = least_of(drawn.counts @ table / len(table))
    first, last = best.argmax(axis=1), best.shape[1] - 1 - best[:, ::-1].argmax(axis=1)
    low = int(quantiles(first.astype(float), drawn.weights, tails(confidence))[0])
    high = int(quantiles(last.astype(float), drawn.weights, tails(confidence))[1])
    shares = drawn.weights @ (best / best.sum(axis=1, keepdims=True)) / drawn.weights.sum()
    return CrossoverDepth(
        depth=int(depths[least[0]]),
        low=int(depths[low]),
        high=int(depths[high]),
        censored=high == len(depths) - 1,
        shares={int(d): float(share) for d, share in zip(depths, shares, strict=True)},
        n=len(table),
        last=int(depths[least[-1]]),
        censored_shallow=low == 0,
        saturated=bool(table.mean(axis=0).min() <= TIE),
    )


def least_of(means: Array) -> NDArray[np.bool_]:
    """Which entries of the last axis are equal to its least one."""
    least: NDArray[np.bool_] = means <= means.min(axis=-1, keepdims=True) + TIE
    return least


def by_seed(errors: Errors, depth: int) -> Array:
    """The errors at a depth as an array."""
    return np.asarray(errors[depth], dtype=float)
