"""The modules of joins: each is called with the outputs of the shortcut and of the branch.

An exported module takes copies of them, so they need torch alone and what stands in this file.
"""

import torch
from torch import Tensor, nn


class Add(nn.Module):
    """The sum of shortcut and branch."""

    def forward(self, shortcut, branch):
        return shortcut + branch


class Scaled(nn.Module):
    """Shortcut and branch, each times a fixed number."""

    def __init__(self, shortcut, branch):
        super().__init__()
        self.weights = shortcut, branch

    def forward(self, shortcut, branch):
        return self.weights[0] * shortcut + self.weights[1] * branch


class LearnedScale(nn.Module):
    """The branch times learned numbers: one, or one for each channel."""

    def __init__(self, size, start):
        super().__init__()
        self.scale = nn.Parameter(torch.full((size, 1, 1), float(start)))

    def forward(self, shortcut, branch):
        return shortcut + self.scale * branch


class ShortcutGate(nn.Module):
    """The shortcut through a gate that it opens and closes itself."""

    def __init__(self, channels, bias):
        super().__init__()
        self.gate = nn.Conv2d(channels, channels, 1)
        nn.init.constant_(self.gate.get_parameter("bias"), bias)

    def forward(self, shortcut, branch):
        return (1 - torch.sigmoid(self.gate(shortcut))) * shortcut + branch


class ExclusiveGate(nn.Module):
    """Shortcut or branch: what the gate takes from one it gives to the other."""

    def __init__(self, channels, bias):
        super().__init__()
        self.gate = nn.Conv2d(channels, channels, 1)
        nn.init.constant_(self.gate.get_parameter("bias"), bias)

    def forward(self, shortcut, branch):
        gate = torch.sigmoid(self.gate(shortcut))
        return (1 - gate) * shortcut + gate * branch


class Concat(nn.Module):
    """The channels of the shortcut and those of the branch behind them."""

    def forward(self, shortcut, branch):
        return torch.cat((shortcut, branch), 1)


class Orthogonal(nn.Module):
    """The branch without its part along the shortcut, at each pixel over its channels."""

    def __init__(self, share):
        super().__init__()
        self.share = share

    def forward(self, shortcut, branch):
        along = (shortcut * branch).sum(1, keepdim=True)
        length = (shortcut * shortcut).sum(1, keepdim=True) + 1e-6
        return shortcut + (branch - self.share * (along / length) * shortcut)


class RandomStream(nn.Module):
    """Random numbers from a stream of its own, which moves no other random number.

    The network gives each stream a seed that follows from its own and from the place of the block.
    Seed and place in the stream are saved with the weights, so a training that is taken up again
    draws what it would have drawn.
    """

    def __init__(self):
        super().__init__()
        self.seed = self.drawn = 0

    def uniform(self, *size: int, device: torch.device | None = None) -> Tensor:
        """New numbers from 0 to 1, the same on every device; no step waits until they are sent."""
        generator = torch.Generator().manual_seed(self.seed + self.drawn)
        self.drawn += 1
        on_gpu = device is not None and device.type == "cuda"
        numbers = torch.rand(size, generator=generator, pin_memory=on_gpu)
        return numbers.to(device or "cpu", non_blocking=on_gpu)

    def get_extra_state(self):
        return torch.tensor([self.seed, self.drawn])

    def set_extra_state(self, state):
        self.seed, self.drawn = state.tolist()


class DropPath(nn.Module):
    """The branch of some pictures only in training, the more of it the fewer these are."""

    def __init__(self, rate):
        super().__init__()
        self.rate = rate
        self.stream = RandomStream()

    def forward(self, shortcut, branch):
        if not self.training:
            return shortcut + branch
        kept = self.stream.uniform(len(branch), 1, 1, 1, device=branch.device) >= self.rate
        return shortcut + kept / (1 - self.rate) * branch


class DropoutShortcut(nn.Module):
    """Some numbers of the shortcut only in training, each the larger the fewer these are."""

    def __init__(self, rate):
        super().__init__()
        self.rate = rate
        self.stream = RandomStream()

    def forward(self, shortcut, branch):
        if not self.training:
            return shortcut + branch
        kept = self.stream.uniform(*shortcut.shape, device=shortcut.device) >= self.rate
        return kept / (1 - self.rate) * shortcut + branch


class HyperConnections(nn.Module):
    """The matrices of a block between streams, called without anything: H_r (n, n), H_w (n) and
    H_d (n). At the start each stream becomes itself plus the branch, which reads one of them.
    """

    is_stochastic = False

    def __init__(self, streams, read):
        super().__init__()
        self.mix = nn.Parameter(torch.eye(streams))
        self.write = nn.Parameter(torch.ones(streams))
        self.read = nn.Parameter(torch.eye(streams)[read].clone())

    def forward(self):
        return self.mix, self.write, self.read


class StochasticConnections(nn.Module):
    """The same, where the rows of H_r and H_d are means: they add up to 1 by what they are made of.

    Rows and columns of H_r are divided by their sums in turn (Sinkhorn and Knopp 1967). What weighs
    little at the start is exp(-4), so that it has a gradient.
    """

    is_stochastic = True

    def __init__(self, streams, read):
        super().__init__()
        self.mix = nn.Parameter(4 * torch.eye(streams))
        self.write = nn.Parameter(torch.zeros(streams))
        self.read = nn.Parameter(4 * torch.eye(streams)[read])

    def forward(self):
        logits = self.mix.log_softmax(1)
        for _ in range(20):
            logits = logits.log_softmax(0).log_softmax(1)
        return logits.exp(), 2 * torch.sigmoid(self.write), self.read.softmax(0)
