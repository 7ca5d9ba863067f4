"""A table as it was read, before anything is fitted on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np


class Words(NamedTuple):
    """A column of words: for each row the number of its word, -1 where it is missing."""

    codes: np.ndarray  # int64 (N,)
    values: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """Columns by name, and the target of each row.

    numbers: float64 (N,), NaN where missing. target: int64 labels with their classes, or float64
    and no classes where it is a number. groups: rows of one number stay in one split. split: of
    each row "train", "validation" or "test", where it was published so.
    """

    numbers: dict[str, np.ndarray]
    words: dict[str, Words]
    target: np.ndarray
    classes: tuple[str, ...] = ()
    groups: np.ndarray | None = None
    split: np.ndarray | None = None
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.target)
