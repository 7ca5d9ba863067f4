"""Augmentation of whole batches with tensor operations; no picture is handled on its own.

Random numbers are drawn on the CPU, so that a seed means the same on every device.
"""

import torch
from torch import Generator, Tensor


def crop_and_flip(pixels: Tensor, generator: Generator, *, crop: bool, flip: bool) -> Tensor:
    """Shift every picture (N, C, H, W) by up to an eighth of its sides and mirror half of them.

    What a shift brings in is the picture reflected at its edge. Both are one look-up of pixels.
    """
    n, channels, height, width = pixels.shape
    rows = _shifted(n, height, generator) if crop else torch.arange(height).expand(n, height)
    columns = _shifted(n, width, generator) if crop else torch.arange(width).expand(n, width)
    if flip:
        mirrored = torch.rand(n, 1, generator=generator) < 0.5
        columns = torch.where(mirrored, columns.flip(1), columns)
    source = (rows[:, :, None] * width + columns[:, None, :]).to(pixels.device)
    source = source.view(n, 1, -1).expand(n, channels, -1)
    return pixels.view(n, channels, -1).gather(2, source).view(pixels.shape)


def cutout(n: int, height: int, width: int, generator: Generator) -> Tensor:
    """Mask (N, 1, H, W) of one square of half the sides in each picture (DeVries and Taylor 2017).

    Centres are anywhere in the picture, so squares may reach over its edge.
    """
    rows = _around_centre(n, height, generator)
    columns = _around_centre(n, width, generator)
    return (rows[:, :, None] & columns[:, None, :])[:, None]


def _shifted(n: int, size: int, generator: Generator) -> Tensor:
    """For each of n pictures, which source row (or column) each row shows: (n, size)."""
    reach = size // 8
    shift = torch.randint(-reach, reach + 1, (n, 1), generator=generator)
    index = (torch.arange(size) + shift).abs()
    return (size - 1) - ((size - 1) - index).abs()


def _around_centre(n: int, size: int, generator: Generator) -> Tensor:
    """For each of n pictures, which rows (or columns) lie in the square: bool (n, size)."""
    length = size // 2
    start = torch.randint(0, size, (n, 1), generator=generator) - length // 2
    index = torch.arange(size)
    return (index >= start) & (index < start + length)
