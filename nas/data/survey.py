"""A look at all pictures of a data set before anything is trained on them."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from nas.common.errors import NasWarning
from nas.data.catalog import FROM_PATH, TABLE, Dataset, noun, source_path, split_sizes
from nas.data.facts import DATASETS
from nas.data.pictures import DataError, first, some

SPLITS = ("train", "validation", "test")

#: classes that a table of pictures shows
MOST_ROWS = 20


@dataclass(frozen=True)
class Survey:
    """Pictures or rows of each class in each split, and what to know of them."""

    noun: str
    classes: tuple[str, ...]
    counts: dict[str, list[int]]
    notes: list[str]

    def lines(self) -> list[str]:
        """A table of pictures per class and split, then the notes."""
        rows = [("", *self.counts)]
        rows += [
            (name, *(f"{counts[label]:,}" for counts in self.counts.values()))
            for label, name in enumerate(self.classes[:MOST_ROWS])
        ]
        if more := len(self.classes) - MOST_ROWS:
            rows += [(f"and {more:,} classes more", "", "", "")] * (more > 0)
        every = "all classes" if self.classes else "all"
        rows.append((every, *(f"{sum(counts):,}" for counts in self.counts.values())))
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        table = [
            "  ".join([name.ljust(widths[0]), *map(str.rjust, counts, widths[1:])])
            for name, *counts in rows
        ]
        return [
            f"{self.noun.capitalize()}:",
            *(f"  {line}".rstrip() for line in table),
            *self.notes,
        ]


def survey(dataset: Dataset, data_dir: Path, batch_size: int) -> Survey:
    """Read every split of data of the user's own; DataError where one cannot be used."""
    from nas.data.module import ImageData, open_data

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", NasWarning)
        data = open_data(dataset, data_dir=data_dir, batch_size=batch_size, seed=0)
        assert isinstance(data, ImageData)
        data.check_enough()
        counts = {split: data.class_counts(split) for split in SPLITS}
    if data.is_constant:
        raise DataError(f"dataset.path: {constant(dataset)}, so there is nothing to learn.")
    said = dict.fromkeys(str(one.message) for one in caught if issubclass(one.category, NasWarning))
    missing = _missing(noun(dataset), data.classes, counts)
    notes = [*said, *data.notes, *missing, *_unread(dataset)]
    return Survey(noun(dataset), data.classes, counts, notes)


def constant(dataset: Dataset) -> str:
    """That all pictures or rows are the same."""
    if dataset.name == TABLE:
        return f"all training rows of '{dataset.path}' are the same"
    return (
        f"all pictures in '{dataset.path}' are one and the same colour (dataset.background is what "
        "shows where they are transparent)"
    )


def sizes(dataset: Dataset) -> str:
    """The splits of a built-in data set in a sentence; nothing is read for it."""
    known = DATASETS[dataset.name]
    train, validation = split_sizes(dataset, known.num_train)
    return (
        f"Pictures: {train:,} training, {validation:,} validation and {known.num_test:,} test "
        f"pictures of {len(known.classes)} classes."
    )


def prepare(dataset: Dataset, data_dir: Path, batch_size: int, log: Callable[[str], None]) -> None:
    """Bring the files of a built-in data set, and look at all splits of the user's own, before
    anything is trained; DataError where one cannot be used."""
    from nas.data.locate import ensure

    ensure(dataset, data_dir)
    if dataset.name in FROM_PATH:
        for note in survey(dataset, data_dir, batch_size).notes:
            log(note)


def survey_lines(dataset: Dataset, data_dir: Path, batch_size: int) -> list[str]:
    """What `nas check` prints of a data set; none of a module, whose code it does not run."""
    if dataset.name in FROM_PATH:
        return survey(dataset, data_dir, batch_size).lines()
    return [sizes(dataset)] if dataset.name in DATASETS else []


def _missing(noun: str, classes: tuple[str, ...], counts: dict[str, list[int]]) -> list[str]:
    """A sentence for each split that lacks classes, with how many pictures these have in all."""
    totals = [sum(found) for found in zip(*counts.values(), strict=True)]
    notes = []
    for split, found in counts.items():
        without = [label for label, count in enumerate(found) if not count]
        if without:
            told = first([f"'{classes[label]}' ({totals[label]:,} in all)" for label in without])
            notes.append(f"The {split} split has no {noun} of {told}: it says nothing of them.")
    return notes


def _unread(dataset: Dataset) -> list[str]:
    """A sentence about arrays that are not read."""
    if dataset.name != "npz":
        return []
    from nas.data.npz import unread_arrays

    names = unread_arrays(source_path(dataset))
    return [f"Not read: the arrays {some(names)}."] if names else []
