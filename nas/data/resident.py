"""Splits of data sets held in memory as bytes, one copy for each process."""

from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from nas.data.catalog import FROM_PATH, Dataset, source_path
from nas.data.readers import read
from nas.data.resize import resize

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
    source = Dataset(name=dataset.name, path=path, image_size=dataset.image_size)
    return _load(source, data_dir.resolve(), split, device, _stamp(source))


@lru_cache(maxsize=KEPT)
def _load(source: Dataset, data_dir: Path, split: str, device: str, stamp: int) -> Resident:
    pictures = read(source, data_dir, split)
    pixels = torch.from_numpy(pictures.pixels)
    if source.image_size is not None:
        pixels = resize(pixels, source.image_size)
    return Resident(
        pixels.to(device), torch.from_numpy(pictures.labels).to(device), pictures.classes
    )


def _stamp(source: Dataset) -> int:
    """Changes when a user's file or folder does, so that the old pictures are not served."""
    if source.name not in FROM_PATH:
        return 0
    path = source_path(source)
    places = [path, *path.glob("*"), *path.glob("*/*/")] if path.is_dir() else [path]
    return max((place.stat().st_mtime_ns for place in places if place.exists()), default=0)


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
