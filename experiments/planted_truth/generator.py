"""Synthetic studies with a known truth, made without a line of the analysis they are to test.

A run's error is `chance` x logistic(L), L = mean(depth, stages with shortcuts) + sd x luck: so its
noise is skewed, larger where networks struggle, and bounded by 0 and chance. A run with L above
`stuck` does not start at all and has the error of chance. Part of the luck belongs to the seed and
is shared by its runs; the error is then counted on finitely many pictures. Depth profiles, spreads
and steps follow two measured short runs: He's CIFAR networks on 8x8 digits (15 epochs, 6 seeds; 0.2
/ 4.6 / 65% training error at 20 / 32 / 56 layers without shortcuts, sd 0.1 / 2.9 / 17, none with)
and on 16x16 CIFAR-10 (52 / 78% at 20 / 56 layers against 45 / 56%), and the published full training
on CIFAR-10 (8.8 to 7.0% from 20 to 56 layers with shortcuts, 9 to 13% without; He et al., 2015,
table 6 and figure 6). Every study draws its own strength, spread, pairing and distribution over
stages.
"""

from dataclasses import dataclass, replace
from itertools import permutations, product
from math import log, sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, ndtri
from scipy.stats import norm

Array = NDArray[np.float64]
Mask = tuple[int, int, int]

NONE: Mask = (0, 0, 0)
ALL: Mask = (1, 1, 1)
MASKS: list[Mask] = [(a, b, c) for a, b, c in product((0, 1), repeat=3)]
HORIZON = 315
LUCK = ndtri((np.arange(4_000) + 0.5) / 4_000)
"""Equally likely standard normal values: an average over them is an expectation."""


@dataclass(frozen=True)
class World:
    """What is true in one study; logits and spreads by depth, without and with all shortcuts.

    `diverges` is the share of plain runs that are lost whatever luck they have, with the error of
    chance: rare and far away, the worst that can happen to a mean of few pairs.
    """

    name: str
    depths: tuple[int, ...]
    plain: tuple[float, ...]
    residual: tuple[float, ...]
    plain_sd: tuple[float, ...]
    residual_sd: tuple[float, ...]
    weights: tuple[float, float, float]
    synergy: float
    shared: float
    items: int
    stuck: float = 2.3
    chance: float = 90.0
    diverges: float = 0.0


DIGITS = World(
    name="digits",
    depths=(20, 32, 44, 56),
    plain=(-6.2, -3.1, -1.1, 0.95),
    residual=(-7.6, -7.3, -7.2, -7.0),
    plain_sd=(0.5, 0.66, 0.8, 0.94),
    residual_sd=(0.5, 0.5, 0.5, 0.5),
    weights=(1 / 3, 1 / 3, 1 / 3),
    synergy=0.0,
    shared=0.3,
    items=1_400,
)
CIFAR = World(
    name="cifar",
    depths=(8, 20, 32, 56),
    plain=(0.10, 0.33, 0.80, 1.80),
    residual=(0.05, -0.02, 0.10, 0.35),
    plain_sd=(0.06, 0.08, 0.12, 0.22),
    residual_sd=(0.05, 0.06, 0.07, 0.09),
    weights=(1 / 3, 1 / 3, 1 / 3),
    synergy=0.0,
    shared=0.3,
    items=8_192,
)
PUBLISHED = World(
    name="published",
    depths=(20, 32, 44, 56),
    plain=(-2.20, -2.25, -2.10, -1.78),
    residual=(-2.23, -2.40, -2.45, -2.48),
    plain_sd=(0.03, 0.03, 0.04, 0.06),
    residual_sd=(0.03, 0.03, 0.03, 0.03),
    weights=(1 / 3, 1 / 3, 1 / 3),
    synergy=0.0,
    shared=0.3,
    items=10_000,
)
SETTINGS = (DIGITS, CIFAR, PUBLISHED)


def draw_world(rng: np.random.Generator, weakest: float = 0.5) -> World:
    """One of the settings with its own strength (evenly on a log scale from `weakest` to 1.5 times
    what was measured), spread, pairing and distribution over stages.
    """
    base = SETTINGS[rng.integers(len(SETTINGS))]
    strength, spread = weakest * (1.5 / weakest) ** rng.uniform(), rng.uniform(0.6, 1.4)
    gaps = [strength * (p - r) for p, r in zip(base.plain, base.residual, strict=True)]
    return replace(
        base,
        residual=tuple(p - gap for p, gap in zip(base.plain, gaps, strict=True)),
        plain_sd=tuple(spread * sd for sd in base.plain_sd),
        residual_sd=tuple(spread * sd for sd in base.residual_sd),
        weights=tuple(rng.dirichlet((1.0, 1.0, 1.0)).tolist()),
        synergy=float(rng.uniform(0.0, 0.5)),
        shared=float(rng.uniform(0.0, 0.6)),
    )


def without_effect(world: World) -> World:
    """The same world where shortcuts do nothing at any depth."""
    return replace(world, residual=world.plain, residual_sd=world.plain_sd)


def in_one_stage(world: World, stage: int) -> World:
    """The same world where shortcuts do all they do in one stage, and nothing in the others."""
    a, b, c = (float(i == stage) for i in range(3))
    return replace(world, weights=(a, b, c), synergy=0.0, residual_sd=world.plain_sd)


