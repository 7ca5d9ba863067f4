"""Splits of data sets held in memory as bytes, large ones once for all processes of a machine."""

import hashlib
import inspect
import os
from contextlib import suppress
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from nas.data.catalog import FROM_PATH, Dataset, source_path
from nas.data.class_folders import walk
from nas.data.facts import DATASETS
from nas.data.locate import CIFAR, cifar, fashion_mnist
from nas.data.pictures import Pictures
from nas.data.readers import read
from nas.data.resize import resize
from nas.data.shared import shared

KEPT = 4  # splits, e.g. training and test pictures at two sizes
CHUNK = 256  # pictures looked at together


class Resident(NamedTuple):
    """A split in memory; shared between users, so never written to."""

    pixels: Tensor  # uint8 (N, C, H, W)
    labels: Tensor  # int64 (N,)
    classes: tuple[str, ...]


def resident(dataset: Dataset, data_dir: Path, split: str, device: str) -> Resident:
    """The "train" or "test" split at the size asked for, decoded once in this process."""
    path = str(source_path(dataset).resolve()) if dataset.name in FROM_PATH else None
    source = replace(
        dataset, path=path, augment=(), train_size=None, validation_size=None, split_seed=0
    )
    data_dir = data_dir.resolve()
    return _load(source, data_dir, split, device, _stamp(source, data_dir))


@lru_cache(maxsize=KEPT)
def _load(source: Dataset, data_dir: Path, split: str, device: str, stamp: str) -> Resident:
    key = hashlib.sha256(source.to_json().encode()).hexdigest()[:16]
    folder = data_dir / "decoded" / f"{source.name}-{split}-{key}" / stamp
    pixels, labels, classes = shared(folder, lambda: _decoded(source, data_dir, split))
    return Resident(
        torch.from_numpy(pixels).to(device), torch.from_numpy(labels).to(device), classes
    )


def _decoded(source: Dataset, data_dir: Path, split: str) -> Pictures:
    pictures = read(source, data_dir, split)
    if source.image_size is None:
        return pictures
    pixels = resize(torch.from_numpy(pictures.pixels), source.image_size)
    return pictures._replace(pixels=pixels.numpy())


def _stamp(source: Dataset, data_dir: Path) -> str:
    """Changes when any of the files does, also one that is written over with as many bytes, so that
    the old pictures are not served."""
    if source.name in FROM_PATH:
        path = source_path(source)
        places = _all_below(path) if path.is_dir() else [str(path)]
    else:
        folder = _folder(source.name, data_dir)
        places = [str(place) for place in folder.glob("*") if place.is_file()] if folder else []
        places += _own_files(source.name, data_dir)
    digest = hashlib.sha256()
    for place in sorted(places):
        with suppress(OSError):  # a link that leads nowhere
            known = os.stat(place)
            seen = (place, known.st_size, known.st_mtime_ns, known.st_ctime_ns)
            digest.update(repr(seen).encode())
    return digest.hexdigest()[:16]


def _own_files(name: str, data_dir: Path) -> list[str]:
    """The files of a data set that a plugin reads, and the one with its code."""
    known = DATASETS[name]
    if known.function.__module__.startswith("nas."):
        return []
    code = [inspect.getsourcefile(known.function) or ""]
    return code + (_all_below(data_dir / known.folder) if known.folder else [])


def _all_below(path: Path) -> list[str]:
    """A folder, and all folders and files below it."""
    found = []
    for place, names in walk(path):
        found += [str(place), *(os.path.join(place, name) for name in names)]
    return found


def _folder(name: str, data_dir: Path) -> Path | None:
    """Where the files of a built-in data set lie; None for digits."""
    if name in CIFAR:
        return cifar(name, data_dir)[0]
    return fashion_mnist(data_dir) if name == "fashion_mnist" else None


def channel_statistics(pixels: Tensor, rows: Tensor) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each channel over some pictures, on a scale of 0 to 1.

    float32 holds the whole-number sum over one line of pixels exactly, float64 the sum of those.
    """
    sums = torch.zeros(pixels.shape[1], dtype=torch.float64, device=pixels.device)
    squares = torch.zeros_like(sums)
    for chunk in rows.split(CHUNK):
        values = pixels.index_select(0, chunk).float()
        sums += values.sum(dim=3).double().sum(dim=(0, 2))
        squares += values.square_().sum(dim=3).double().sum(dim=(0, 2))
    count = len(rows) * pixels.shape[2] * pixels.shape[3]
    mean = sums / count
    variance = squares / count - mean.square()
    std = variance.clamp_min(1).sqrt()  # a channel of one value is not blown up
    return tuple((mean / 255).tolist()), tuple((std / 255).tolist())
