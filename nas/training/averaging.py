"""A moving average of a network's weights, which often classifies better than any of them."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn


class Average:
    """The exponential moving average of the weights after every step (Polyak and Juditsky 1992 for
    the mean), and of batch norm's running averages with them: decay A + (1 - decay) W, from the
    weights after the first step on. It is that of torch's `AveragedModel` with `get_ema_avg_fn`
    and `use_buffers`.

    kept: the averages, one for each weight and running average; empty before the first step.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.network, self.decay = network, decay
        self.kept: list[Tensor] = []

    @torch.no_grad()
    def update(self) -> None:
        """Take in the weights after a step."""
        if not self.kept:
            self.kept = [one.detach().clone() for one in self._averaged()]
            return
        for kept, one in zip(self.kept, self._averaged(), strict=True):
            kept.lerp_(one, 1 - self.decay)

    @torch.no_grad()
    def swap(self) -> None:
        """Put the averages into the network, and what was there into `kept`."""
        for kept, one in zip(self.kept, self._averaged() if self.kept else (), strict=True):
            weights = one.clone()
            one.copy_(kept)
            kept.copy_(weights)

    def restore(self, kept: Sequence[Tensor]) -> None:
        """Go on from averages that were kept."""
        self.kept = [
            saved.to(one.device, copy=True)
            for saved, one in zip(kept, self._averaged() if kept else (), strict=True)
        ]

    def _averaged(self) -> Iterator[Tensor]:
        yield from self.network.parameters()
        yield from (one for one in self.network.buffers() if one.is_floating_point())
