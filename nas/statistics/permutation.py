"""Exact tests of a mean difference: signs of pairs flipped, or labels of two groups exchanged."""

from collections.abc import Iterable
from functools import lru_cache
from math import comb, sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from nas.statistics.resampling import Array

#: pairs up to which every pattern of signs is counted
ENUMERATED_TO = 20
#: ways to split two groups up to which each is counted: 10 and 10 are 184,756
MOST_SPLITS = 200_000
#: values beyond which sums are as good as normal, and none is drawn
MOST_DRAWN = 2_000


def finite_array(values: Iterable[float]) -> Array:
    """The values as an array; ValueError if there are none or one of them is not a number."""
    array = np.asarray(list(values), dtype=float)
    if array.size == 0:
        raise ValueError("an effect needs at least one pair, but there are none.")
    if not np.isfinite(array).all():
        raise ValueError(
            f"every value must be a finite number, but these are {array.tolist()}: "
            "a run that diverged counts with the error of chance."
        )
    return array


def sign_flip_p(differences: Iterable[float], *, resamples: int = 10_000, seed: int = 0) -> float:
    """Two-sided share of sign patterns with a sum at least as far from zero (Fisher, 1935).

    Exact up to 20 pairs; beyond, (1 + hits) / (1 + resamples) of random patterns (Phipson & Smyth,
    2010); beyond 2,000 by the normal limit of such sums (Hoeffding, 1951).
    """
    pairs = finite_array(differences)
    if len(pairs) > MOST_DRAWN:
        return normal_p(pairs.sum(), float((pairs**2).sum()))
    bar = abs(pairs.sum()) - 1e-9 * np.abs(pairs).sum()
    if len(pairs) > ENUMERATED_TO:
        signs = signs_drawn(len(pairs), resamples, seed)
        return float((1 + (np.abs(signs @ pairs) >= bar).sum()) / (1 + resamples))
    sums = pairs[:1]
    for pair in pairs[1:]:
        sums = np.concatenate([sums + pair, sums - pair])
    return float((np.abs(sums) >= bar).mean())


@lru_cache(maxsize=4)
def signs_drawn(n: int, resamples: int, seed: int) -> NDArray[np.int8]:
    """Random patterns of n signs, the same for all effects of as many pairs."""
    drawn, signs = np.random.default_rng(seed), np.empty((resamples, n), dtype=np.int8)
    for rows in np.array_split(signs, -(-resamples // 1000)):  # choice takes 16 bytes for each
        rows[:] = drawn.choice([-1, 1], size=rows.shape)
    return signs


def permutation_p(
    first: Iterable[float], second: Iterable[float], *, resamples: int = 10_000, seed: int = 0
) -> float:
    """Two-sided share of the ways to split all values into two such groups whose means differ at
    least as much (Fisher, 1935; Pitman, 1937): the pairing is not used.

    Exact up to 200,000 splits, which is 10 and 10; beyond, as in `sign_flip_p`.
    """
    one, other = finite_array(first), finite_array(second)
    together = np.concatenate([one, other])
    together = together - together.mean()  # then the means differ by a multiple of one sum
    if len(together) > MOST_DRAWN:
        share = len(one) * len(other) / len(together) / (len(together) - 1)
        return normal_p(together[: len(one)].sum(), float((together**2).sum()) * share)
    bar = abs(together[: len(one)].sum()) - 1e-9 * np.abs(together).sum()
    if comb(len(together), len(one)) <= MOST_SPLITS:
        return float((np.abs(subset_sums(together, len(one))) >= bar).mean())
    sums = splits_drawn(len(together), len(one), resamples, seed) @ together
    return float((1 + (np.abs(sums) >= bar).sum()) / (1 + resamples))


def normal_p(total: float, variance: float) -> float:
    """Two-sided p of a sum that is normal around zero; 1 if it cannot vary."""
    return float(2 * ndtr(-abs(total) / sqrt(variance))) if variance else 1.0


@lru_cache(maxsize=4)
def splits_drawn(n: int, size: int, resamples: int, seed: int) -> NDArray[np.int8]:
    """Random choices of `size` out of n as rows of 0 and 1, the same for all effects of as many
    runs.
    """
    chosen = np.tile((np.arange(n) < size).astype(np.int8), (resamples, 1))
    return np.random.default_rng(seed).permuted(chosen, axis=1)


def subset_sums(values: Array, size: int) -> Array:
    """The sums of all subsets of one size."""
    sums = [np.zeros(1)] + [np.zeros(0)] * size
    for value in values:
        for taken in range(size, 0, -1):
            sums[taken] = np.concatenate([sums[taken], sums[taken - 1] + value])
    return sums[size]
