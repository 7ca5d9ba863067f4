"""What every reader of pictures returns, and how it complains."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from nas.common.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy as np


class DataError(UserError):
    """What was looked for or found, where, and how to go on, in one or two sentences."""


class Pictures(NamedTuple):
    """One split of a data set, decoded, in memory."""

    pixels: np.ndarray  # uint8 (N, C, H, W), 0..255
    labels: np.ndarray  # int64 (N,), 0..len(classes) - 1
    classes: tuple[str, ...]


def some(names: Iterable[object]) -> str:
    """The first of some names in quotes, and how many more there are: `'a', 'b' and 3 more`."""
    return first([f"'{name}'" for name in names])


def first(texts: Sequence[str], most: int = 5) -> str:
    """The first of some texts, and how many more there are."""
    more = len(texts) - most
    return ", ".join(texts[:most]) + (f" and {more:,} more" if more > 0 else "")
