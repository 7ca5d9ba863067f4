"""The effect of one difference between twins: a mean over pairs, its interval, its sign-flip p."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from math import sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr

from nas.statistics.intervals import Array, interval

SIGN_FLIP_FROM = 6
ENUMERATED_TO = 20


@dataclass(frozen=True)
class Effect:
    """The mean of paired differences with its interval; `p_value` is the sign-flip one, from 6
    pairs on.
    """

    mean: float
    low: float
    high: float
    pairs: tuple[float, ...]
    p_value: float | None
    confidence: float
    method: str

    @property
    def n(self) -> int:
        """The number of pairs."""
        return len(self.pairs)

    @property
    def sd(self) -> float:
        """The standard deviation of a pair; nan where there is only one."""
        return float(np.std(self.pairs, ddof=1)) if self.n > 1 else float("nan")

    @property
    def resolved(self) -> bool:
        """Whether the interval leaves zero out; pairs that are all equal need to be six or more."""
        return (self.low > 0 or self.high < 0) and (
            self.low < self.high or self.n >= SIGN_FLIP_FROM
        )


def paired_effect(
    differences: Iterable[float],
    *,
    confidence: float = 0.95,
    resamples: int = 10_000,
    seed: int = 0,
    method: str = "auto",
) -> Effect:
    """The mean of the differences, one for each seed; see `nas.statistics.intervals` for the
    method.

    A run that diverged counts with the error it had (that of chance), so every difference is a
    number.
    """
    pairs = finite(differences)
    ends = interval(pairs, method, confidence=confidence, resamples=resamples, seed=seed)
    p_value = (
        sign_flip_p(pairs, resamples=resamples, seed=seed) if len(pairs) >= SIGN_FLIP_FROM else None
    )
    return Effect(
        mean=float(pairs.mean()),
        low=ends.low,
        high=ends.high,
        pairs=tuple(pairs.tolist()),
        p_value=p_value,
        confidence=confidence,
        method=ends.method,
    )


def finite(values: Iterable[float]) -> Array:
    """The values as an array; ValueError where there are none or one of them is not a number."""
    array = np.asarray(list(values), dtype=float)
    if array.size == 0:
        raise ValueError("an effect needs at least one pair, but there are none.")
    if not np.isfinite(array).all():
        raise ValueError(
            f"every value must be a finite number, but these are {array.tolist()}: "
            "a run that diverged counts with the error of chance."
        )
    return array


def sign_flip_p(differences: Iterable[float], *, resamples: int = 10_000, seed: int = 0) -> float:
    """Two-sided share of sign patterns with a sum at least as far from zero (Fisher, 1935).

    Exact up to 20 pairs; beyond, (1 + hits) / (1 + resamples) of random patterns (Phipson & Smyth,
    2010).
    """
    pairs = finite(differences)
    bar = abs(pairs.sum()) - 1e-9 * np.abs(pairs).sum()
    if len(pairs) > ENUMERATED_TO:
        signs = signs_drawn(len(pairs), resamples, seed)
        return float((1 + (np.abs(signs @ pairs) >= bar).sum()) / (1 + resamples))
    sums = pairs[:1]
    for pair in pairs[1:]:
        sums = np.concatenate([sums + pair, sums - pair])
    return float((np.abs(sums) >= bar).mean())


@lru_cache(maxsize=4)
def signs_drawn(n: int, resamples: int, seed: int) -> NDArray[np.int8]:
    """Random patterns of n signs, the same for all effects of as many pairs."""
    drawn, signs = np.random.default_rng(seed), np.empty((resamples, n), dtype=np.int8)
    for rows in np.array_split(signs, -(-resamples // 1000)):  # choice takes 16 bytes for each
        rows[:] = drawn.choice([-1, 1], size=rows.shape)
    return signs


def student_p(differences: Iterable[float]) -> float:
    """Two-sided p of the paired t-test; the sign-flip p where all pairs are equal, 1 for one
    pair.
    """
    pairs = finite(differences)
    if len(pairs) == 1:
        return 1.0
    error = pairs.std(ddof=1) / sqrt(len(pairs))
    if error <= 1e-12 * np.abs(pairs).max():
        return sign_flip_p(pairs)
    return float(2 * stdtr(len(pairs) - 1, -abs(pairs.mean()) / error))
