"""Schedules: progress of the training, from 0 to 1 -> factor of the learning rate."""

import math
from collections.abc import Callable

from nas.common.registry import Registry

SCHEDULES: Registry[Callable[..., float]] = Registry("schedule")


@SCHEDULES.register("cosine")
def cosine(progress: float) -> float:
    """Half a cosine from 1 to 0 (Loshchilov and Hutter 2017)."""
    return 0.5 * (1 + math.cos(math.pi * progress))


@SCHEDULES.register("linear")
def linear(progress: float) -> float:
    """Straight from 1 to 0."""
    return 1 - progress


@SCHEDULES.register("step", later=("first", "second", "third", "gamma"))
def step(
    progress: float,
    *,
    first: float = 0.5,
    second: float = 0.75,
    third: float = 1.0,
    gamma: float = 0.1,
) -> float:
    """Times gamma at each of up to three milestones, shares of the training after its warm-up. As
    it is, a tenth after a half and a hundredth after three quarters (He et al. 2015, section 4.2).

    first: the first milestone, of 200 epochs 0.3 is the 60th.
    second: the second one.
    third: the third one; 1 is the end, so that there are two.
    gamma: by what the learning rate is multiplied.
    """
    passed = sum(progress >= milestone for milestone in (first, second, third))
    return float(f"{gamma**passed:.12g}")  # so that a tenth of a tenth is 0.01


@SCHEDULES.register("exponential")
def exponential(progress: float, *, end: float = 0.01) -> float:
    """By the same factor at every step, from 1 to what is left at the end.

    end: the factor at the end; times g in each of n epochs it is g^n.
    """
    return end**progress


@SCHEDULES.register("one_cycle")
def one_cycle(
    progress: float, *, rise: float = 0.3, start: float = 0.04, end: float = 4e-6
) -> float:
    """Up to the learning rate and down again, each along half a cosine (Smith and Topin 2018), with
    the shares that torch's OneCycleLR has; the momentum stays as it is.

    rise: share of the training in which it rises.
    start: the factor at the start.
    end: the factor at the end.
    """
    if progress < rise:
        return start + (1 - start) * (1 - cosine(progress / rise))
    return end + (1 - end) * cosine((progress - rise) / (1 - rise))


@SCHEDULES.register("constant")
def constant(progress: float) -> float:
    """The whole learning rate throughout."""
    return 1.0
