"""How much sooner: steps to a loss threshold, where some runs never get there."""

from collections.abc import Iterable
from dataclasses import dataclass
from math import exp, inf
from typing import Any

import numpy as np

from nas.statistics.paired import Effect, paired_effect
from nas.statistics.resampling import Array


@dataclass(frozen=True)
class SpeedUp:
    """Steps to a threshold, plain against residual, up to `horizon` steps; a run that never got
    there is censored.

    `ratio` is the geometric mean over pairs of plain / residual steps with its interval. If plain
    runs alone are censored the ratio is `at_least` that much and `high` is None; if residual runs
    alone are, it is `at_most` that much and `low` is None; if runs of both are, nothing bounds it
    and all three are None. `saved` is the paired difference of restricted means in steps, which
    needs no such care.
    """

    plain_mean: float
    residual_mean: float
    plain_never: int
    residual_never: int
    horizon: float
    saved: Effect
    ratio: float | None
    low: float | None
    high: float | None
    at_least: bool
    at_most: bool

    @property
    def none_got_there(self) -> bool:
        """Whether no run of either arm got there, so that nothing can be said."""
        return self.plain_never == self.residual_never == self.saved.n

    @property
    def resolved(self) -> bool:
        """Whether the interval of the ratio leaves 1 out."""
        return (self.low is not None and self.low > 1) or (self.high is not None and self.high < 1)


def restricted_mean(steps: Iterable[float | None], horizon: float) -> float:
    """E min(steps, horizon), None or inf for a run that never got there (Royston & Parmar, 2013).

    All twins run the same full budget and one that diverged will never arrive, so censoring is at
    the horizon only and the area under the Kaplan-Meier curve is this plain mean.
    """
    return float(restricted(steps, horizon).mean())


def restricted(steps: Iterable[float | None], horizon: float) -> Array:
    """min(steps, horizon), at least 1."""
    known = np.array([inf if step is None else step for step in steps], dtype=float)
    clipped: Array = np.clip(known, 1.0, horizon)
    return clipped


def speed_up(
    plain: Iterable[float | None], residual: Iterable[float | None], horizon: float, **options: Any
) -> SpeedUp:
    """The speed-up of pairs with the same seed; the interval is that of the mean log ratio."""
    plain_steps, residual_steps = list(plain), list(residual)
    slow, fast = restricted(plain_steps, horizon), restricted(residual_steps, horizon)
    slow_never, fast_never = never(plain_steps, horizon), never(residual_steps, horizon)
    log_ratio = None if slow_never and fast_never else paired_effect(np.log(slow / fast), **options)
    return SpeedUp(
        plain_mean=restricted_mean(plain_steps, horizon),
        residual_mean=restricted_mean(residual_steps, horizon),
        plain_never=slow_never,
        residual_never=fast_never,
        horizon=horizon,
        saved=paired_effect(slow - fast, **options),
        ratio=exp(log_ratio.mean) if log_ratio else None,
        low=exp(log_ratio.low) if log_ratio and not fast_never else None,
        high=exp(log_ratio.high) if log_ratio and not slow_never else None,
        at_least=slow_never > 0 and fast_never == 0,
        at_most=fast_never > 0 and slow_never == 0,
    )


def never(steps: Iterable[float | None], horizon: float) -> int:
    """How many runs did not get there within the horizon."""
    return sum(step is None or step > horizon for step in steps)
