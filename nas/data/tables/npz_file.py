"""Features and targets in an `.npz` file as a table, with or without arrays for its splits."""

from pathlib import Path

import numpy as np

from nas.data.npz import array_names, load_array
from nas.data.pictures import DataError
from nas.data.tables.table import Table
from nas.data.tables.targets import labelled


def read_npz(path: Path, task: str | None) -> Table:
    """The arrays x (N, F) and y (N,), or x_train, y_train, x_test, y_test and so on."""
    names = array_names(path)
    parts = {split: (load_array(path, x), load_array(path, y)) for split, (x, y) in names.items()}
    width = next(iter(parts.values()))[0].shape[1:]
    for split, (x, y) in parts.items():
        check(path, names[split], x, y.reshape(-1), width)
    x = np.concatenate([one.astype(np.float64) for one, _ in parts.values()])
    y = np.concatenate([one.reshape(-1) for _, one in parts.values()])
    published = np.repeat(list(parts), [len(one) for one, _ in parts.values()])
    target, classes = labelled(path, names["train"][1], y, task)
    numbers = {f"x{place}": x[:, place] for place in range(x.shape[1])}
    return Table(numbers, {}, target, classes, None, published if len(parts) > 1 else None)


def check(
    path: Path, names: tuple[str, str], x: np.ndarray, y: np.ndarray, width: tuple[int, ...]
) -> None:
    """Rows of numbers, one target for each."""
    if x.ndim != 2 or x.shape[1:] != width or len(x) != len(y) or not len(x):
        raise DataError(
            f"dataset.path: '{path}': {names[0]} has the shape {x.shape} and {names[1]} "
            f"{len(y):,} entries; features are (rows, {width[0] if width else 'features'}), with "
            "one target for each row."
        )
    infinite = np.isinf(x)
    if infinite.any() or not np.isfinite(y).all():
        name, wrong = (names[0], infinite.any(1)) if infinite.any() else (names[1], ~np.isfinite(y))
        raise DataError(
            f"dataset.path: '{path}': row {np.flatnonzero(wrong)[0]} of {name} holds a number that "
            "is not finite; in the features, nan stands for what is missing."
        )
