"""A model of the gain over depth, width and budget, and where it reaches a size of interest."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import sqrt

import numpy as np
from scipy.special import stdtrit

from nas.statistics.resampling import Array, tails

#: different values of a dimension from which on its square is in the model
FEWEST_FOR_SQUARE = 4
#: the share of the variance of places left out that a model must tell
SMALLEST_MAP_R2 = 0.5
#: the dimensions that are multiplied: () is the constant, (0, 1) a product, (0, 0) a square
Term = tuple[int, ...]
Place = tuple[float, ...]


@dataclass(frozen=True)
class GainModel:
    """gain = sum of coefficients times terms, in the binary logarithms of the dimensions that vary,
    less `centre`. Least squares over the places that every seed has, for each seed apart: what is
    foretold is the mean over seeds, with Student's interval. r2: of the mean gains at those
    `left_out` places that can be left out of the fit, one after another; None if there are none, as
    where only the ends of two dimensions were trained: between these it is an interpolation.
    """

    dimensions: tuple[str, ...]
    terms: tuple[Term, ...]
    centre: tuple[float, ...]
    by_seed: tuple[tuple[float, ...], ...]
    places: tuple[Place, ...]
    gains: tuple[float, ...]
    r2: float | None
    left_out: int

    @property
    def holds(self) -> bool:
        """Whether no place that it has not seen contradicts it."""
        return self.r2 is None or self.r2 >= SMALLEST_MAP_R2

    def at(self, places: Array, confidence: float = 0.95) -> tuple[Array, Array, Array]:
        """Mean, low and high of the gain at places of (number, dimensions)."""
        logs = np.log2(places) - np.array(self.centre)
        each = columns(logs, self.terms) @ np.array(self.by_seed).T
        mean, n = each.mean(axis=1), len(self.by_seed)
        half = stdtrit(n - 1, tails(confidence)[1]) * each.std(axis=1, ddof=1) / sqrt(n)
        return mean, mean - half, mean + half


def gain_model(
    gains: Mapping[Place, Mapping[int, float]], dimensions: Sequence[str]
) -> GainModel | None:
    """A model of the gains by place and seed; a place tells every dimension, positive. None where
    fewer than two dimensions vary, or fewer than two seeds have all places.
    """
    every = sorted(gains)
    varying = [i for i in range(len(dimensions)) if len({place[i] for place in every}) > 1]
    seeds = sorted(set.intersection(*(set(gains[place]) for place in every))) if every else []
    if len(varying) < 2 or len(seeds) < 2:
        return None
    places = np.array([[place[i] for i in varying] for place in every], dtype=float)
    logs = np.log2(places)
    centre = logs.mean(axis=0)
    terms = terms_of(logs - centre)
    table = np.array([[gains[place][seed] for seed in seeds] for place in every])
    rows = columns(logs - centre, terms)
    r2, left_out = left_out_r2(rows, table.mean(axis=1))
    by_seed = np.linalg.lstsq(rows, table, rcond=None)[0].T
    return GainModel(
        dimensions=tuple(dimensions[i] for i in varying),
        terms=tuple(terms),
        centre=tuple(centre.tolist()),
        by_seed=tuple(tuple(row) for row in by_seed.tolist()),
        places=tuple(tuple(row) for row in places.tolist()),
        gains=tuple(table.mean(axis=1).tolist()),
        r2=r2,
        left_out=left_out,
    )


def terms_of(logs: Array) -> list[Term]:
    """The constant, every dimension, products of two, and the square of a dimension with enough
    values; of these the ones that the places can tell apart.
    """
    count = logs.shape[1]
    wanted: list[Term] = [(), *((i,) for i in range(count)), *combinations(range(count), 2)]
    wanted += [(i, i) for i in range(count) if len(set(logs[:, i])) >= FEWEST_FOR_SQUARE]
    kept: list[Term] = []
    for term in wanted:
        if np.linalg.matrix_rank(columns(logs, [*kept, term])) > len(kept):
            kept.append(term)
    return kept


def columns(logs: Array, terms: Sequence[Term]) -> Array:
    """The terms of every place, (places, terms)."""
    return np.stack([np.prod(logs[:, list(term)], axis=1) for term in terms], axis=1)


def left_out_r2(rows: Array, gains: Array) -> tuple[float | None, int]:
    """1 - mean (y - yhat)^2 / mean (y - mean)^2, each yhat from a fit without its place, over the
    places without which all terms can still be told, and how many these are; the mean below is over
    all places. None without any, or where all gains are equal.
    """
    errors = []
    for place in range(len(gains)):
        rest = np.arange(len(gains)) != place
        if np.linalg.matrix_rank(rows[rest]) == rows.shape[1]:
            fitted = np.linalg.lstsq(rows[rest], gains[rest], rcond=None)[0]
            errors.append(float(gains[place] - rows[place] @ fitted))
    if not errors or np.ptp(gains) == 0:
        return None, len(errors)
    return float(1 - np.square(errors).mean() / gains.var()), len(errors)
