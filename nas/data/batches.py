"""Batches of normalised pictures, cut from bytes in memory, or of rows of a table."""

import hashlib
from collections.abc import Iterator, Sequence

import torch
from torch import Generator, Tensor

from nas.common.devices import sent
from nas.data.augment import AUGMENTATIONS, in_order
from nas.model.architecture import Named


def epoch_seed(seed: int, epoch: int) -> int:
    """A seed for one epoch, unrelated to that of any other epoch or seed."""
    digest = hashlib.sha256(f"{seed}:{epoch}".encode()).digest()
    return int.from_bytes(digest[:7], "big")


class Batches:
    """Iterable over (x, y): float32 (B, C, H, W) of mean 0 and deviation 1, and int64 (B,), or
    float32 where rows of a table have a number for a target.

    For training the order is drawn anew every epoch, pictures are augmented and a last batch of one
    picture, which batch normalisation cannot use, is left out. All draws depend on `seed` and
    `epoch`, never on torch's global generator: networks that are compared see the same batches.
    """

    def __init__(
        self,
        pixels: Tensor,
        labels: Tensor,
        rows: Tensor,
        *,
        batch_size: int,
        mean: Sequence[float],
        std: Sequence[float],
        seed: int = 0,
        training: bool = False,
        augment: Sequence[str | Named] = (),
        epoch: int = 0,
    ) -> None:
        self.pixels, self.labels, self.rows = pixels, labels, rows
        self.batch_size = batch_size
        self.seed = seed
        self.training = training
        self.of_bytes = in_order(augment, normalised=False)
        self.of_normalised = in_order(augment, normalised=True)
        self.epoch = epoch
        """Number of the next epoch; set it to resume."""
        scale = 1 / (255 * torch.tensor(std, dtype=torch.float64))
        shift = -torch.tensor(mean, dtype=torch.float64) * 255 * scale
        self._scale, self._shift = (
            value.float().view(1, -1, 1, 1).to(pixels.device) for value in (scale, shift)
        )

    def __len__(self) -> int:
        full, rest = divmod(len(self.rows), self.batch_size)
        return full + (rest >= (2 if self.training else 1))

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        generator = Generator().manual_seed(epoch_seed(self.seed, self.epoch))
        self.epoch += 1
        rows = self.rows
        if self.training:
            rows = rows[sent(torch.randperm(len(rows), generator=generator), rows.device)]
        for picked in rows.split(self.batch_size)[: len(self)]:
            yield self._pictures(picked, generator), self.labels[picked]

    def _pictures(self, picked: Tensor, generator: Generator) -> Tensor:
        pixels = self.pixels.index_select(0, picked)
        for one in self.of_bytes:
            pixels = AUGMENTATIONS[one.name](pixels, generator, **one.arguments)
        x = pixels.to(torch.float32, memory_format=torch.channels_last)
        if not self.pixels.is_floating_point():  # rows of a table are normalised already
            x.mul_(self._scale).add_(self._shift)
        for one in self.of_normalised:
            x = AUGMENTATIONS[one.name](x, generator, **one.arguments)
        return x.contiguous(memory_format=torch.channels_last)
