"""A search over synthetic networks that samples as TPE does and prunes by the median, to be
watched.

The rows it leaves behind are what an observational analysis gets to see, and it picks the candidate
whose twins are then trained. Like `generator`, without a line of the analysis.
"""

from dataclasses import dataclass
from itertools import product
from statistics import median

import numpy as np

from experiments.planted_truth.generator import (
    ALL,
    LUCK,
    Array,
    World,
    counted,
    draw_logits,
    expected_error,
    latent,
)

SHORTCUTS = ("none", "identity", "projection")
SHARE = (0.0, 1.0, 0.8)
"""How much of the gain each kind of shortcut brings."""
ORDERS = (0.0, -0.15)
RATES = (0.0, 0.4, 0.8)
"""What an activation order and a learning rate add to the logit, in units of the plain network's sd
x 3.
"""
STARTUP, GOOD, CANDIDATES = 10, 0.25, 24


@dataclass(frozen=True)
class Row:
    """One trial: the index of its depth, shortcut, order and learning rate, its error, was it
    pruned.
    """

    choices: tuple[int, int, int, int]
    error: float
    pruned: bool


def sizes(world: World) -> tuple[int, int, int, int]:
    """The number of options of each choice."""
    return len(world.depths), len(SHORTCUTS), len(ORDERS), len(RATES)


def offset(world: World, choices: tuple[int, int, int, int]) -> float:
    """What order and learning rate add to the logit."""
    depth, _, order, rate = choices
    return 3 * world.plain_sd[depth] * (ORDERS[order] + RATES[rate])


def mean_and_sd(world: World, choices: tuple[int, int, int, int]) -> tuple[float, float]:
    """Of the logit of a candidate."""
    depth, share = world.depths[choices[0]], SHARE[choices[1]]
    plain, residual = latent(world, depth, (0, 0, 0)), latent(world, depth, ALL)
    mean = (1 - share) * plain[0] + share * residual[0] + offset(world, choices)
    return mean, (1 - share) * plain[1] + share * residual[1]


def run_search(world: World, rng: np.random.Generator, trials: int = 60) -> list[Row]:
    """The rows of one search."""
    rows: list[Row] = []
    halfway: list[float] = []
    for _ in range(trials):
        choices = propose(world, rows, rng)
        mean, sd = mean_and_sd(world, choices)
        final = mean + sd * rng.standard_normal()
        middle = final + 0.5 + sd * rng.standard_normal()
        pruned = len(halfway) >= 5 and middle > median(halfway)
        halfway.append(middle)
        reached = np.array([middle if pruned else final])
        rows.append(Row(choices, float(counted(world, reached, rng)[0]), pruned))
    return rows


def propose(world: World, rows: list[Row], rng: np.random.Generator) -> tuple[int, int, int, int]:
    """At random at first; then the best of some draws by the ratio of good to bad density, one
    choice at a time (Bergstra et al., 2011).
    """
    if len(rows) < STARTUP:
        return pick([rng.integers(size) for size in sizes(world)])
    ranked = sorted(rows, key=lambda row: (row.pruned, row.error))
    cut = max(1, int(GOOD * len(ranked)))
    drawn, score = [], np.zeros(CANDIDATES)
    for place, size in enumerate(sizes(world)):
        good = density([row.choices[place] for row in ranked[:cut]], size)
        bad = density([row.choices[place] for row in ranked[cut:]], size)
        column = rng.choice(size, CANDIDATES, p=good)
        drawn.append(column)
        score += np.log(good / bad)[column]
    best = int(score.argmax())
    return pick([column[best] for column in drawn])


def pick(values: list[np.int64]) -> tuple[int, int, int, int]:
    """Four plain integers."""
    depth, shortcut, order, rate = (int(value) for value in values)
    return depth, shortcut, order, rate


def density(values: list[int], size: int) -> Array:
    """Shares of the options, with one made-up row of each."""
    counts = np.array([values.count(option) + 1.0 for option in range(size)])
    return counts / counts.sum()


def true_marginal(world: World, shortcut: int) -> float:
    """Mean error of a kind of shortcut less that of the others, over the whole space, every run
    finished.
    """
    table = np.empty(sizes(world))
    for d, s, o, r in product(*(range(size) for size in sizes(world))):
        choices = d, s, o, r
        mean, sd = mean_and_sd(world, choices)
        table[choices] = expected_error(world, mean + sd * LUCK[::20]).mean()
    by_kind = table.mean(axis=(0, 2, 3))
    return float(by_kind[shortcut] - np.delete(by_kind, shortcut).mean())


def incumbent(rows: list[Row]) -> Row:
    """The best finished trial."""
    return min((row for row in rows if not row.pruned), key=lambda row: row.error)


def draw_twins(
    world: World, choices: tuple[int, int, int, int], n: int, rng: np.random.Generator
) -> Array:
    """Fresh pairs at a candidate's depth, order and learning rate: plain less residual error."""
    luck, depth, shift = rng.standard_normal(n), world.depths[choices[0]], offset(world, choices)
    plain = counted(world, draw_logits(world, depth, (0, 0, 0), luck, rng, shift), rng)
    return plain - counted(world, draw_logits(world, depth, ALL, luck, rng, shift), rng)
