"""The confidence interval of a mean from few, skewed pairs: which method, and how it is computed.

The rule: Student's t below 5 pairs, and from there on the bootstrap-t with weights from
Beta(1/2, 3/2) (Owen, 2025, arXiv:2508.10083), clipped to what is possible. Coverage in % of nominal
95% intervals in `experiments/coverage`, where more methods and widths are compared:

    pairs                     Student t    this rule   studentised    BCa
    real pairs on digits, 5   93 to 95     93 to 95    93 to 95       81 to 86
    12                        93 to 96     94 to 96    94 to 97       89 to 94
    lognormal, 5 / 12         81 / 84      85 / 89     90 / 91        74 / 84
    width at 5 pairs          1            1.05        1.31           .64

No method knows of a rare failure that none of the pairs shows: see `nas.statistics.hurdle`.
"""

from collections.abc import Callable
from math import inf, sqrt
from typing import NamedTuple

import numpy as np
from scipy.special import stdtrit

from nas.statistics.resampling import Array, beta_weights, tails

Bounds = tuple[float, float]

BOOTSTRAP_FROM = 5
UNBOUNDED: Bounds = (-inf, inf)


class Interval(NamedTuple):
    """Two ends and the name of the method that gave them."""

    low: float
    high: float
    method: str


Method = Callable[[Array, float, int, int], tuple[float, float]]


def student_t(pairs: Array, confidence: float, *_: int) -> tuple[float, float]:
    """mean +- t(n-1) s / sqrt(n) (Student, 1908)."""
    error = pairs.std(ddof=1) / sqrt(len(pairs))
    half = stdtrit(len(pairs) - 1, (1 + confidence) / 2) * error
    return float(pairs.mean() - half), float(pairs.mean() + half)


def beta_bootstrap_t(
    pairs: Array, confidence: float, resamples: int, seed: int
) -> tuple[float, float]:
    """mean - t* s / sqrt(n), t* the quantiles of (mean* - mean) / (s* / sqrt(n)), where mean* and
    s* weigh each pair by Beta(1/2, 3/2) weights that add up to 1, and s and s* divide by n (Owen,
    2025).
    """
    centred = np.sort(pairs) - pairs.mean()
    weights = beta_weights(len(pairs), resamples, seed)
    means = weights @ centred
    variances = np.maximum(weights @ centred**2 - means**2, 1e-12 * centred.var())
    low, high = np.quantile(means / np.sqrt(variances), tails(confidence))
    return float(pairs.mean() - high * pairs.std()), float(pairs.mean() - low * pairs.std())


METHODS: dict[str, Method] = {"Student t": student_t, "beta bootstrap t": beta_bootstrap_t}


def choose(n: int) -> str:
    """The method of `auto` for n pairs."""
    return "Student t" if n < BOOTSTRAP_FROM else "beta bootstrap t"


def interval(
    pairs: Array,
    method: str,
    *,
    confidence: float,
    resamples: int,
    seed: int,
    bounds: Bounds = UNBOUNDED,
) -> Interval:
    """The interval of the mean of the pairs, clipped to `bounds`; without ends from one pair, and a
    point if all pairs are equal.
    """
    if len(pairs) == 1:
        return Interval(-inf, inf, "none from one pair")
    if np.ptp(pairs) <= 1e-12 * np.abs(pairs).max():
        return Interval(float(pairs.mean()), float(pairs.mean()), "all pairs are equal")
    name = choose(len(pairs)) if method == "auto" else method
    low, high = METHODS[name](pairs, confidence, resamples, seed)
    return Interval(max(low, bounds[0]), min(high, bounds[1]), name)
