"""Tables of other people: CSV, plain or packed, Parquet, and the trials of an Optuna study."""

import bz2
import csv
import gzip
import lzma
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TextIO

from nas.common.errors import UserError, shown

OPENERS: dict[str, Callable[..., Any]] = {".gz": gzip.open, ".xz": lzma.open, ".bz2": bz2.open}
DELIMITERS = ",;\t"
#: what a cell without a value reads
EMPTY = {"", "nan", "none", "null", "na", "n/a", "<na>"}
#: a file of text with a longer line is no table
LONGEST_CELL = 1_000_000


class TableError(UserError):
    """What is wrong with a table, or with what is asked of it."""


@dataclass(frozen=True)
class DataTable:
    """Columns of text, all of one length; `source` is where they are from, and `first_row` the
    number that people give to the first row.
    """

    source: str
    columns: Mapping[str, Sequence[str]]
    first_row: int = 1

    @property
    def num_rows(self) -> int:
        """The number of rows."""
        return len(next(iter(self.columns.values()), ()))

    @property
    def name(self) -> str:
        """A name to call its files by."""
        return Path(self.source).name.partition(".")[0] or "table"

    def column(self, name: str) -> Sequence[str]:
        """A column; TableError if there is none of that name."""
        if name not in self.columns:
            close = get_close_matches(name, self.columns, n=1)
            near = f" Did you mean {close[0]!r}?" if close else ""
            raise TableError(
                f"{self.source} has no column {name!r}; it has {', '.join(self.columns)}.{near}"
            )
        return self.columns[name]

    def place(self, row: int) -> str:
        """How people find a row."""
        return f"{self.source}, row {row + self.first_row}"


def is_empty(cell: str) -> bool:
    """Whether a cell has no value."""
    return cell.strip().lower() in EMPTY


def read_table(source: str, study: str | None = None) -> DataTable:
    """The table at a path, or the trials of a study at a storage URL; TableError if it is none."""
    if "://" in source:
        from nas.tables.optuna_study import read_study

        return read_study(source, study)
    if study is not None:
        raise TableError(
            f"--study {study} goes with the URL of a storage, as in sqlite:///runs/nas.db, and "
            f"{source} is a file."
        )
    path = Path(source)
    if not path.is_file():
        raise TableError(
            f"there is no file {source}: give a CSV (.gz, .xz or .bz2 too), a Parquet file, or the "
            "URL of a storage with --study NAME."
        )
    if path.suffix in (".parquet", ".pq"):
        return read_parquet(path)
    return read_csv(path)


def read_csv(path: Path) -> DataTable:
    """A CSV with a head, its cells separated by commas, semicolons or tabs."""
    try:
        with OPENERS.get(path.suffix, open)(path, "rt", encoding="utf-8-sig", newline="") as file:
            return DataTable(str(path), columns_of(str(path), csv_rows(file)), first_row=2)
    except (UnicodeDecodeError, csv.Error, EOFError, OSError, lzma.LZMAError) as error:
        raise TableError(
            f"{path} cannot be read as CSV in UTF-8 ({str(error).rstrip('.')}). Save it so, or "
            "pack it with gzip, xz or bzip2 and the suffix .gz, .xz or .bz2."
        ) from error


def csv_rows(file: TextIO) -> Iterator[list[str]]:
    """The rows of a CSV, the head first; empty lines are none."""
    head = file.readline(LONGEST_CELL)
    delimiter = max(DELIMITERS, key=head.count)
    yield from (row for row in csv.reader([head], delimiter=delimiter) if row)
    yield from (row for row in csv.reader(file, delimiter=delimiter) if row)


def columns_of(source: str, rows: Iterator[list[str]]) -> dict[str, list[str]]:
    """Name -> cells, from a head and rows that are as long."""
    head = [name.strip() for name in next(rows, [])]
    if not head:
        raise TableError(f"{source} is empty: a table begins with a line of column names.")
    if twice := [name for name, count in Counter(head).items() if count > 1]:
        raise TableError(f"{source} has {shown(twice[0])} as the name of several columns.")
    cells: list[list[str]] = [[] for _ in head]
    for number, row in enumerate(rows, 2):
        if len(row) != len(head):
            raise TableError(
                f"{source}, row {number} has {len(row)} cells and the head {len(head)}: quote "
                "cells that hold a separator."
            )
        for column, cell in zip(cells, row, strict=True):
            column.append(cell)
    return dict(zip(head, cells, strict=True))


def read_parquet(path: Path) -> DataTable:
    """A Parquet file, with pyarrow where it is installed."""
    try:
        import pyarrow.parquet as parquet
    except ImportError:
        raise TableError(
            f"{path} is Parquet, for which pyarrow is needed: `pip install 'nas[parquet]'`, or "
            "save the table as CSV."
        ) from None
    try:
        found = parquet.read_table(path).to_pydict()
    except (OSError, ValueError) as error:
        raise TableError(f"{path} cannot be read as Parquet: {error}") from error
    return DataTable(str(path), {str(name): list(map(text, one)) for name, one in found.items()})


def text(value: Any) -> str:
    """A value as a cell."""
    return "" if value is None else str(value)
