"""Augmentation of whole batches with tensor operations; no picture is handled on its own.

Random numbers are drawn on the CPU, so that a seed means the same on every device. torch is loaded
when pictures are augmented: `nas check` reads this file.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import TYPE_CHECKING

from nas.common.devices import sent
from nas.common.registry import Entry, Registry
from nas.model.architecture import Named

if TYPE_CHECKING:
    from torch import Generator, Tensor
    from torch import device as Device


@dataclass(frozen=True, kw_only=True)
class Augmentation(Entry):
    """A function of pictures (N, C, H, W) and a torch.Generator, that returns pictures as large; it
    may write into those it is given.

    normalised: it takes them as floats of mean 0 and deviation 1, else as bytes from 0 to 255.
    limits: the least and the most that an option can be. package: what it needs beside torch, which
    the extra `augment` brings.
    """

    normalised: bool = False
    limits: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    package: str | None = None

    def check(self, one: Named) -> None:
        """ValueError where an option is out of its limits, or the package is missing."""
        for option, (low, high) in self.limits.items():
            value = one.arguments.get(option, low)
            if not low <= value <= high:
                raise ValueError(
                    f"{option} of {one.name} must be from {low:g} to {high:g}, found {value:g}."
                )
        if self.package is not None and find_spec(self.package) is None:
            raise ValueError(
                f"{one.name} needs the package {self.package}: pip install 'nas[augment]'."
            )


AUGMENTATIONS: Registry[Augmentation] = Registry("augmentation", Augmentation)


def in_order(augment: Iterable[str | Named], *, normalised: bool) -> list[Named]:
    """Those augmentations that take such pictures, in the order in which they are registered,
    whatever that of the space: so it decides nothing."""
    chosen = {one.name: one for one in map(named, augment)}
    return [
        chosen[name]
        for name, part in AUGMENTATIONS.parts().items()
        if name in chosen and part.normalised == normalised
    ]


def named(one: str | Named) -> Named:
    """An augmentation, which stands as a string where it has no options."""
    return Named(one) if isinstance(one, str) else one


def shortened(one: Named) -> str | Named:
    """An augmentation as it stands in the settings of a data set."""
    return one if one.options else one.name


@AUGMENTATIONS.register("crop")
def crop(pixels: Tensor, generator: Generator) -> Tensor:
    """Every picture shifted by up to an eighth of its sides.

    What a shift brings in is the picture reflected at its edge. All is one look-up of pixels.
    """
    n, channels, height, width = pixels.shape
    rows, columns = (_shifted(n, size, generator, pixels.device) for size in (height, width))
    source = rows[:, :, None] * width + columns[:, None, :]
    source = source.view(n, 1, -1).expand(n, channels, -1)
    return pixels.reshape(n, channels, -1).gather(2, source).view(pixels.shape)


@AUGMENTATIONS.register("flip")
def flip(pixels: Tensor, generator: Generator) -> Tensor:
    """Half of the pictures mirrored, left and right changed."""
    import torch

    mirrored = torch.rand(len(pixels), 1, generator=generator) < 0.5
    mirrored = sent(mirrored, pixels.device)
    return torch.where(mirrored[..., None, None], pixels.flip(3), pixels)


#: draws of a part of a picture, of which the first that fits is taken
TRIES = 10


@AUGMENTATIONS.register(
    "rand_augment",
    limits={"operations": (1, 15), "magnitude": (1, 29)},
    package="kornia",
)
def rand_augment(
    pixels: Tensor, generator: Generator, *, operations: int = 2, magnitude: int = 9
) -> Tensor:
    """RandAugment (Cubuk et al. 2020, arXiv:1909.13719) as kornia has it for whole batches: the
    operations are drawn for a batch, their signs for each of its pictures.

    Grey pictures are treated as coloured ones of three equal channels. Needs the extra `augment`.

    operations: how many of the 15, one after the other.
    magnitude: how strong they are, from 1 to 29.
    """
    import torch
    from kornia.augmentation.auto import RandAugment

    seed = int(torch.randint(2**62, (), generator=generator))
    coloured = pixels.expand(-1, 3, -1, -1) if pixels.shape[1] == 1 else pixels
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        drawn = RandAugment(operations, magnitude)(coloured / 255)
    return (255 * drawn).round().clamp(0, 255).to(torch.uint8)[:, : pixels.shape[1]]


@AUGMENTATIONS.register(
    "random_resized_crop",
    normalised=True,
    limits={"smallest_area": (0.0, 1.0), "widest": (1.0, math.inf)},
)
def random_resized_crop(
    pictures: Tensor,
    generator: Generator,
    *,
    smallest_area: float = 0.08,
    widest: float = 4 / 3,
) -> Tensor:
    """A part of each picture, of random area, shape and place, enlarged to the whole size (Szegedy
    et al. 2015, arXiv:1409.4842, section 6).

    Areas and shapes are drawn as by torchvision's RandomResizedCrop; where none of ten fits into
    the picture, it is left whole. Places are not rounded to pixels, and between pixels it is
    linear, without smoothing before a picture is made smaller.

    smallest_area: the smallest part, as a share of the picture's area, up to 1.
    widest: the largest ratio of width and height, and of height and width, from 1 on.
    """
    import torch
    from torch.nn.functional import grid_sample

    n, _, height, width = pictures.shape
    device = pictures.device
    parts = _parts_that_fit(n, width / height, smallest_area, widest, generator)
    heights, widths = (sent(shares, device) for shares in parts)
    free = sent(torch.rand(n, 2, generator=generator), device)
    rows = _sampled(heights, free[:, 0], height)
    columns = _sampled(widths, free[:, 1], width)
    grid = torch.stack(
        (columns[:, None, :].expand(-1, height, -1), rows[:, :, None].expand(-1, -1, width)), dim=3
    )
    return grid_sample(pictures, grid, padding_mode="border", align_corners=False)


@AUGMENTATIONS.register("cutout", normalised=True)
def cutout(pictures: Tensor, generator: Generator) -> Tensor:
    """One square of half the sides in each picture covered with the mean (DeVries and Taylor 2017).

    Centres are anywhere in the picture, so squares may reach over its edge.
    """
    n, _, height, width = pictures.shape
    rows, columns = (
        _around_centre(n, size, generator, pictures.device) for size in (height, width)
    )
    covered = (rows[:, :, None] & columns[:, None, :])[:, None]
    return pictures.masked_fill_(covered, 0.0)


def _shifted(n: int, size: int, generator: Generator, device: Device) -> Tensor:
    """For each of n pictures, which source row (or column) each row shows: (n, size)."""
    import torch

    reach = size // 8
    shift = sent(torch.randint(-reach, reach + 1, (n, 1), generator=generator), device)
    index = (torch.arange(size, device=device) + shift).abs()
    return (size - 1) - ((size - 1) - index).abs()


def _parts_that_fit(
    n: int, aspect: float, smallest_area: float, widest: float, generator: Generator
) -> tuple[Tensor, Tensor]:
    """For each of n pictures height and width of a part, as shares of its sides, each (n,);
    `aspect` is the width of the pictures over their height."""
    import torch

    drawn = torch.rand(n, TRIES, 2, generator=generator)
    areas = smallest_area + (1 - smallest_area) * drawn[..., 0]
    ratios = widest ** (2 * drawn[..., 1] - 1)
    widths, heights = (areas * ratios / aspect).sqrt(), (areas / ratios * aspect).sqrt()
    fits = (widths <= 1) & (heights <= 1)
    first = fits.int().argmax(1, keepdim=True)
    found = fits.any(1)
    whole = torch.ones(n)
    return (
        torch.where(found, heights.gather(1, first)[:, 0], whole),
        torch.where(found, widths.gather(1, first)[:, 0], whole),
    )


def _sampled(shares: Tensor, places: Tensor, size: int) -> Tensor:
    """Where the rows (or columns) of each part lie, from -1 to 1 over the picture: (n, size)."""
    import torch

    centres = (torch.arange(size, device=shares.device) + 0.5) / size
    start = (1 - shares) * places
    return 2 * (start[:, None] + shares[:, None] * centres) - 1


def _around_centre(n: int, size: int, generator: Generator, device: Device) -> Tensor:
    """For each of n pictures, which rows (or columns) lie in the square: bool (n, size)."""
    import torch

    length = size // 2
    start = sent(torch.randint(0, size, (n, 1), generator=generator), device) - length // 2
    index = torch.arange(size, device=device)
    return (index >= start) & (index < start + length)
