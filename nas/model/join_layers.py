"""The modules of joins: each is called with the outputs of the shortcut and of the branch.

An exported module takes copies of them, so they need torch alone and what stands in this file.
"""

import torch
from torch import Tensor, nn


class Add(nn.Module):
    """The sum of shortcut and branch."""

    def forward(self, shortcut, branch):
        return shortcut + branch


class RandomStream(nn.Module):
    """Random numbers from a stream of its own, which moves no other random number.

    The network gives each stream a seed that follows from its own and from the place of the block.
    Seed and place in the stream are saved with the weights, so a training that is taken up again
    draws what it would have drawn.
    """

    def __init__(self):
        super().__init__()
        self.seed = self.drawn = 0

    def uniform(self, *size: int) -> Tensor:
        """New numbers from 0 to 1, on the CPU."""
        generator = torch.Generator().manual_seed(self.seed + self.drawn)
        self.drawn += 1
        return torch.rand(size, generator=generator)

    def get_extra_state(self):
        return torch.tensor([self.seed, self.drawn])

    def set_extra_state(self, state):
        self.seed, self.drawn = state.tolist()
