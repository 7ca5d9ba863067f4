"""Decoded pictures in files that every process on a machine maps: they are in its memory once."""

import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np

from nas.common.files import new_folder, replacing
from nas.common.waiting import WaitingLock
from nas.data.pictures import Pictures

#: bytes of pixels from which on it pays
SHARED_FROM = 16 * 2**20
#: what numpy raises where a file is not there, or not whole
UNUSABLE = (OSError, ValueError, EOFError)


def shared(folder: Path, read: Callable[[], Pictures]) -> Pictures:
    """The pictures kept in a folder; where there are none, those that `read` gives are put there.

    Folders beside it hold what the same source was before. Where nothing can be written, the
    pictures are this process's own.
    """
    with suppress(*UNUSABLE):
        return kept(folder)
    pictures = read()
    if pictures.pixels.nbytes < SHARED_FROM:
        return pictures
    with suppress(*UNUSABLE):
        keep(folder, pictures)
        return kept(folder)
    return pictures


def keep(folder: Path, pictures: Pictures) -> None:
    """Write the folder as a whole, in the place of those beside it; one process at a time."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with WaitingLock(folder.parent.with_suffix(".lock")):
        if folder.is_dir() and whole(folder):
            return
        for older in folder.parent.iterdir():
            shutil.rmtree(older)
        with new_folder(folder) as part:
            save(part / "pixels.npy", pictures.pixels)
            save(part / "labels.npy", pictures.labels)
            save(part / "classes.npy", np.array(pictures.classes))


def save(path: Path, values: np.ndarray) -> None:
    """Write an array through to the disk."""
    with replacing(path) as file:
        np.save(file, values)


def whole(folder: Path) -> bool:
    """Whether another process has made it meanwhile."""
    try:
        kept(folder)
    except UNUSABLE:
        return False
    return True


def kept(folder: Path) -> Pictures:
    """What is in the folder; one of UNUSABLE where it is not there or not whole."""
    pixels = np.load(folder / "pixels.npy", mmap_mode="c", allow_pickle=False)
    labels = np.load(folder / "labels.npy", allow_pickle=False)
    classes = np.load(folder / "classes.npy", allow_pickle=False)
    return Pictures(pixels, labels, tuple(classes.tolist()))
