"""The modules of what stands in a branch beside convolutions, norms and activations.

An exported module takes copies of them, so they need torch alone and what stands in this file or
in nas/model/join_layers.py.
"""

import torch
import torch.nn.functional as F
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
        kept = self.stream.uniform(*x.shape, device=x.device) >= self.rate
        return x * kept / (1 - self.rate)


class SpaceToDepth(nn.Module):
    """The pixels of squares as channels, first all channels of the first pixel; zero channels
    appended or surplus ones dropped.
    """

    def __init__(self, in_channels, out_channels, stride):
        super().__init__()
        self.extra = out_channels - in_channels * stride**2
        self.stride = stride

    def forward(self, x):
        channels, height, width = x.shape[1:]
        x = F.pad(x, (0, -width % self.stride, 0, -height % self.stride))
        x = F.pixel_unshuffle(x, self.stride).unflatten(1, (channels, -1))
        return F.pad(x.transpose(1, 2).flatten(1, 2), (0, 0, 0, 0, 0, self.extra))


class Patches(nn.Conv2d):
    """Convolution of patches, one beside the other; zeros fill up those at the edge."""

    def forward(self, x):
        size = self.kernel_size[0]
        x = F.pad(x, (0, -x.shape[3] % size, 0, -x.shape[2] % size))
        return super().forward(x)


class Linear(nn.Conv2d):
    """Linear layer of rows of features, which stand as pictures of one pixel, (N, C, 1, 1).

    So all blocks, joins and probes are those of pictures. It is a 1x1 convolution in all but its
    computation, which takes half the time of torch's convolution.
    """

    def forward(self, x):
        return F.linear(x.flatten(1), self.weight.flatten(1), self.bias)[..., None, None]


class GlobalPool(nn.Module):
    """The mean of each channel, as one pixel."""

    def forward(self, x):
        return x.mean((2, 3), keepdim=True)


class LayerNorm2d(nn.Module):
    """Statistics over the channels of each place of a picture (Ba et al. 2016)."""

    def __init__(self, channels):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x):
        x = x.permute(0, 2, 3, 1)
        x = F.layer_norm(x, self.weight.shape, self.weight, self.bias, 1e-6)
        return x.permute(0, 3, 1, 2)


class RMSNorm2d(nn.Module):
    """The channels of each place divided by their root mean square (Zhang and Sennrich 2019)."""

    def __init__(self, channels):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))

    def forward(self, x):
        x = x * torch.rsqrt(x.square().mean(1, keepdim=True) + 1e-6)
        return x * self.weight[:, None, None]


class Attention(nn.Module):
    """The places of a map attend to each other (Vaswani et al. 2017): (N, 3 C, H, W), which are
    queries, keys and values, each head by head, become (N, C, H, W).
    """

    def __init__(self, channels, heads):
        super().__init__()
        self.heads = heads

    def forward(self, x):
        parts = x.flatten(2).unflatten(1, (3, self.heads, -1)).transpose(3, 4)
        means = F.scaled_dot_product_attention(*parts.unbind(1))
        return means.transpose(1, 2).flatten(2).transpose(1, 2).unflatten(2, x.shape[2:])


class ClassToken(nn.Module):
    """The places of a map, (N, C, H, W), as a row behind a learned one: (N, C, 1, 1 + H W)."""

    def __init__(self, channels):
        super().__init__()
        self.token = nn.Parameter(torch.zeros(channels, 1, 1))

    def forward(self, x):
        token = self.token.expand(len(x), -1, -1, -1)
        return torch.cat((token, x.flatten(2).unsqueeze(2)), 3)


class Positions(nn.Module):
    """Learned numbers for each channel and place, added."""

    def __init__(self, channels, height, width):
        super().__init__()
        self.positions = nn.Parameter(torch.zeros(channels, height, width))

    def forward(self, x):
        return x + self.positions


class FirstPlace(nn.Module):
    """The first place of a row, as one pixel."""

    def forward(self, x):
        return x[:, :, :1, :1]


class Times(nn.Module):
    """Everything times a number."""

    def __init__(self, factor):
        super().__init__()
        self.factor = factor

    def forward(self, x):
        return self.factor * x
