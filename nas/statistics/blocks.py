"""Which block needs its shortcut: random masks over the blocks, and random orders of adding them.

A mask says for each block whether it has its shortcut. Over random masks, each block on or off by a
coin, the main effect of a block is its mean gain over all settings of the others (the Banzhaf value
of the game whose worth is the fall in error). A random order adds the shortcuts one by one: the
mean gain of a block over orders is its Shapley value (Castro et al. 2009, sampled permutations),
and those of all blocks add up to the whole gain. Gains are positive where shortcuts lower errors.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import stdtrit

from nas.statistics.paired import Effect, paired_effect
from nas.statistics.resampling import Array

Mask = tuple[int, ...]

#: masks beyond the numbers that are estimated, from which on there are intervals, and those that
#: are asked for at least: some may be lost, or say the same
SPARE_MASKS, ASKED_SPARE_MASKS = 3, 5


@dataclass(frozen=True)
class Estimate:
    """A number with its 95% interval; `sure`: an interval so wide that all numbers of its family
    lie in theirs with 95% probability (Bonferroni) leaves zero out.
    """

    mean: float
    low: float
    high: float
    sure: bool


@dataclass(frozen=True)
class BlockEffects:
    """Gains in error by block, numbered from 0.

    main: mean gain over random masks, by least squares. shapley: mean gain over random orders, and
    total that of all shortcuts together over the same. run: error for each further block in the
    longest run of blocks without a shortcut, beside the main effects. r2: share of the variance of
    the error that is foretold of masks that were held out, one after another, by each model. masks:
    how many were trained.
    """

    num_blocks: int
    masks: int
    main: dict[int, Estimate]
    run: Estimate | None
    r2: dict[str, float]
    shapley: dict[int, Effect]
    total: Effect | None


def block_effects(
    masks: Sequence[Mask],
    seeds: Sequence[int],
    errors: ArrayLike,
    orders: Sequence[Mapping[Mask, float]] = (),
    *,
    largest: float = inf,
) -> BlockEffects:
    """All effects: of random masks with the seed and the error of each, and of random orders, each
    with the errors of its nested masks.
    """
    num_blocks = len(masks[0]) if masks else len(next(iter(orders[0])))
    y, main, run, r2 = np.asarray(errors, dtype=float), {}, None, {}
    if masks:
        level = levels(seeds)
        blocks = np.array(masks, dtype=float) - 0.5
        longest = np.array([[longest_run(mask)] for mask in masks], dtype=float)
        found = estimates(level, -blocks, y)
        main = dict(enumerate(found))
        run = next(iter(estimates(np.hstack([level, blocks]), longest, y)), None)
        models = {
            "blocks": blocks,
            "longest run": longest,
            "blocks and longest run": np.hstack([blocks, longest]),
        }
        r2 = {
            name: score
            for name, columns in models.items()
            if (score := held_out_r2(level, columns, y)) is not None
        }
    shapley, total = sampled_shapley(orders, num_blocks, largest)
    return BlockEffects(
        num_blocks=num_blocks,
        masks=len(masks),
        main=main,
        run=run,
        r2=r2,
        shapley=shapley,
        total=total,
    )


def levels(seeds: Sequence[int]) -> Array:
    """A column for each seed: the mean error of its networks is its own."""
    known = sorted(set(seeds))
    return np.array([[float(seed == one) for one in known] for seed in seeds])


def longest_run(mask: Sequence[int]) -> int:
    """The most blocks without a shortcut that follow each other."""
    longest = here = 0
    for has in mask:
        here = 0 if has else here + 1
        longest = max(longest, here)
    return longest


def enough_masks(num_blocks: int, num_seeds: int) -> int:
    """The fewest masks to train for the main effects of so many blocks."""
    return num_blocks + num_seeds + ASKED_SPARE_MASKS


def estimates(beside: Array, columns: Array, y: Array) -> list[Estimate]:
    """The least-squares coefficients of some columns beside others, with the HC2 errors (MacKinnon
    and White 1985) and Student's t; none from too few or from dependent columns.
    """
    x = np.hstack([beside, columns])
    spare = len(y) - x.shape[1]
    if spare < SPARE_MASKS or np.linalg.matrix_rank(x) < x.shape[1]:
        return []
    inverse = np.linalg.inv(x.T @ x)
    coefficients = inverse @ x.T @ y
    squares = (y - x @ coefficients) * residuals_left_out(x, y)
    errors = np.sqrt(np.maximum(np.diag(inverse @ (x.T * squares) @ x @ inverse), 0))
    first, count = beside.shape[1], columns.shape[1]
    wide, wider = (stdtrit(spare, 1 - share / 2) for share in (0.05, 0.05 / count))
    return [
        Estimate(
            mean=float(mean),
            low=float(mean - wide * error),
            high=float(mean + wide * error),
            sure=bool(abs(mean) > wider * error),
        )
        for mean, error in zip(coefficients[first:], errors[first:], strict=True)
    ]


def residuals_left_out(x: Array, y: Array) -> Array:
    """By how much each value is missed by the fit to all others."""
    projection = x @ np.linalg.pinv(x)
    leverage = np.minimum(np.diag(projection), 1 - 1e-9)
    missed: Array = (y - projection @ y) / (1 - leverage)
    return missed


def held_out_r2(level: Array, columns: Array, y: Array) -> float | None:
    """The share of the squared errors of each seed's mean that a model saves on masks left out of
    the fit; None from too few masks.
    """
    x = np.hstack([level, columns])
    if len(y) - x.shape[1] < SPARE_MASKS or np.linalg.matrix_rank(x) < x.shape[1]:
        return None
    by_level = float((residuals_left_out(level, y) ** 2).sum())
    return 1 - float((residuals_left_out(x, y) ** 2).sum()) / by_level if by_level else None


def sampled_shapley(
    orders: Sequence[Mapping[Mask, float]], num_blocks: int, largest: float
) -> tuple[dict[int, Effect], Effect | None]:
    """The mean gain of each block over the orders in which the shortcuts were added, and that of
    all together; none without a complete order.
    """
    complete = [gains for order in orders if (gains := gains_of(order)) is not None]
    if not complete:
        return {}, None
    bounds = (-largest, largest)
    shapley = {
        block: paired_effect([gains[block] for gains in complete], bounds=bounds)
        for block in range(num_blocks)
    }
    return shapley, paired_effect([sum(gains.values()) for gains in complete], bounds=bounds)


def gains_of(order: Mapping[Mask, float]) -> dict[int, float] | None:
    """Block -> the fall in error when its shortcut was added; None where masks are missing."""
    steps = sorted(order, key=sum)
    if not steps or len(steps) != len(steps[0]) + 1:
        return None
    gains = {}
    for before, after in zip(steps, steps[1:], strict=False):
        (block,) = (i for i, (a, b) in enumerate(zip(before, after, strict=True)) if a != b)
        gains[block] = order[before] - order[after]
    return gains
