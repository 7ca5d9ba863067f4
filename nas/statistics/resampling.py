"""Resamples: how much each seed or pair weighs in them, and quantiles over them."""

from functools import lru_cache
from itertools import combinations
from math import comb, factorial, log2
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv

Array = NDArray[np.float64]


class Resamples(NamedTuple):
    """How often each pair is drawn in a resample, and the probability of that resample."""

    counts: Array
    weights: Array


@lru_cache(maxsize=64)
def draw(n: int, resamples: int, seed: int) -> Resamples:
    """All distinct resamples with their multinomial weights if they are few, else a random draw."""
    if comb(2 * n - 1, n) <= resamples:
        return every_resample(n)
    drawn, counts = np.random.default_rng(seed), np.empty((resamples, n))
    for rows in np.array_split(counts, -(-resamples // 1000)):  # whole integers take as much memory
        rows[:] = drawn.multinomial(n, np.full(n, 1 / n), size=len(rows))
    return Resamples(counts, np.full(resamples, 1 / resamples))


def every_resample(n: int) -> Resamples:
    """The C(2n-1, n) ways to draw n of n with replacement (Hall, 1992, appendix I)."""
    bars = [(-1, *some, 2 * n - 1) for some in combinations(range(2 * n - 1), n - 1)]
    counts = np.diff(np.array(bars), axis=1) - 1
    factorials = np.array([factorial(k) for k in range(n + 1)], dtype=float)
    weights = factorials[n] / factorials[counts].prod(axis=1) / float(n) ** n
    return Resamples(counts.astype(float), weights)


@lru_cache(maxsize=64)
def beta_weights(n: int, resamples: int, seed: int) -> Array:
    """Rows of n weights that add up to 1, from Beta(1/2, 3/2) and divided by their sum: the largest
    power of two up to `resamples`, half of them scrambled Sobol points and the other half these
    turned round. So for sorted values neither order nor sign matters.
    """
    from scipy.stats.qmc import Sobol  # half a second, for whoever needs it

    points = Sobol(n, seed=seed).random_base2(int(log2(resamples)) - 1)
    drawn = betaincinv(0.5, 1.5, np.clip(points, 1e-12, 1 - 1e-12))
    drawn /= drawn.sum(axis=1, keepdims=True)
    return np.concatenate([drawn, drawn[:, ::-1]])


def quantiles(values: Array, weights: Array, at: tuple[float, float]) -> tuple[float, float]:
    """The smallest values below which a share `at` of the weight lies."""
    order = np.argsort(values)
    shares = np.cumsum(weights[order])
    places = np.searchsorted(shares, np.asarray(at) * shares[-1] - 1e-12)
    low, high = values[order][np.minimum(places, len(values) - 1)]
    return float(low), float(high)


def tails(confidence: float) -> tuple[float, float]:
    """The two probabilities that leave `confidence` between them."""
    return (1 - confidence) / 2, (1 + confidence) / 2
