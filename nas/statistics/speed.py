"""How much sooner: steps to a loss threshold, where some runs never get there."""

from collections.abc import Iterable
from dataclasses import dataclass
from math import exp, inf
from typing import Any

import numpy as np

from nas.statistics.intervals import Array
from nas.statistics.paired import Effect, paired_effect


@dataclass(frozen=True)
class SpeedUp:
    """Steps to a threshold, plain against residual, up to `horizon` steps.

    `ratio` is the geometric mean over pairs of plain / residual steps with its interval; `at_least`
    says that a plain run never got there and all residual ones did, so the true ratio is larger.
    `saved` is the paired difference of restricted means in steps.
    """

    plain_mean: float
    residual_mean: float
    plain_never: int
    residual_never: int
    horizon: float
    saved: Effect
    ratio: float
    low: float
    high: float
    at_least: bool


def restricted_mean(steps: Iterable[float | None], horizon: float) -> float:
    """E min(steps, horizon), None or inf for a run that never got there (Royston & Parmar, 2013).

    All twins run the same full budget and one that diverged will never arrive, so censoring is at
    the horizon only and the area under the Kaplan-Meier curve is this plain mean.
    """
    return float(restricted(steps, horizon).mean())


def restricted(steps: Iterable[float | None], horizon: float) -> Array:
    """min(steps, horizon), at least 1."""
    known = np.array([inf if step is None else step for step in steps], dtype=float)
    return np.clip(known, 1.0, horizon)


def speed_up(
    plain: Iterable[float | None], residual: Iterable[float | None], horizon: float, **options: Any
) -> SpeedUp:
    """The speed-up of pairs with the same seed; the interval is that of the mean log ratio."""
    plain_steps, residual_steps = list(plain), list(residual)
    slow, fast = restricted(plain_steps, horizon), restricted(residual_steps, horizon)
    log_ratio = paired_effect(np.log(slow / fast), **options)
    slow_never, fast_never = never(plain_steps, horizon), never(residual_steps, horizon)
    return SpeedUp(
        plain_mean=restricted_mean(plain_steps, horizon),
        residual_mean=restricted_mean(residual_steps, horizon),
        plain_never=slow_never,
        residual_never=fast_never,
        horizon=horizon,
        saved=paired_effect(slow - fast, **options),
        ratio=exp(log_ratio.mean),
        low=exp(log_ratio.low),
        high=exp(log_ratio.high),
        at_least=slow_never > 0 and fast_never == 0,
    )


def never(steps: Iterable[float | None], horizon: float) -> int:
    """How many runs did not get there within the horizon."""
    return sum(step is None or step > horizon for step in steps)
