"""The effect of one difference between twins: a mean over pairs, its interval and its tests."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import stdtr

from nas.statistics.intervals import UNBOUNDED, Bounds, interval
from nas.statistics.permutation import finite_array, permutation_p, sign_flip_p

#: pairs from which on the sign-flip test can reach 5%
SIGN_FLIP_FROM = 6


@dataclass(frozen=True)
class Effect:
    """The mean of paired differences with its interval. `p_value` is the sign-flip one, from 6
    pairs on; `unpaired_p` that of the exact permutation of both arms, if these are known;
    `saturated`: every run of both arms had an error of 0, so that there was nothing to gain.
    """

    mean: float
    low: float
    high: float
    pairs: tuple[float, ...]
    p_value: float | None
    confidence: float
    method: str
    unpaired_p: float | None = None
    saturated: bool = False

    @property
    def n(self) -> int:
        """The number of pairs."""
        return len(self.pairs)

    @property
    def sd(self) -> float:
        """The standard deviation of a pair; nan if there is only one."""
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
    bounds: Bounds = UNBOUNDED,
) -> Effect:
    """The mean of the differences, one for each seed, which lie within `bounds`; see
    `nas.statistics.intervals` for the method.

    A run that diverged counts with the error it had (that of chance), so every difference is a
    number.
    """
    pairs = finite_array(differences)
    ends = interval(
        pairs, method, confidence=confidence, resamples=resamples, seed=seed, bounds=bounds
    )
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


def twin_effect(reference: ArrayLike, arm: ArrayLike, **options: Any) -> Effect:
    """The mean of reference less arm, one error of each for each seed: positive if the arm is
    better. `options` are those of `paired_effect`.
    """
    worse, better = np.asarray(reference, dtype=float), np.asarray(arm, dtype=float)
    effect = paired_effect(worse - better, **options)
    return replace(
        effect,
        unpaired_p=permutation_p(worse, better),
        saturated=not worse.any() and not better.any(),
    )


def decision_p(effect: Effect) -> tuple[float, str]:
    """The p that decides about an effect, and the test it is of: that of the paired t-test, but
    never below what an exact test gives from so few pairs, and whatever the number of hypotheses.
    The exact test is the unpaired permutation of both arms, if these are known, or the sign-flip
    test, whichever has the smaller p: one reaches further from few pairs, the other uses that
    pairs correlate.
    """
    tests = [(sign_flip_p(effect.pairs), "sign-flip")]
    if effect.unpaired_p is not None:
        tests.append((effect.unpaired_p, "unpaired permutation"))
    return max(min(tests), (student_p(effect.pairs), "paired t"), key=lambda test: test[0])


def student_p(differences: Iterable[float]) -> float:
    """Two-sided p of the paired t-test; 1 for one pair, and 0 if all pairs are equal and not 0."""
    pairs = finite_array(differences)
    if len(pairs) == 1:
        return 1.0
    error = pairs.std(ddof=1) / sqrt(len(pairs))
    if error <= 1e-12 * np.abs(pairs).max():
        return float(not pairs.any())
    return float(2 * stdtr(len(pairs) - 1, -abs(pairs.mean()) / error))
