"""What is to be predicted: labels with their classes, or numbers."""

from pathlib import Path
from typing import Any

import numpy as np

from nas.data.pictures import DataError

#: whole numbers of at most so many values are classes, unless the space says otherwise
MOST_CLASSES = 20


def labelled(
    path: Path, name: str, values: np.ndarray, task: str | None
) -> tuple[np.ndarray, tuple[str, ...]]:
    """int64 labels and the classes, in order; or float64 numbers and no classes.

    Words are classes, and so are few whole numbers, unless `task` says what they are.
    """
    is_number = values.dtype.kind in "iuf"
    distinct = np.unique(values if is_number else values.astype(str))
    whole = is_number and bool((distinct == np.round(distinct)).all())
    if task == "regression" and not is_number:
        raise DataError(
            f"dataset.target: {name!r} of '{path}' holds words such as {str(distinct[0])!r}, and "
            "task: regression needs numbers: write task: classification, or name another column."
        )
    few = whole and len(distinct) <= MOST_CLASSES
    classifies = task == "classification" or not is_number or few
    if task == "regression" or not classifies:
        return several(path, name, values.astype(np.float64), distinct, "values"), ()
    if 2 * len(distinct) > len(values):
        raise DataError(
            f"dataset.target: {name!r} of '{path}' has {len(distinct):,} different values in "
            f"{len(values):,} rows, which are too many for classes: name another column"
            f"{', or write task: regression' if is_number else ''}."
        )
    several(path, name, values, distinct, "classes")
    found: Any = values if is_number else values.astype(str)
    names = (str(int(value)) if whole else str(value) for value in distinct)
    return np.searchsorted(distinct, found).astype(np.int64), tuple(names)


def several(
    path: Path, name: str, values: np.ndarray, distinct: np.ndarray, what: str
) -> np.ndarray:
    """The values; DataError where there is but one."""
    if len(distinct) < 2:
        raise DataError(
            f"dataset.target: {name!r} of '{path}' holds {str(distinct[0])!r} in every row; there "
            f"must be two {what} or more to learn from."
        )
    return values
