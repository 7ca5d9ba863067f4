"""Which stage needs its shortcuts: a factorial over the stages, one full set of networks for each
seed.

`errors[seed, s1, ..., sk]` is the error of the network where stage i has shortcuts (index 1) or
none (0). Each effect is linear in the errors of one seed, so its value is taken seed by seed and
then treated as any other paired difference. Gains are positive where shortcuts lower the error.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import combinations
from math import factorial, inf
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from nas.statistics.paired import Effect, paired_effect, twin_effect
from nas.statistics.permutation import finite_array
from nas.statistics.resampling import Array

Mask = tuple[int, ...]


@dataclass(frozen=True)
class StageEffects:
    """Gains in error by stage (numbered from 0), or by set of stages for interactions.

    `main`: mean gain over all settings of the other stages. `shapley`: the stage's share of the
    whole gain (they add up to `total`). `removal`: what taking this stage's shortcuts out of the
    full network costs. `alone`: what they give to the plain network.
    """

    main: dict[int, Effect]
    interaction: dict[tuple[int, ...], Effect]
    shapley: dict[int, Effect]
    removal: dict[int, Effect]
    alone: dict[int, Effect]
    total: Effect


def stage_effects(errors: ArrayLike, *, largest: float = inf, **options: Any) -> StageEffects:
    """All effects of the factorial, each with its interval over seeds; `largest` is the largest
    error there can be.
    """
    table = factorial_table(errors)
    k = table.ndim - 1
    within = options | {"bounds": (-largest, largest)}
    some = [stages for size in range(2, k + 1) for stages in combinations(range(k), size)]
    return StageEffects(
        main={i: twin_effect(*averages(table, i), **within) for i in range(k)},
        interaction={
            stages: paired_effect(contrast(table, stages), **options, bounds=wider(largest, stages))
            for stages in some
        },
        shapley={i: paired_effect(shapley(table, i), **within) for i in range(k)},
        **single(partial(cell, table), k, within),
    )


def single_effects(
    errors: Mapping[tuple[int, ...], ArrayLike], *, largest: float = inf, **options: Any
) -> StageEffects:
    """What can be said if only the full network, the plain one, and those that differ from one
    of them in a single stage were trained: mask -> one error for each seed.
    """
    table = {mask: np.asarray(row, dtype=float) for mask, row in errors.items()}
    within = options | {"bounds": (-largest, largest)}
    effects = single(table.__getitem__, len(next(iter(table))), within)
    return StageEffects(main={}, interaction={}, shapley={}, **effects)


def single(cell_of: Callable[[Mask], Array], k: int, options: Mapping[str, Any]) -> dict[str, Any]:
    """Removal, alone and total: the effects between two networks."""
    full, plain = (1,) * k, (0,) * k

    def gain(without: Mask, having: Mask) -> Effect:
        return twin_effect(cell_of(without), cell_of(having), **options)

    return {
        "removal": {i: gain(flipped(full, i), full) for i in range(k)},
        "alone": {i: gain(plain, flipped(plain, i)) for i in range(k)},
        "total": gain(plain, full),
    }


def averages(table: Array, stage: int) -> tuple[Array, Array]:
    """Seed by seed: the mean error without and with a stage's shortcuts."""
    off, on = np.take(table, 0, axis=stage + 1), np.take(table, 1, axis=stage + 1)
    return off.reshape(len(table), -1).mean(axis=1), on.reshape(len(table), -1).mean(axis=1)


def wider(largest: float, stages: tuple[int, ...]) -> tuple[float, float]:
    """The range of an interaction: twice as wide for each further stage."""
    most = largest * 2 ** (len(stages) - 1)
    return -most, most


def factorial_table(errors: ArrayLike) -> Array:
    """The errors as an array of (seeds, 2, ..., 2); ValueError where it has another shape or a
    gap.
    """
    table = np.asarray(errors, dtype=float)
    if table.ndim < 2 or set(table.shape[1:]) != {2}:
        raise ValueError(f"a factorial is (seeds, 2, ..., 2), but these errors are {table.shape}.")
    finite_array(table.ravel())
    return table


def contrast(table: Array, stages: tuple[int, ...]) -> Array:
    """Seed by seed: by how much each further stage raises the gain of the first one (the
    difference of gains, not half of it as in Box, Hunter & Hunter, 2005), averaged over the
    remaining stages.
    """
    gain = table
    for count, stage in enumerate(sorted(stages, reverse=True)):
        off, on = np.take(gain, 0, axis=stage + 1), np.take(gain, 1, axis=stage + 1)
        gain = off - on if count == len(stages) - 1 else on - off
    averaged: Array = gain.reshape(len(table), -1).mean(axis=1)
    return averaged


def shapley(table: Array, stage: int) -> Array:
    """Seed by seed: sum over S without i of |S|! (k-|S|-1)! / k! [v(S + i) - v(S)], v the fall in
    error from the plain network (Shapley, 1953).
    """
    k = table.ndim - 1
    others = [i for i in range(k) if i != stage]
    value = np.zeros(len(table))
    for size in range(k):
        weight = factorial(size) * factorial(k - size - 1) / factorial(k)
        for some in combinations(others, size):
            mask = tuple(int(i in some) for i in range(k))
            value += weight * (cell(table, mask) - cell(table, flipped(mask, stage)))
    return value


def cell(table: Array, mask: tuple[int, ...]) -> Array:
    """The errors of one setting, by seed."""
    index: tuple[Any, ...] = (slice(None), *mask)
    return np.asarray(table[index])


def flipped(mask: tuple[int, ...], stage: int) -> tuple[int, ...]:
    """The mask with one stage the other way round."""
    return tuple(1 - on if i == stage else on for i, on in enumerate(mask))
