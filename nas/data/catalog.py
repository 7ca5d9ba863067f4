"""The `dataset:` section of a space as data, and what is known of a data set without reading it.

Imports neither torch nor numpy: `nas check` reads this file.
"""

import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from nas.common.class_paths import CLASS_PATH, Code
from nas.common.errors import shown
from nas.common.later_keys import without_later
from nas.common.registry import unknown
from nas.data.augment import AUGMENTATIONS, named, shortened
from nas.data.facts import DATASETS
from nas.data.pictures import DataError
from nas.data.tables.sources import TABLES
from nas.model.architecture import Named

#: rows of features in place of pictures
TABLE = "table"
#: those that are read and looked at before anything is trained
FROM_PATH = ("folder", "npz", TABLE)
#: those that are Python code: a class of the user, or an object that a program hands over
FROM_CODE = ("module", "object")
LAYOUTS = ("NCHW", "NHWC")
TASKS = ("classification", "regression")
#: keys that only some data sets have
OWN_KEYS = {
    "path": FROM_PATH,
    "layout": ("npz",),
    "channels": ("folder",),
    "background": ("folder",),
    "unreadable": ("folder",),
    "class_path": ("module",),
    "image_shape": FROM_CODE,
    "num_classes": FROM_CODE,
    "source": (TABLE,),
    "target": (TABLE,),
    "task": (TABLE,),
    "groups": (TABLE,),
    "drop": (TABLE,),
}
#: keys of pictures alone
PICTURE_KEYS = ("image_size", "augment")
#: keys that all others have; a module decides these itself
SHARED_KEYS = ("image_size", "augment", "train_size", "validation_size")
NEEDED_KEYS = {
    "folder": ("path",),
    "npz": ("path",),
    "module": ("class_path", "image_shape", "num_classes"),
    "object": ("image_shape", "num_classes"),
}
#: keys that came later, with their defaults
LATER_DATASET_KEYS: dict[str, Any] = dict.fromkeys(
    (
        *("layout", "channels", "background", "unreadable"),
        *("source", "target", "task", "groups", "drop"),
    )
)
COLOUR = r"^#[0-9a-fA-F]{6}$"
Shape = tuple[tuple[int, int, int], int]


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """The resolved settings of a `dataset:` section."""

    name: str
    """The data set: a built-in one, or how your own is given."""
    path: str | None = None
    """folder, npz, table: where the pictures or rows are, relative to the current folder; of a
    table a CSV file with a header or an .npz of features."""
    source: str | None = None
    """table: one that needs no file, in place of path."""
    target: str | None = None
    """table: the column of a CSV file that is to be predicted."""
    task: str | None = None
    """table: whether the target is classes or numbers; left out: words and at most 20 whole numbers
    are classes."""
    groups: str | None = None
    """table: a column whose rows of equal value stay in one split, as all rows of a patient."""
    drop: tuple[str, ...] | None = None
    """table: columns of a CSV file that are not looked at."""
    layout: str | None = None
    """npz: the axes of pictures, NCHW or NHWC, where they cannot be told by their sizes."""
    channels: int | None = None
    """folder: 1 to read pictures as grey, 3 as RGB; left out: 3."""
    background: str | None = None
    """folder: the colour #rrggbb behind what is transparent; left out: white."""
    unreadable: str | None = None
    """folder: "refuse" or "skip" files that are no pictures; left out: refuse."""
    class_path: str | None = None
    """module: the LightningDataModule, as `package.module.Class`."""
    init_args: str = "{}"
    """module: its keyword arguments, a JSON object; the options of a registered data set."""
    image_size: int | None = None
    """Side in pixels of the square every picture is resized to; left out: as stored."""
    image_shape: tuple[int, int, int] | None = None
    """module, object: (channels, height, width)."""
    num_classes: int | None = None
    """module, object: number of classes."""
    augment: tuple[str | Named, ...] = ()
    """Augmentations of the training pictures, made in the order in which they are registered."""
    train_size: int | None = None
    """Pictures or rows trained on, a stratified subset; left out: all but the validation split."""
    validation_size: int | None = None
    """Pictures or rows in the validation split; left out: a tenth, or all that are published."""
    split_seed: int = 0
    """Seed of the train/validation split; the training seed does not move it."""

    def __post_init__(self) -> None:
        _check_keys(self)
        _check_values(self)
        _check_reading(self)
        if self.name in DATASETS:
            split_sizes(self, DATASETS[self.name].num_train)

    @property
    def code(self) -> frozenset[Code]:
        """The code that yields the pictures, if any does."""
        return frozenset({(self.class_path, self.init_args)} if self.class_path else ())

    def check(self) -> None:
        """DataError where the data set or an augmentation is unknown, or an option of it cannot be:
        apart, as data are also read to be described where their plugin is not imported.
        """
        if self.name not in (*FROM_PATH, *FROM_CODE):
            with _placed("name"):
                if self.name not in DATASETS:
                    raise ValueError(unknown(DATASETS.kind, self.name, dataset_names()))
            with _placed("init_args"):
                DATASETS.check(self.name, self.options.items())
        with _placed("augment"):
            for one in map(named, self.augment):
                AUGMENTATIONS.check(one.name, one.options)
                AUGMENTATIONS[one.name].check(one)

    @property
    def options(self) -> dict[str, Any]:
        """The keyword arguments of a module, or options of a registered data set."""
        found: dict[str, Any] = json.loads(self.init_args)
        return found

    def to_json(self) -> str:
        augment = [named(one).written() for one in self.augment]
        data = asdict(self) | {"augment": augment}
        return json.dumps(without_later(data, LATER_DATASET_KEYS), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> "Dataset":
        """The settings `to_json` wrote; ValueError where the text is something else."""
        values: dict[str, Any] = json.loads(text)
        if values.get("image_shape") is not None:
            values["image_shape"] = tuple(values["image_shape"])
        if values.get("drop") is not None:
            values["drop"] = tuple(values["drop"])
        if values.get("augment") is not None:
            values["augment"] = written_augment(values["augment"])
        return cls(**values)


def written_augment(written: list[Any]) -> tuple[str | Named, ...]:
    """Augmentations from their written form; without options, they stand as strings."""
    return tuple(shortened(Named.parse(one)) for one in written)


def noun(dataset: Dataset) -> str:
    """What the data set has many of."""
    return "rows" if dataset.name == TABLE else "pictures"


def dataset_names() -> list[str]:
    """What a data set can be called."""
    return [*DATASETS, *FROM_PATH, *FROM_CODE]


def shape(dataset: Dataset) -> Shape | None:
    """((channels, height, width), classes), or None where only reading the pictures would tell."""
    if dataset.name in FROM_CODE:
        assert dataset.image_shape is not None
        assert dataset.num_classes is not None
        return dataset.image_shape, dataset.num_classes
    if dataset.name == "folder":
        return _folder_shape(dataset)
    if dataset.name == TABLE:
        from nas.data.tables.prepare import prepared

        table = prepared(dataset)
        return (table.encoding.num_features, 1, 1), max(1, len(table.classes))
    if dataset.name == "npz":
        from nas.data.npz import peek

        image_shape, num_classes = peek(source_path(dataset), dataset.layout)
    else:
        facts = DATASETS[dataset.name]
        image_shape = (facts.channels, facts.image_size, facts.image_size)
        num_classes = len(facts.classes)
    return _resized(image_shape, dataset.image_size), num_classes


def source_path(dataset: Dataset) -> Path:
    """Where the pictures of a `folder` or `npz` data set are."""
    assert dataset.path is not None
    return Path(os.path.expanduser(dataset.path))


def has_validation(dataset: Dataset) -> bool:
    """Whether a `folder` or `npz` data set brings a validation split of its own."""
    if dataset.name == "folder":
        from nas.data.class_folders import split_folders

        return "validation" in split_folders(source_path(dataset))
    if dataset.name == "npz":
        from nas.data.npz import array_names

        return "validation" in array_names(source_path(dataset))
    return False


def split_sizes(
    dataset: Dataset, pool: int, *, num_classes: int = 1, own_validation: int = 0
) -> tuple[int, int]:
    """Numbers of training and validation pictures, taken from a pool of `pool` pictures, or the
    latter from a validation split of `own_validation` pictures."""
    validation = dataset.validation_size or own_validation or max(1, num_classes, pool // 10)
    free = pool if own_validation else pool - validation
    train = dataset.train_size or free
    if train < 2 or train > free or (own_validation and validation > own_validation):
        there = f"{pool:,} there are outside the test split"
        if own_validation:
            there = f"{pool:,} and {own_validation:,} there are"
        raise DataError(
            f"dataset {dataset.name}: {max(train, 2):,} training and {validation:,} validation "
            f"{noun(dataset)} were asked of the {there}; lower train_size or validation_size."
        )
    return train, validation


def known_train_size(dataset: Dataset) -> int | None:
    """Training pictures, or None where only reading the data set would tell."""
    if dataset.name in DATASETS:
        return split_sizes(dataset, DATASETS[dataset.name].num_train)[0]
    return dataset.train_size


def check_enough(dataset: Dataset, train: int, *, num_classes: int, batch_size: int) -> None:
    """DataError where so many training pictures are fewer than the classes, or than one batch."""
    what = dataset.class_path or dataset.name
    if train < num_classes:
        raise DataError(
            f"dataset.train_size: {what} has {num_classes:,} classes, and {train:,} training "
            f"{noun(dataset)} cannot show them all: give more of them."
        )
    if train < batch_size:
        raise DataError(
            f"training.batch_size: {what} has {train:,} training {noun(dataset)}, fewer than the "
            f"{batch_size:,} of one batch: lower it, or give more {noun(dataset)}."
        )


def _folder_shape(dataset: Dataset) -> Shape | None:
    from nas.data.class_folders import class_names

    num_classes = len(class_names(source_path(dataset)))
    if dataset.image_size is None:
        return None
    return (dataset.channels or 3, dataset.image_size, dataset.image_size), num_classes


def _resized(image_shape: tuple[int, int, int], size: int | None) -> tuple[int, int, int]:
    return image_shape if size is None else (image_shape[0], size, size)


@contextmanager
def _placed(key: str) -> Iterator[None]:
    """A DataError with the key in it for a ValueError."""
    try:
        yield
    except ValueError as error:
        raise DataError(f"dataset.{key}: {error}") from error


def _check_keys(dataset: Dataset) -> None:
    """Every key that the named kind of data set needs is there, and none that it would ignore."""
    for key in NEEDED_KEYS.get(dataset.name, ()):
        if getattr(dataset, key) is None:
            raise DataError(f"dataset.{key}: needed by the data set {dataset.name!r}, not given.")
    unused = {key: "it would be ignored" for key in OWN_KEYS if dataset.name not in OWN_KEYS[key]}
    if dataset.name in FROM_CODE:
        unused |= dict.fromkeys(SHARED_KEYS, f"the {dataset.name} decides this itself")
    if dataset.name == TABLE:
        unused |= dict.fromkeys(PICTURE_KEYS, "rows of a table are no pictures")
        _check_table(dataset)
    for key, why in unused.items():
        if getattr(dataset, key) not in (None, ()):
            raise DataError(f"dataset.{key}: not a setting of {dataset.name!r} ({why}); remove it.")


def _check_table(dataset: Dataset) -> None:
    """A table has one source, and a CSV file a target."""
    if (dataset.path is None) == (dataset.source is None):
        raise DataError(
            f"dataset.path: a table needs either path, a .csv or .npz file, or source, one of "
            f"{', '.join(TABLES)}."
        )
    if dataset.source is not None:
        with _placed("source"):
            if dataset.source not in TABLES:
                raise ValueError(unknown(TABLES.kind, dataset.source, list(TABLES)))
    is_csv = dataset.path is not None and not dataset.path.endswith(".npz")
    if is_csv and dataset.target is None:
        raise DataError(
            "dataset.target: needed by a CSV file: the name of the column that is to be predicted."
        )
    for key in ("target", "groups", "drop", *(() if dataset.path else ("task",))):
        if not is_csv and getattr(dataset, key) is not None:
            raise DataError(
                f"dataset.{key}: not a setting of '{dataset.path or dataset.source}', which has no "
                "header; remove it."
            )
    if dataset.task not in (None, *TASKS):
        raise DataError(f"dataset.task: {shown(dataset.task)} is not {' or '.join(TASKS)}.")


def _check_values(dataset: Dataset) -> None:
    if dataset.class_path is not None and not re.match(CLASS_PATH, dataset.class_path):
        raise DataError(
            f"dataset.class_path: {shown(dataset.class_path)} is not written as "
            "package.module.Class."
        )
    for key in ("image_size", "train_size", "validation_size", "num_classes"):
        value = getattr(dataset, key)
        if value is not None and value < 1:
            raise DataError(f"dataset.{key}: {value} is not a positive number.")
    if dataset.image_shape is not None and (
        len(dataset.image_shape) != 3 or min(dataset.image_shape) < 1
    ):
        raise DataError(
            f"dataset.image_shape: {list(dataset.image_shape)} is not [channels, height, width]."
        )
    names = [named(one).name for one in dataset.augment]
    if len(set(names)) < len(names):
        raise DataError(f"dataset.augment: {', '.join(names)}: each can stand there once.")
    _check_init_args(dataset.init_args)


def _check_reading(dataset: Dataset) -> None:
    """The keys that say how files are read hold what they may."""
    allowed = {"layout": LAYOUTS, "channels": (1, 3), "unreadable": ("refuse", "skip")}
    for key, known in allowed.items():
        value = getattr(dataset, key)
        if value is not None and value not in known:
            raise DataError(f"dataset.{key}: {shown(value)} is not {' or '.join(map(str, known))}.")
    if dataset.background is not None and not re.fullmatch(COLOUR, dataset.background):
        raise DataError(f"dataset.background: {shown(dataset.background)} is no colour #rrggbb.")


def _check_init_args(text: str) -> None:
    try:
        is_mapping = isinstance(json.loads(text), dict)
    except ValueError:
        is_mapping = False
    if not is_mapping:
        raise DataError(f"dataset.init_args: {text!r} is not a JSON object of arguments.")
