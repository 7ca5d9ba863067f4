"""Resize pictures kept as bytes."""

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate

CHUNK = 256  # pictures held as float32 at once


def resize(pixels: Tensor, size: int) -> Tensor:
    """uint8 (N, C, H, W) stretched to (N, C, size, size), rounded.

    Down by whole factors every pixel is the mean of those it replaces; else antialiased bilinear.
    """
    if pixels.shape[2:] == (size, size):
        return pixels
    out = torch.empty(*pixels.shape[:2], size, size, dtype=torch.uint8)
    for source, target in zip(pixels.split(CHUNK), out.split(CHUNK), strict=True):
        target.copy_(_scaled(source.float(), size).round_().clamp_(0, 255))
    return out


def _scaled(pictures: Tensor, size: int) -> Tensor:
    height, width = pictures.shape[2:]
    if height % size == 0 and width % size == 0:
        return avg_pool2d(pictures, (height // size, width // size))
    return interpolate(pictures, (size, size), mode="bilinear", antialias=True, align_corners=False)
