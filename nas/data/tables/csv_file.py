"""A CSV file with a header as a table, by pandas."""

import csv
from pathlib import Path
from typing import Any

import numpy as np

from nas.common.errors import shown
from nas.common.machine import available_memory
from nas.data.pictures import DataError, some
from nas.data.tables.table import Table, Words
from nas.data.tables.targets import labelled

SEPARATORS = ",;\t|"
#: memory that a file takes while it is read, as a multiple of its size
MEMORY_FACTOR = 4
#: a column of words in which so large a share are numbers was meant to be one of numbers
MOSTLY = 0.5


def read_csv(
    path: Path, target: str, *, task: str | None, groups: str | None, drop: tuple[str, ...]
) -> Table:
    """The rows of a file. DataError with line and column for what cannot be used."""
    separator, header = looked_at(path)
    wanted = {"target": (target,), "groups": (groups,) if groups else (), "drop": drop}
    for key, names in wanted.items():
        for name in names:
            if name not in header:
                raise DataError(
                    f"dataset.{key}: '{path}' has no column {name!r}; it has {some(header)}."
                )
    return Columns(path, frame_of(path, separator), target).table(task, groups, drop)


class Columns:
    """The columns of a file, of rows that have a target."""

    def __init__(self, path: Path, frame: Any, target: str) -> None:
        self.path, self.target, self.notes = path, target, []
        kept = frame[target].notna().to_numpy()
        self.lines = 2 + np.flatnonzero(kept)
        """Of each row, as the header is line 1."""
        if not kept.all():
            self.notes.append(
                f"Left out: {(~kept).sum():,} rows without a {target!r}, the first in line "
                f"{2 + np.flatnonzero(~kept)[0]}."
            )
        self.frame = frame[kept]

    def table(self, task: str | None, groups: str | None, drop: tuple[str, ...]) -> Table:
        """All of them as a table."""
        goal = self.frame[self.target].to_numpy()
        group = self.frame[groups].astype(str) if groups else None
        names = [name for name in self.frame if name not in (self.target, groups, *drop)]
        numbers, words = {}, {}
        for name in names:
            column = self.frame.pop(name)
            if column.isna().all():
                self.notes.append(f"Left out: the column {name!r}, which is empty.")
            elif column.dtype.kind in "iuf":
                numbers[name] = self.finite(name, column.to_numpy(np.float64, copy=True))
            else:
                words[name] = self.words(name, column)
        found, classes = labelled(self.path, self.target, goal, task)
        if not classes:
            self.finite(self.target, found)
        numbered = None if group is None else np.unique(group, return_inverse=True)[1]
        return Table(numbers, words, found, classes, numbered, None, tuple(self.notes))

    def finite(self, name: str, x: np.ndarray) -> np.ndarray:
        """The numbers of a column; DataError where one is infinite."""
        if (infinite := np.isinf(x)).any():
            raise DataError(
                f"dataset.path: the column {name!r} of '{self.path}' holds {x[infinite][0]} in "
                f"line {self.lines[infinite][0]}: put a number or nothing there."
            )
        return x

    def words(self, name: str, column: Any) -> Words:
        """A column of words; DataError where it is one of numbers with something else in it."""
        import pandas

        if column.dtype.kind != "b":
            read = pandas.to_numeric(column, errors="coerce")
            other = (read.isna() & column.notna()).to_numpy()
            if read.notna().mean() > MOSTLY and other.any():
                raise DataError(
                    f"dataset.path: the column {name!r} of '{self.path}' holds numbers, and "
                    f"{shown(str(column[other].iloc[0]))} in line {self.lines[other][0]}: put a "
                    f"number or nothing there, or leave it out with `drop: [{name}]`."
                )
        words = column.astype(object).map(str, na_action="ignore")
        codes, values = pandas.factorize(words, sort=True)
        return Words(codes.astype(np.int64), tuple(map(str, values)))


def looked_at(path: Path) -> tuple[str, list[str]]:
    """Separator and header of a file of which every row has as many fields."""
    if not path.is_file():
        raise DataError(f"dataset.path: there is no file '{path}' to read rows from.")
    if path.stat().st_size * MEMORY_FACTOR > available_memory():
        raise DataError(
            f"dataset.path: '{path}' has {path.stat().st_size:,} bytes, which take more memory to "
            "read than is free: keep the rows or columns that matter, or save numbers as .npz."
        )
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            first = file.readline()
            separator = max(SEPARATORS, key=first.count)
            file.seek(0)
            rows = csv.reader(file, delimiter=separator)
            header = next(rows, [])
            check_header(path, header)
            check_rows(path, rows, len(header))
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(
            f"dataset.path: '{path}' cannot be read as CSV in UTF-8 ({error}); save it so."
        ) from error
    return separator, header


def check_header(path: Path, header: list[str]) -> None:
    """Names of columns, each once."""
    if not header:
        raise DataError(f"dataset.path: '{path}' is empty; needed are a header and rows.")
    twice = [name for name in dict.fromkeys(header) if name and header.count(name) > 1]
    if twice or "" in header:
        raise DataError(
            f"dataset.path: the header of '{path}' has "
            f"{f'{some(twice)} more than once' if twice else 'a column without a name'}; give "
            "every column a name of its own in the first line."
        )


def check_rows(path: Path, rows: Any, width: int) -> None:
    """As many fields as the header has, in every row, and some rows."""
    count = 0
    for row in rows:
        count += bool(row)
        if row and len(row) != width:
            raise DataError(
                f"dataset.path: line {rows.line_num} of '{path}' has {len(row)} fields, and the "
                f"header {width}: complete it, or put text with separators in quotes."
            )
    if count < 2:
        raise DataError(f"dataset.path: '{path}' has {count} rows under its header; give more.")


def frame_of(path: Path, separator: str) -> Any:
    """The file as a pandas data frame."""
    try:
        import pandas
    except ImportError as error:
        raise DataError(
            "dataset.path: reading CSV needs pandas: pip install 'nas[pandas]', or save the "
            "numbers as .npz."
        ) from error
    return pandas.read_csv(path, sep=separator, encoding="utf-8-sig", low_memory=False)
