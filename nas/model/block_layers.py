"""The modules of what stands in a branch beside convolutions, norms and activations.

An exported module takes copies of them, so they need torch alone and what stands in this file or
in nas/model/join_layers.py.
"""

import torch
from torch import nn

from nas.model.join_layers import RandomStream


class SqueezeExcite(nn.Module):
    """Channels scaled by what two small layers make of their means (Hu et al. 2018)."""

    def __init__(self, channels, inner):
        super().__init__()
        self.squeeze = nn.Conv2d(channels, inner, 1)
        self.excite = nn.Conv2d(inner, channels, 1)

    def forward(self, x):
        means = x.mean((2, 3), keepdim=True)
        return x * torch.sigmoid(self.excite(torch.relu(self.squeeze(means))))


class Dropout(nn.Module):
    """Numbers set to 0 at random in training (Srivastava et al. 2014), from a stream of its own."""

    def __init__(self, rate):
        super().__init__()
        self.rate = rate
        self.stream = RandomStream()

    def forward(self, x):
        if not self.training:
            return x
        kept = self.stream.uniform(*x.shape).to(x.device) >= self.rate
        return x * kept / (1 - self.rate)