def latent(world: World, depth: int, mask: Mask) -> tuple[float, float]:
    """Mean and sd of the logit."""
    i = world.depths.index(depth)
    share = (1 - world.synergy) * float(np.dot(world.weights, mask)) + world.synergy * min(mask)
    mean = world.plain[i] + share * (world.residual[i] - world.plain[i])
    return mean, world.plain_sd[i] + share * (world.residual_sd[i] - world.plain_sd[i])


def expected_error(world: World, logits: Array) -> Array:
    """Error in % before it is counted on pictures."""
    return world.chance * np.where(logits > world.stuck, 1.0, expit(logits))


def true_error(world: World, depth: int, mask: Mask, offset: float = 0.0) -> float:
    """The mean error over all seeds there could be."""
    mean, sd = latent(world, depth, mask)
    error = float(expected_error(world, mean + offset + sd * LUCK).mean())
    return error + lost(world, mask) * (world.chance - error)


def draw_logits(
    world: World, depth: int, mask: Mask, luck: Array, rng: np.random.Generator, offset: float = 0.0
) -> Array:
    """The logits of one run for each seed."""
    mean, sd = latent(world, depth, mask)
    own = rng.standard_normal(len(luck))
    return mean + offset + sd * (sqrt(world.shared) * luck + sqrt(1 - world.shared) * own)


def lost(world: World, mask: Mask) -> float:
    """The share of runs that diverge."""
    return world.diverges if mask == NONE else 0.0


def counted(world: World, logits: Array, rng: np.random.Generator, diverges: float = 0.0) -> Array:
    """Errors in % as they are measured."""
    errors = expected_error(world, logits)
    if diverges:
        errors = np.where(rng.random(errors.shape) < diverges, world.chance, errors)
    return 100 * rng.binomial(world.items, errors / 100) / world.items


def draw_ladder(
    world: World, n: int, rng: np.random.Generator
) -> tuple[dict[int, Array], dict[int, Array]]:
    """Errors by depth of the plain and of the residual arm, for n seeds."""
    luck = rng.standard_normal(n)
    arms = [
        {
            d: counted(world, draw_logits(world, d, mask, luck, rng), rng, lost(world, mask))
            for d in world.depths
        }
        for mask in (NONE, ALL)
    ]
    return arms[0], arms[1]


def draw_factorial(world: World, n: int, rng: np.random.Generator) -> Array:
    """Errors of (n seeds, 2, 2, 2) at the deepest network."""
    luck = rng.standard_normal(n)
    depth = world.depths[-1]
    runs = [counted(world, draw_logits(world, depth, mask, luck, rng), rng) for mask in MASKS]
    return np.stack(runs, axis=1).reshape(n, 2, 2, 2)


def draw_steps(world: World, depth: int, mask: Mask, n: int, rng: np.random.Generator) -> Array:
    """Steps to a loss threshold; inf where the run does not get there within the budget."""
    logits = draw_logits(world, depth, mask, rng.standard_normal(n), rng)
    steps = np.exp(5.33 + 0.32 * logits + 0.2 * rng.standard_normal(n))
    return np.where((steps > HORIZON) | (logits > world.stuck), np.inf, steps)


def true_log_steps(world: World, depth: int, mask: Mask) -> float:
    """E log min(steps, budget), a run that is stuck taking the whole budget."""
    mean, sd = latent(world, depth, mask)
    logits = mean + sd * LUCK
    room = (log(HORIZON) - 5.33 - 0.32 * logits) / 0.2
    saved = np.where(logits > world.stuck, 0.0, 0.2 * (room * norm.cdf(room) + norm.pdf(room)))
    return log(HORIZON) - float(saved.mean())


def true_failure_rate(world: World, depth: int, mask: Mask) -> float:
    """The probability that a run does not start."""
    mean, sd = latent(world, depth, mask)
    return float(norm.sf((world.stuck - mean) / sd))


def true_gains(world: World) -> dict[int, float]:
    """Plain less residual error at each depth."""
    return {d: true_error(world, d, NONE) - true_error(world, d, ALL) for d in world.depths}


def true_stage_gains(world: World) -> tuple[list[float], list[float]]:
    """Main effects (averages over the settings of the others) and Shapley values (averages over the
    orders in which shortcuts are put in) of the stages at the deepest network.
    """
    errors = {mask: true_error(world, world.depths[-1], mask) for mask in MASKS}
    main, shapley = [0.0] * 3, [0.0] * 3
    for stage in range(3):
        for mask in MASKS:
            main[stage] += (1 - 2 * mask[stage]) * errors[mask] / 4
    for order in permutations(range(3)):
        built = [0, 0, 0]
        for stage in order:
            before = errors[built[0], built[1], built[2]]
            built[stage] = 1
            shapley[stage] += (before - errors[built[0], built[1], built[2]]) / 6
    return main, shapley


def stage_pair_sd(world: World, stage: int, rng: np.random.Generator, seeds: int = 4_000) -> float:
    """The sd over seeds of a stage's gain, by brute force: the spread of one pair of the
    analysis.
    """
    table = draw_factorial(world, seeds, rng)
    gain = table.take(0, axis=stage + 1) - table.take(1, axis=stage + 1)
    return float(gain.mean(axis=(1, 2)).std())
