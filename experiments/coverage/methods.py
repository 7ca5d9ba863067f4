"""Intervals of a mean: those of `nas`, by their names there, and others to compare them with.

Each takes pairs and a confidence; where a method has nothing to work with (too few distinct values)
the next simpler one is taken.
"""

from collections.abc import Callable
from functools import lru_cache, partial
from math import sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from nas.statistics.intervals import beta_bootstrap_t, student_t
from nas.statistics.resampling import draw, quantiles, tails

Array = NDArray[np.float64]
Method = Callable[[Array, float], tuple[float, float]]

RESAMPLES = 2_000


def studentised(pairs: Array, confidence: float) -> tuple[float, float]:
    """mean - t* s / sqrt(n), t* the quantiles of (mean* - mean) / (s* / sqrt(n)) over resamples
    (Efron, 1979; Hall, 1988); Student's t below 5 pairs or if too many resamples have no spread.
    """
    n, drawn = len(pairs), draw(len(pairs), RESAMPLES, 0)
    centred = pairs - pairs.mean()
    means = drawn.counts @ centred / n
    variances = (drawn.counts @ centred**2 / n - means**2) * n / (n - 1)
    spread = variances > 1e-9 * centred.var()
    if n < 5 or drawn.weights[~spread].sum() > (1 - confidence) / 4:
        return student_t(pairs, confidence)
    t = means[spread] / np.sqrt(variances[spread] / n)
    low, high = quantiles(t, drawn.weights[spread], tails(confidence))
    error = pairs.std(ddof=1) / sqrt(n)
    return float(pairs.mean() - high * error), float(pairs.mean() - low * error)


def bca(pairs: Array, confidence: float) -> tuple[float, float]:
    """Quantiles Phi(z0 + (z0 + z) / (1 - a (z0 + z))) of mean*, a from the jackknife (Efron,
    1987); the percentile bootstrap if all of mean* lie on one side.
    """
    drawn = draw(len(pairs), RESAMPLES, 0)
    centred = pairs - pairs.mean()
    means = drawn.counts @ centred / len(pairs)
    below = drawn.weights[means < 0].sum() + drawn.weights[means == 0].sum() / 2
    if not 0 < below < 1:
        return percentile(pairs, confidence)
    bias = ndtri(below)
    acceleration = (centred**3).sum() / (6 * (centred**2).sum() ** 1.5)
    z = bias + ndtri(np.array(tails(confidence)))
    at_low, at_high = ndtr(bias + z / (1 - acceleration * z))
    low, high = quantiles(means, drawn.weights, (float(at_low), float(at_high)))
    return float(pairs.mean()) + low, float(pairs.mean()) + high


def percentile(pairs: Array, confidence: float) -> tuple[float, float]:
    """The quantiles of mean* (Efron, 1979)."""
    drawn = draw(len(pairs), RESAMPLES, 0)
    return quantiles(drawn.counts @ pairs / len(pairs), drawn.weights, tails(confidence))


def gaffke(pairs: Array, confidence: float, *, low: float, high: float) -> tuple[float, float]:
    """The quantiles of the mean of all pairs and one at an end of what is possible, weighed by
    Dirichlet weights (Gaffke, 2005; Learned-Miller & Thomas, 2019): made to cover whatever the
    distribution is within [low, high].
    """
    weights = dirichlet(len(pairs) + 1)
    values, (lower, upper) = np.sort(pairs), tails(confidence)
    return (
        float(np.quantile(weights @ np.insert(values, 0, low), lower)),
        float(np.quantile(weights @ np.append(values, high), upper)),
    )


@lru_cache
def dirichlet(n: int) -> Array:
    """Rows of n weights, evenly distributed among those that add up to 1."""
    return np.random.default_rng(0).dirichlet(np.ones(n), RESAMPLES)


def beta_t(pairs: Array, confidence: float) -> tuple[float, float]:
    """That of `nas` from 5 pairs on, at any number of pairs."""
    return beta_bootstrap_t(pairs, confidence, RESAMPLES, 0)


METHODS: dict[str, Method] = {
    "Student t": student_t,
    "beta bootstrap t": beta_t,
    "studentised bootstrap": studentised,
    "BCa bootstrap": bca,
    "percentile bootstrap": percentile,
    "bounded (Gaffke)": partial(gaffke, low=-100.0, high=100.0),
}


def ends(method: Method, pairs: Array, confidence: float = 0.95) -> tuple[float, float]:
    """The interval of a method; a point if all pairs are equal."""
    if np.ptp(pairs) <= 1e-12 * np.abs(pairs).max():
        return float(pairs.mean()), float(pairs.mean())
    return method(pairs, confidence)
