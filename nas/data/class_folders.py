"""How a folder of pictures is laid out: one sub-folder for each class. Looks at names only."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from nas.data.pictures import DataError, some

#: split -> what its folder may be called, in small or capital letters
SPLITS = {
    "train": ("train", "training"),
    "validation": ("val", "valid", "validation"),
    "test": ("test", "testing"),
}
#: "valid" alone may well be a class
NEVER_CLASSES = {name for names in SPLITS.values() for name in names} - {"valid"}
SUFFIXES = {".apng", ".bmp", ".dib", ".gif", ".jfif", ".jpe", ".jpeg", ".jpg", ".pbm", ".pgm"}
SUFFIXES |= {".png", ".pnm", ".ppm", ".tif", ".tiff", ".webp"}
#: what operating systems put beside pictures, besides hidden files
LITTER = {"thumbs.db", "desktop.ini", "__macosx"}


class Listing(NamedTuple):
    """The files of a split: pictures with their labels, and files that are no pictures by name."""

    pictures: list[Path]
    labels: list[int]
    others: list[Path]


def split_folders(path: Path) -> dict[str, Path]:
    """Split -> the folder its class folders lie in; `path` alone where there is no `train`."""
    if not os.path.isdir(path):  # which a path too long does not make fall
        raise DataError(
            f"dataset.path: there is no folder '{path}'. It must hold one sub-folder of pictures "
            "for each class, or 'train' and 'test' (and 'val') with such sub-folders."
        )
    folders = {name: path / name for name in _folders(path)}
    found = {
        split: [folder for name, folder in folders.items() if name.lower() in names]
        for split, names in SPLITS.items()
    }
    if not found["train"]:
        _check_no_split(path, folders)
        return {"train": path}
    _check_splits_alone(path, folders, found)
    return {split: one[0] for split, one in found.items() if one}


def class_names(path: Path) -> tuple[str, ...]:
    """The sub-folders of the training split, in order of name."""
    root = split_folders(path)["train"]
    names = _folders(root)
    if len(names) < 2:
        inner = f" Is '{root / names[0]}' the folder that is meant?" if names else ""
        raise DataError(
            f"dataset.path: '{root}' has {len(names)} sub-folders; two or more are needed, one for "
            f"each class.{inner}"
        )
    return names


def list_split(path: Path, split: str, classes: tuple[str, ...]) -> Listing:
    """All files of a split in order of class and name, those in nested folders included.

    DataError for pictures and folders that belong to no class of the training split.
    """
    root = split_folders(path)[split]
    _check_strays(root, split)
    extra = sorted(set(_folders(root)) - set(classes))
    if extra:
        raise DataError(
            f"dataset.path: '{root}' has classes that the training split has not: {some(extra)}."
        )
    listing = Listing([], [], [])
    for label, name in enumerate(classes):
        for file in sorted(_files_below(root / name)) if (root / name).is_dir() else ():
            if file.suffix.lower() in SUFFIXES and file.is_file():
                listing.pictures.append(file)
                listing.labels.append(label)
            else:
                listing.others.append(file)
    _check_classes(root, split, classes, listing)
    return listing


def _folders(path: Path) -> tuple[str, ...]:
    return tuple(sorted(p.name for p in path.iterdir() if p.is_dir() and not _is_litter(p.name)))


def _is_litter(name: str) -> bool:
    return name.startswith(".") or name.lower() in LITTER


def walk(folder: Path) -> Iterator[tuple[Path, list[str]]]:
    """A folder and all below it, each with the names of its files; litter is left out.

    Links to folders are followed, but never round in a circle.
    """

    def refuse(error: OSError) -> None:
        raise DataError(f"dataset.path: '{error.filename}' cannot be read: {error.strerror}.")

    seen: set[tuple[int, int]] = set()
    for place, folders, files in os.walk(folder, onerror=refuse, followlinks=True):
        known = os.stat(place)
        if (known.st_dev, known.st_ino) in seen:
            folders.clear()
            continue
        seen.add((known.st_dev, known.st_ino))
        folders[:] = [name for name in folders if not _is_litter(name)]
        yield Path(place), [name for name in files if not _is_litter(name)]


def _files_below(folder: Path) -> Iterator[Path]:
    for place, files in walk(folder):
        if place != folder and place.name.lower() in NEVER_CLASSES:
            raise DataError(
                f"dataset.path: '{folder}' is a class and holds '{place.name}'; splits come first "
                f"and classes in them, as in '{place.name}/{folder.name}'."
            )
        yield from (place / name for name in files)


def _check_no_split(path: Path, folders: dict[str, Path]) -> None:
    splits = [name for name in folders if name.lower() in NEVER_CLASSES]
    if splits:
        raise DataError(
            f"dataset.path: '{path}' has {some(splits)} but no 'train'; put the class folders to "
            "train on into 'train'."
        )


def _check_splits_alone(path: Path, folders: dict[str, Path], found: dict[str, list[Path]]) -> None:
    for split, several in found.items():
        if len(several) > 1:
            names = some(folder.name for folder in several)
            raise DataError(f"dataset.path: '{path}' has {names}; one folder is the {split} split.")
    others = sorted(set(folders.values()) - {one for several in found.values() for one in several})
    if others:
        raise DataError(
            f"dataset.path: '{path}' has {some(folder.name for folder in others)} beside "
            f"'{found['train'][0].name}'; only folders called train, val and test are read there, "
            "so rename or move the others."
        )


def _check_strays(root: Path, split: str) -> None:
    """Pictures beside the class folders belong to no class."""
    strays = [p for p in root.iterdir() if p.suffix.lower() in SUFFIXES and not _is_litter(p.name)]
    if strays:
        way = (
            "move them into the folders of their classes"
            if split == "train" or _folders(root)
            else f"where their labels are not known, move '{root.name}' away, and a part of the "
            "training split is kept for it"
        )
        raise DataError(
            f"dataset.path: '{root}' holds pictures outside class folders: "
            f"{some(sorted(p.name for p in strays))}; {way}."
        )


def _check_classes(root: Path, split: str, classes: tuple[str, ...], listing: Listing) -> None:
    """Every class has training pictures, and every split some pictures."""
    empty = [name for label, name in enumerate(classes) if label not in set(listing.labels)]
    if empty and (split == "train" or not listing.pictures):
        there = f", only {some(file.name for file in listing.others)}" if listing.others else ""
        raise DataError(
            f"dataset.path: '{root}' holds no pictures of {some(empty)}{there}; every class needs "
            "some (.jpg, .png and the like)."
        )
