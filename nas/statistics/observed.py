"""What the trials of a search show, with care: the sampler chose these rows and the pruner cut some
short.

Nothing here is evidence of what a choice does: a sampler that chases good candidates gives the
options different company, and pruning censors the worse ones. The twins are the evidence.
"""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import stdtr, stdtrit

from nas.statistics.family import holm
from nas.statistics.resampling import Array

#: rows on either side from which on a mean difference is shown
FEWEST_ROWS = 5


@dataclass(frozen=True)
class MarginalEffect:
    """Mean error of one option less that of the others (negative: lower error), unpaired (Welch,
    1947).
    """

    choice: str
    option: Hashable
    difference: float
    low: float
    high: float
    n: int
    n_others: int
    p_value: float
    p_adjusted: float
    confidence: float


@dataclass(frozen=True)
class Distribution:
    """F(e) = share of candidates with an error of at most e, at the sorted errors."""

    errors: Array
    shares: Array


@dataclass(frozen=True)
class Separation:
    """Largest distance between two distributions and its permutation p."""

    statistic: float
    p_value: float
    n: tuple[int, int]


def marginal_effects(
    choices: Mapping[str, Sequence[Hashable | None]],
    errors: Sequence[float],
    *,
    confidence: float = 0.95,
) -> list[MarginalEffect]:
    """Each option against the other rows where its choice was active (None: it was not), with
    Holm's p over all of them; of two options one is listed, and none with fewer than five rows on
    either side.
    """
    found = []
    for choice, column in choices.items():
        options = sorted({option for option in column if option is not None}, key=str)
        for option in options[:1] if len(options) == 2 else options:
            row = welch(choice, option, column, np.asarray(errors, dtype=float), confidence)
            found += [row] if row else []
    adjusted = holm(row.p_value for row in found)
    return [
        MarginalEffect(**vars(row) | {"p_adjusted": p})
        for row, p in zip(found, adjusted, strict=True)
    ]


def welch(
    choice: str,
    option: Hashable,
    column: Sequence[Hashable | None],
    errors: Array,
    confidence: float,
) -> MarginalEffect | None:
    """One option against the rest, uncorrected; None if either has fewer than five rows."""
    this = errors[[value == option for value in column]]
    rest = errors[[value is not None and value != option for value in column]]
    if min(len(this), len(rest)) < FEWEST_ROWS:
        return None
    a, b = this.var(ddof=1) / len(this), rest.var(ddof=1) / len(rest)
    difference, error = float(this.mean() - rest.mean()), sqrt(a + b)
    freedom = (a + b) ** 2 / (a**2 / (len(this) - 1) + b**2 / (len(rest) - 1)) if error else 1.0
    half = float(stdtrit(freedom, (1 + confidence) / 2)) * error
    p = float(2 * stdtr(freedom, -abs(difference) / error)) if error else float(difference == 0)
    return MarginalEffect(
        choice=choice,
        option=option,
        difference=difference,
        low=difference - half,
        high=difference + half,
        n=len(this),
        n_others=len(rest),
        p_value=p,
        p_adjusted=p,
        confidence=confidence,
    )


def edf(errors: Iterable[float]) -> Distribution:
    """The empirical distribution function."""
    values = np.sort(np.asarray(list(errors), dtype=float))
    return Distribution(values, np.arange(1, len(values) + 1) / len(values))


def separation(
    first: Sequence[float],
    second: Sequence[float],
    *,
    complexity: tuple[Sequence[float], Sequence[float]] | None = None,
    bins: int = 10,
    permutations: int = 2_000,
    seed: int = 0,
) -> Separation:
    """Kolmogorov-Smirnov distance of two sets of errors, p = (1 + hits) / (1 + permutations) of
    labels.

    With the complexities of both sets (log parameters, say) each distribution is normalised by
    complexity (Radosavovic et al., 2019), over the bins that both of them fill, and labels are
    exchanged within a bin only: else errors that depend on size alone would tell the sets apart (in
    25% of studies with 30 candidates of each, sizes one sd apart; so in 2 to 4%).
    """
    errors = np.concatenate([first, second]).astype(float)
    place = np.zeros(len(errors), dtype=int)
    if complexity is not None:
        values = np.concatenate(complexity).astype(float)
        edges = np.linspace(values.min(), values.max(), bins + 1)
        place = np.clip(np.searchsorted(edges, values, side="right") - 1, 0, bins - 1)
    label = np.arange(len(errors)) < len(first)
    order = np.argsort(errors, kind="stable")
    errors, place, label = errors[order], place[order], label[order]
    ends = np.append(np.flatnonzero(np.diff(errors)), len(errors) - 1)
    observed = distance(label, place, ends)
    rng = np.random.default_rng(seed)
    hits = sum(
        distance(exchanged(label, place, rng), place, ends) >= observed - 1e-12
        for _ in range(permutations)
    )
    return Separation(observed, (1 + hits) / (1 + permutations), (len(first), len(second)))


def exchanged(label: ArrayLike, place: Array, rng: np.random.Generator) -> ArrayLike:
    """The labels in random order within each bin."""
    labels = np.asarray(label)
    shuffled = np.empty_like(labels)
    shuffled[np.argsort(place, kind="stable")] = labels[np.lexsort((rng.random(len(place)), place))]
    return shuffled


def distance(label: ArrayLike, place: Array, ends: Array) -> float:
    """max |F_1 - F_2| over rows sorted by error, each bin of `place` that both fill weighing
    alike.
    """
    mine = np.asarray(label, dtype=bool)
    ours, theirs = np.bincount(place, mine), np.bincount(place, ~mine)
    shared = (ours > 0) & (theirs > 0)
    if not shared.any():
        return 0.0
    signed = np.where(mine, 1 / np.maximum(ours, 1)[place], -1 / np.maximum(theirs, 1)[place])
    curve = np.cumsum(signed * shared[place]) / shared.sum()
    return float(np.abs(curve[ends]).max())
