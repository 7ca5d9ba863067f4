"""Columns as features: fitted on training rows by scikit-learn, kept as plain numbers and words.

So an exported module can hold them, and a table of words and missing values meets the same
arithmetic there, in float64, as in the search.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from nas.common.errors import shown
from nas.data.pictures import DataError
from nas.data.tables.table import Table, Words

#: different words of a column that are encoded, at most
MOST_WORDS = 100
#: from which on a column is free text where more than half of its rows differ
FREE_FROM = 20
CHUNK = 65_536  # rows encoded together


@dataclass(frozen=True)
class Number:
    """A column of numbers: what stands for a missing one, and mean and deviation."""

    name: str
    median: float
    mean: float
    deviation: float


@dataclass(frozen=True)
class Category:
    """A column of words: the one that stands for a missing one, and those that have a feature."""

    name: str
    usual: str
    values: tuple[str, ...]


@dataclass(frozen=True)
class Encoding:
    """What the training rows showed: medians, means, deviations and words of the columns, and of a
    target that is a number its mean and deviation.
    """

    numbers: tuple[Number, ...]
    categories: tuple[Category, ...]
    target: tuple[float, float] | None = None

    @property
    def num_features(self) -> int:
        """Features of a row: one for each number and for each word of a category."""
        return len(self.numbers) + sum(len(one.values) for one in self.categories)

    def features(self, table: Table) -> np.ndarray:
        """Features of all rows, float32 (N, num_features)."""
        out = np.zeros((len(table), self.num_features), np.float32)
        for start in range(0, len(table), CHUNK):
            rows = slice(start, start + CHUNK)
            for place, one in enumerate(self.numbers):
                x = table.numbers[one.name][rows]
                out[rows, place] = (np.where(np.isnan(x), one.median, x) - one.mean) / one.deviation
        start = len(self.numbers)
        for words in self.categories:
            place_of = places(table.words[words.name], words)
            known = np.flatnonzero(place_of >= 0)
            out[known, start + place_of[known]] = 1
            start += len(words.values)
        return out

    def targets(self, table: Table) -> np.ndarray:
        """Labels, int64, or standardised numbers, float32 (N,)."""
        if self.target is None:
            return table.target
        mean, deviation = self.target
        return ((table.target - mean) / deviation).astype(np.float32)

    def written(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)

    @classmethod
    def parse(cls, data: dict[str, Any]) -> "Encoding":
        """From its written form."""
        categories = (Category(**one | {"values": (*one["values"],)}) for one in data["categories"])
        target = tuple(data["target"]) if data["target"] else None
        return cls(tuple(Number(**one) for one in data["numbers"]), tuple(categories), target)


def places(words: Words, category: Category) -> np.ndarray:
    """For each row the place of its word among those of a category; -1 where it has none there."""
    known = {value: place for place, value in enumerate(category.values)}
    table = [known.get(value, -1) for value in words.values]
    return np.array([*table, known[category.usual]])[words.codes]


def fitted(table: Table, rows: np.ndarray) -> Encoding:
    """The encoding of a table, fitted on some of its rows; columns that are empty there are left
    out. DataError where a column is free text, or none is left.
    """
    numbers = [number(name, x[rows]) for name, x in table.numbers.items() if has_values(x[rows])]
    words = {name: one for name, one in table.words.items() if (one.codes[rows] >= 0).any()}
    categories = [category(name, one, rows) for name, one in words.items()]
    if not numbers and not categories:
        raise DataError(
            "dataset.path: the training rows have no column with a value to learn from."
        )
    target = None
    if not table.classes:
        mean, deviation = standard(table.target[rows])
        target = mean, deviation
    return Encoding(tuple(numbers), tuple(categories), target)


def has_values(x: np.ndarray) -> bool:
    """Whether a column of numbers has one."""
    return not bool(np.isnan(x).all())


def number(name: str, x: np.ndarray) -> Number:
    """A column of numbers, by scikit-learn's imputer and scaler."""
    from sklearn.impute import SimpleImputer

    imputer = SimpleImputer(strategy="median").fit(x[:, None])
    mean, deviation = standard(imputer.transform(x[:, None])[:, 0])
    return Number(name, float(imputer.statistics_[0]), mean, deviation)


def standard(x: np.ndarray) -> tuple[float, float]:
    """Mean and deviation, 1 for the latter of a column of one value."""
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler().fit(x[:, None])
    assert scaler.mean_ is not None
    assert scaler.scale_ is not None
    return float(scaler.mean_[0]), float(scaler.scale_[0])


def category(name: str, words: Words, rows: np.ndarray) -> Category:
    """A column of words, by scikit-learn's imputer and encoder."""
    from sklearn.impute import SimpleImputer
    from sklearn.preprocessing import OneHotEncoder

    codes = words.codes[rows, None]
    imputer = SimpleImputer(missing_values=-1, strategy="most_frequent").fit(codes)
    (found,) = OneHotEncoder().fit(imputer.transform(codes)).categories_
    is_free = len(found) > FREE_FROM and 2 * len(found) > len(rows)
    if len(found) > MOST_WORDS or is_free:
        example = shown(words.values[int(found[0])])
        raise DataError(
            f"dataset.path: the column {name!r} holds {len(found):,} different texts in "
            f"{len(rows):,} training rows, such as {example}: free text cannot be encoded. Leave "
            f"it out with `drop: [{name}]`, or put numbers or few words there."
        )
    usual = words.values[int(imputer.statistics_[0])]
    return Category(name, usual, tuple(words.values[int(code)] for code in found))
