"""How a folder of pictures is laid out: one sub-folder for each class. Looks at names only."""

import os
from pathlib import Path

from nas.data.pictures import DataError

CHANNELS = 3  # every picture is read as RGB
SUFFIXES = frozenset(
    (".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
)


def class_names(path: Path) -> tuple[str, ...]:
    """The sub-folders of `path/train`, or of `path` where there is no `train`, in order of name."""
    root = split_root(path, "train")
    if not os.path.isdir(root):  # which a path too long does not make fall
        raise DataError(
            f"dataset.path: there is no folder '{path}'. It must hold one sub-folder of pictures "
            "for each class, or 'train' and 'test' with such sub-folders."
        )
    names = _folders(root)
    if len(names) < 2:
        raise DataError(
            f"'{root}' has {len(names)} sub-folders; two or more are needed, one for each class."
        )
    if root != path:
        _check_nothing_ignored(path)
    return names


def split_root(path: Path, split: str) -> Path:
    """Where the class folders of the "train" or "test" split lie."""
    if not os.path.isdir(path / "train"):
        return path
    return path / split if (path / split).is_dir() else path / "train"


def pictures_of(root: Path, classes: tuple[str, ...]) -> tuple[list[Path], list[int]]:
    """The picture files below `root` in order of class and name, and their labels."""
    extra = set(_folders(root)) - set(classes)
    if extra:
        raise DataError(f"'{root}' has classes that 'train' has not: {', '.join(sorted(extra))}.")
    files, labels = [], []
    for label, name in enumerate(classes):
        of_class = _files(root / name)
        files += of_class
        labels += [label] * len(of_class)
    return files, labels


def _folders(path: Path) -> tuple[str, ...]:
    return tuple(sorted(p.name for p in path.iterdir() if p.is_dir() and p.name[0] != "."))


def _files(folder: Path) -> list[Path]:
    named = [p for p in folder.glob("*") if p.suffix.lower() in SUFFIXES and p.name[0] != "."]
    files = [p for p in named if p.is_file()]
    if not files:
        raise DataError(
            f"'{folder}' holds no pictures ({', '.join(sorted(SUFFIXES))}); every class needs some."
        )
    return sorted(files)


def _check_nothing_ignored(path: Path) -> None:
    others = set(_folders(path)) - {"train", "test"}
    if others:
        raise DataError(
            f"'{path}' has the folders {', '.join(sorted(others))} beside 'train'; only 'train' "
            "and 'test' are read, so rename or move them."
        )
