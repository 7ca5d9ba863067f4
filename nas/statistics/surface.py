"""A surrogate of the error over depth and shortcut, shown only where it predicts rows it has not
seen.
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nas.statistics.resampling import Array

Columns = Mapping[str, Sequence[Hashable | None]]

SMALLEST_R2 = 0.5
"""Below, a surface would tell more about the model than about the networks: at least half of the
variance of unseen rows must be explained.
"""
FEWEST_ROWS = 20
"""Five folds of four."""


@dataclass(frozen=True)
class Surface:
    """Predicted `errors[shortcut, depth]` and `counts` of the rows behind each; `errors` is None
    where the cross-validated `r2` is poor (None: too few rows to know), and nan where there is no
    row.
    """

    depths: tuple[int, ...]
    shortcuts: tuple[str, ...]
    errors: Array | None
    counts: NDArray[np.int64]
    r2: float | None
    n: int


def depth_surface(
    depths: Sequence[int],
    shortcuts: Sequence[str],
    errors: Sequence[float],
    *,
    others: Mapping[str, Sequence[Hashable | None]] | None = None,
    seed: int = 0,
) -> Surface:
    """Random forest of the error on depth, shortcut and the other choices, averaged over the rows'
    other choices (partial dependence, Friedman, 2001).

    The average is taken directly and categories are one column for each option: scikit-learn's
    partial dependence of gradient boosting with categorical features is wrong with its default
    method.
    """
    columns: Columns = {"depth": list(depths), "shortcut": list(shortcuts), **(others or {})}
    levels = {
        name: sorted({str(option) for option in column})
        for name, column in columns.items()
        if name != "depth"
    }
    rows, target = encode(columns, levels), np.asarray(errors, dtype=float)
    grid = tuple(sorted(set(depths))), tuple(sorted(set(shortcuts)))
    cells = [[(d, s) for d in grid[0]] for s in grid[1]]
    seen = list(zip(depths, shortcuts, strict=True))
    counts = np.array([[seen.count(cell) for cell in line] for line in cells])
    r2 = cross_validated_r2(rows, target, seed)
    if r2 is None or r2 < SMALLEST_R2:
        return Surface(*grid, None, counts, r2, len(target))
    surface = averages(forest(seed).fit(rows, target), rows, *grid)
    return Surface(*grid, np.where(counts > 0, surface, np.nan), counts, r2, len(target))


def encode(columns: Columns, levels: Mapping[str, list[str]]) -> Array:
    """The depth as a number and one column of 0 and 1 for each option of the others."""
    depth = np.array([columns["depth"]], dtype=float)
    options = [
        [float(str(value) == level) for value in columns[name]]
        for name, known in levels.items()
        for level in known
    ]
    return np.concatenate([depth, np.array(options)]).T


def averages(model: Any, rows: Array, depths: Sequence[int], shortcuts: Sequence[str]) -> Array:
    """The mean prediction for all rows where they had each depth and each shortcut; depth is the
    first of their columns, and the shortcuts follow.
    """
    chosen = np.eye(len(shortcuts))
    everywhere = np.tile(rows, (len(shortcuts), len(depths), 1, 1))
    everywhere[..., 0] = np.array(depths)[:, None]
    everywhere[..., 1 : 1 + len(shortcuts)] = chosen[:, None, None]
    predicted = model.predict(everywhere.reshape(-1, rows.shape[1]))
    return np.asarray(predicted.reshape(everywhere.shape[:-1]).mean(axis=-1))


def forest(seed: int) -> Any:
    """A random forest (Breiman, 2001) on one thread."""
    from sklearn.ensemble import RandomForestRegressor

    return RandomForestRegressor(100, min_samples_leaf=2, random_state=seed)


def cross_validated_r2(rows: Array, target: Array, seed: int, folds: int = 5) -> float | None:
    """1 - sum (y - yhat)^2 / sum (y - mean)^2, every yhat from a forest that did not see its
    row.
    """
    if len(target) < FEWEST_ROWS or np.ptp(target) == 0:
        return None
    from sklearn.model_selection import KFold, cross_val_predict

    split = KFold(folds, shuffle=True, random_state=seed)
    unseen = cross_val_predict(forest(seed), rows, target, cv=split)
    return float(1 - ((target - unseen) ** 2).sum() / ((target - target.mean()) ** 2).sum())
