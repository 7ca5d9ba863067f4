"""Populations of pairs whose mean is known: made up ones, and the pool of real runs."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from math import exp

import numpy as np
from numpy.typing import NDArray

from experiments.coverage.run import ARMS, LAYERS, Run
from experiments.planted_truth import generator as truth
from nas.training.metrics.run import trains

Array = NDArray[np.float64]
Draw = Callable[[np.random.Generator, int], tuple[Array, Array]]

REAL, SAME_ARM = "real pairs on digits", "same arm"
#: shares of plain networks that fail in the made-up mixtures
FAILING = (0.05, 0.1, 0.2, 0.35)
OUTCOMES = {"train_error": "training error", "val_error": "validation error", "loss_area": "loss"}


@dataclass(frozen=True)
class Population:
    """`draw(rng, n)` gives n errors of the reference and of the arm; `gain` is the mean of their
    difference in the whole population, 0 for two samples of one arm. Those of a `kind` share a row
    of the table.
    """

    name: str
    kind: str
    gain: float
    draw: Draw


def made_up() -> Iterator[Population]:
    """Differences in points that are normal, lognormal, those of slow starts, or mixtures in which
    a share of the plain networks fails.
    """
    yield Population("normal, sd 2", "normal", 10.0, partial(differences, normal))
    yield Population("lognormal", "lognormal", 4 * exp(0.5), partial(differences, lognormal))
    for layers in (32, 56):
        gain = truth.true_gains(truth.DIGITS)[layers]
        name = f"slow start, {layers} layers"
        yield Population(name, "slow starts", gain, partial(slow_start, layers))
    for share in FAILING:
        name = f"plain fails in {share:.0%}"
        gain = 80 * share + 4 * (1 - share)
        drawn = partial(differences, partial(failing, share))
        yield Population(name, "plain fails in 5 to 35%", gain, drawn)


def differences(
    drawn: Callable[[np.random.Generator, int], Array], rng: np.random.Generator, n: int
) -> tuple[Array, Array]:
    """Pairs against an arm without an error."""
    return drawn(rng, n), np.zeros(n)


def normal(rng: np.random.Generator, n: int) -> Array:
    """Mean 10, sd 2."""
    return rng.normal(10, 2, n)


def lognormal(rng: np.random.Generator, n: int) -> Array:
    """Median 4, sd 1 of the logarithm."""
    return 4 * np.exp(rng.normal(0, 1, n))


def failing(share: float, rng: np.random.Generator, n: int) -> Array:
    """About 80 points where the plain network fails, else about 4."""
    return np.where(rng.random(n) < share, rng.normal(80, 2, n), rng.normal(4, 1.5, n))


def slow_start(layers: int, rng: np.random.Generator, n: int) -> tuple[Array, Array]:
    """Runs as `experiments/planted_truth` makes them after the measured digits."""
    plain, residual = truth.draw_ladder(truth.DIGITS, n, rng)
    return plain[layers], residual[layers]


@dataclass(frozen=True)
class Pool:
    """The complete seeds of the table: (layers, arm) -> outcome -> one value for each seed."""

    values: dict[tuple[int, str], dict[str, Array]]
    trains: dict[tuple[int, str], NDArray[np.bool_]]
    seeds: int


def pool(runs: Iterable[Run]) -> Pool:
    """The pool of the seeds of which every run is there."""
    by_seed: dict[int, dict[tuple[int, str], Run]] = defaultdict(dict)
    for run in runs:
        by_seed[run.seed][run.layers, run.arm] = run
    places = [(layers, arm) for layers in LAYERS for arm in ARMS]
    rows = [row for _, row in sorted(by_seed.items()) if len(row) == len(places)]
    columns = {place: [row[place] for row in rows] for place in places}
    return Pool(
        values={
            place: {name: np.array([getattr(run, name) for run in column]) for name in OUTCOMES}
            for place, column in columns.items()
        },
        trains={
            place: np.array([trains(vars(run)) for run in column], dtype=bool)
            for place, column in columns.items()
        },
        seeds=len(rows),
    )


def real(known: Pool) -> Iterator[Population]:
    """Twins of the pool, in every outcome and depth, and the pairs of which both runs train."""
    for layers in LAYERS:
        plain, residual = (known.values[layers, arm] for arm in ARMS)
        for outcome, label in OUTCOMES.items():
            name, pair = f"{layers} layers, {label}", (plain[outcome], residual[outcome])
            yield Population(
                name, "real pairs on digits", float(np.mean(pair[0] - pair[1])), twins(*pair)
            )
        both = known.trains[layers, "none"] & known.trains[layers, "identity"]
        if not both.all() and both.sum() > 1:
            pair = plain["train_error"][both], residual["train_error"][both]
            name = f"{layers} layers, training error if both train"
            yield Population(
                name, "real pairs on digits", float(np.mean(pair[0] - pair[1])), twins(*pair)
            )


def twins(plain: Array, residual: Array) -> Draw:
    """Draws seeds, with replacement."""

    def draw(rng: np.random.Generator, n: int) -> tuple[Array, Array]:
        seeds = rng.integers(len(plain), size=n)
        return plain[seeds], residual[seeds]

    return draw


def same_arm(known: Pool) -> Iterator[Population]:
    """Two samples of one arm, of different seeds: there is nothing to find. Not where all errors
    are 0.
    """
    for (layers, arm), outcomes in known.values.items():
        for outcome, label in OUTCOMES.items():
            if np.ptp(outcomes[outcome]) > 0:
                name = f"{layers} layers, {arm}, {label}"
                yield Population(name, SAME_ARM, 0.0, halves(outcomes[outcome]))


def halves(values: Array) -> Draw:
    """Draws two samples without a common seed."""

    def draw(rng: np.random.Generator, n: int) -> tuple[Array, Array]:
        seeds = rng.permutation(len(values))[: 2 * n]
        return values[seeds[:n]], values[seeds[n:]]

    return draw
