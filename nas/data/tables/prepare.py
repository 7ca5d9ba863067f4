"""A table split and encoded: known to every process from the settings of the data set alone."""

import os
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from nas.data.catalog import Dataset, source_path, split_sizes
from nas.data.pictures import DataError
from nas.data.splits import held_out_test, stratified
from nas.data.tables.encoding import Encoding, fitted
from nas.data.tables.sources import TABLES
from nas.data.tables.table import Table

KEPT = 2  # tables in memory
SPLITS = ("train", "validation", "test")
#: groups that a table needs, for one in each split
FEWEST_GROUPS = 3


@dataclass(frozen=True, eq=False)
class Prepared:
    """Features float32 (N, F), targets (N,), the rows of each split, and what was fitted on the
    training rows.
    """

    features: np.ndarray
    targets: np.ndarray
    classes: tuple[str, ...]
    rows: dict[str, np.ndarray]
    encoding: Encoding
    notes: tuple[str, ...]


def prepared(dataset: Dataset) -> Prepared:
    """The table of a data set, read once in this process as long as its file stays as it is."""
    stamp = ""
    if dataset.path is not None:
        path = source_path(dataset).resolve()
        dataset = replace(dataset, path=str(path))
        if path.is_file():
            known = os.stat(path)
            stamp = f"{known.st_size} {known.st_mtime_ns} {known.st_ctime_ns}"
    return _prepared(dataset, stamp)


@lru_cache(maxsize=KEPT)
def _prepared(dataset: Dataset, stamp: str) -> Prepared:
    table = read(dataset)
    rows = split(table, dataset)
    encoding = fitted(table, rows["train"])
    features, targets = encoding.features(table), encoding.targets(table)
    return Prepared(features, targets, table.classes, rows, encoding, table.notes)


def read(dataset: Dataset) -> Table:
    """The table as it was written or made."""
    if dataset.source is not None:
        return TABLES[dataset.source]()
    path = source_path(dataset)
    if path.suffix == ".npz":
        from nas.data.tables.npz_file import read_npz

        return read_npz(path, dataset.task)
    from nas.data.tables.csv_file import read_csv

    assert dataset.target is not None
    drop = dataset.drop or ()
    return read_csv(path, dataset.target, task=dataset.task, groups=dataset.groups, drop=drop)


def split(table: Table, dataset: Dataset) -> dict[str, np.ndarray]:
    """Rows of the training, validation and test split; classes in proportion, or groups whole.

    The test split is that published, else a fifth, the same for every seed.
    """
    if table.groups is not None:
        return split_by_groups(table.groups, dataset)
    strata = table.target if table.classes else np.zeros(len(table), np.int64)
    every, published = np.arange(len(table)), table.split
    apart = {name: every[published == name] for name in SPLITS} if published is not None else {}
    pool = apart.get("train", every)
    test = apart.get("test", every[:0])
    if not len(test):
        test, pool = (pool[held_out_test(strata[pool], name)] for name in ("test", "train"))
    held = apart.get("validation", every[:0])
    train_size, size = sizes(dataset, strata[pool], len(held))
    if len(held):
        validation = held[stratified(strata[held], size, seed=dataset.split_seed)[0]]
        rest = pool
    else:
        chosen, others = stratified(strata[pool], size, seed=dataset.split_seed, spare=1)
        validation, rest = pool[chosen], pool[others]
    train = rest[stratified(strata[rest], train_size, seed=dataset.split_seed)[0]]
    return {"train": train, "validation": validation, "test": test}


def sizes(dataset: Dataset, strata: np.ndarray, own_validation: int) -> tuple[int, int]:
    """Numbers of training and validation rows."""
    if own_validation:
        return split_sizes(dataset, len(strata), own_validation=own_validation)
    spread = int((np.bincount(strata) > 1).sum())  # classes that can be in both
    return split_sizes(dataset, len(strata), num_classes=spread)


def split_by_groups(groups: np.ndarray, dataset: Dataset) -> dict[str, np.ndarray]:
    """The same with all rows of a group in one split: whole groups, drawn until there are enough
    rows.
    """
    if len(np.unique(groups)) < FEWEST_GROUPS:
        raise DataError(
            f"dataset.groups: the column {dataset.groups!r} has {len(np.unique(groups))} "
            f"different values, and each of the {FEWEST_GROUPS} splits needs a group of its own: "
            "name another column, or leave groups out."
        )
    pool, test = whole_groups(groups, max(1, len(groups) // 5), seed=0, spare=2)
    train_size, size = split_sizes(dataset, len(pool))
    rest, validation = whole_groups(groups[pool], size, seed=dataset.split_seed, spare=1)
    validation, rest = pool[validation], pool[rest]
    train = np.sort(mixed_first(rest, min(train_size, len(rest)), dataset.split_seed))
    return {"train": train, "validation": validation, "test": test}


def whole_groups(
    groups: np.ndarray, count: int, *, seed: int, spare: int
) -> tuple[np.ndarray, np.ndarray]:
    """Rows left, and rows of groups drawn until there are so many; `spare` groups are left."""
    names = np.random.RandomState(seed).permutation(np.unique(groups))
    enough = np.cumsum([np.count_nonzero(groups == name) for name in names]) >= count
    drawn = names[: min(int(enough.argmax()) + 1, len(names) - spare)]
    taken = np.isin(groups, drawn)
    return np.flatnonzero(~taken), np.flatnonzero(taken)


def mixed_first(rows: np.ndarray, count: int, seed: int) -> np.ndarray:
    """So many of some rows, drawn at random."""
    return np.random.RandomState(seed).permutation(rows)[:count]
