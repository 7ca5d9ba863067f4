"""Multiply-adds per second of training as a share of the most that convolutions reach here.

The peak is the best of oneDNN's convolutions, forward and backward, over widths from those of the
network to four times as many channels. What the network's own convolutions reach when they run
alone, one after another, is told beside: narrow ones are far from the peak whatever the rest does.
"""

import time
from collections.abc import Callable
from statistics import median

import torch
import torch.nn.functional as F
from torch import nn

from experiments.speed.sizes import candidate
from experiments.speed.table import Row
from experiments.speed.turns import Ratio, Way, rounds
from nas.common.machine import keep_memory
from nas.model.network import Network, channels_last

GOALS = {"M": 0.80, "S": 0.70}
BATCH = 128
#: channels and side of the pictures of the convolutions that stand for the peak
SHAPES = ((16, 32), (32, 16), (64, 8), (64, 16), (128, 16), (256, 8))
PAIRS = 5


def measure() -> list[Row]:
    """One row for each size."""
    return [row(size, goal) for size, goal in GOALS.items()]


def row(size: str, goal: float) -> Row:
    """Rates of training, of its convolutions and of the peak, in turns in one process."""
    rates = [told for ((_, _, told),) in rounds([Way(prepare, size, tuned=True)], PAIRS)]
    share = Ratio.of([training / peak for training, _, peak in rates])
    alone = median(convolutions / peak for _, convolutions, peak in rates)
    return Row(
        what=f"share of the convolution peak in training, {size}",
        goal=f"at least {goal:.0%}",
        found=f"{share.value:.0%}",
        interval=f"{share.low:.0%} to {share.high:.0%}",
        pairs=PAIRS,
        reached=share.value >= goal,
        note=f"its own convolutions, run alone, reach {alone:.0%}",
    )


def prepare(size: str) -> Callable[[], tuple[float, float, float]]:
    """Steps of training, the convolutions in them, and those that stand for the peak."""
    keep_memory()
    ours = candidate(size)
    network = channels_last(Network(ours.architecture, seed=0))
    count = 3 * BATCH * ours.cost().multiply_adds
    step, alone = training_step(network), [passes(*shape) for shape in shapes(network)]
    peak = [(passes(*same(*shape)), work(*same(*shape))) for shape in SHAPES]

    def rates() -> tuple[float, float, float]:
        convolutions = sum(map(seconds, alone))
        best = max(count / seconds(run) for run, count in peak)
        return count / seconds(step), count / convolutions, best

    return rates


def same(channels: int, side: int) -> tuple[int, int, int, int, int, bool]:
    """A 3x3 convolution that keeps the shape."""
    return channels, channels, 3, 1, side, True


def shapes(network: Network) -> list[tuple[int, int, int, int, int, bool]]:
    """Channels in and out, kernel, stride, side and whether the input needs a gradient."""
    found: list[tuple[int, int, int, int, int, bool]] = []

    def see(conv: nn.Conv2d, inputs: tuple[torch.Tensor], output: torch.Tensor) -> None:
        kernel, stride, side = conv.kernel_size[0], conv.stride[0], inputs[0].shape[2]
        found.append((conv.in_channels, conv.out_channels, kernel, stride, side, bool(found)))

    convs = [module for module in network.modules() if isinstance(module, nn.Conv2d)]
    hooks = [conv.register_forward_hook(see) for conv in convs]
    network(torch.zeros(2, *network.architecture.image_shape))
    for hook in hooks:
        hook.remove()
    return found


def work(inputs: int, outputs: int, kernel: int, stride: int, side: int, _: bool) -> float:
    """Multiply-adds of the three passes."""
    return 3 * BATCH * inputs * outputs * kernel**2 * (side // stride) ** 2


def passes(
    inputs: int, outputs: int, kernel: int, stride: int, side: int, gradient: bool
) -> Callable[[], None]:
    """Forward and backward pass of one convolution."""
    layout = torch.channels_last
    weight = torch.randn(outputs, inputs, kernel, kernel).to(memory_format=layout)
    pictures = torch.randn(BATCH, inputs, side, side).to(memory_format=layout)
    wanted = [weight.requires_grad_(), *([pictures.requires_grad_()] if gradient else [])]
    towards = torch.ones_like(F.conv2d(pictures, weight, stride=stride, padding=kernel // 2))

    def run() -> None:
        output = F.conv2d(pictures, weight, stride=stride, padding=kernel // 2)
        torch.autograd.grad(output, wanted, towards)

    return run


def training_step(network: Network) -> Callable[[], None]:
    """One step on pictures of noise."""
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9, fused=True)
    pictures = torch.randn(BATCH, *network.architecture.image_shape)
    pictures = pictures.to(memory_format=torch.channels_last)
    labels = torch.arange(BATCH) % 10

    def step() -> None:
        F.cross_entropy(network(pictures), labels).backward()
        optimizer.step()
        optimizer.zero_grad()

    return step


def seconds(run: Callable[[], None], repeats: int = 2) -> float:
    """Processor time of one call, after one that is not counted."""
    run()
    start = time.process_time()
    for _ in range(repeats):
        run()
    return (time.process_time() - start) / repeats
