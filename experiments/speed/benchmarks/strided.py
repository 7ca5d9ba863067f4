"""What a step costs if strided 1x1 convolutions are made in other ways than by pooling first."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import torch
import torch.nn.functional as F
from torch import nn

from experiments.speed.sizes import candidate
from experiments.speed.table import Row
from experiments.speed.turns import Way, ratio, rounds
from nas.common.machine import keep_memory
from nas.model.network import Network, StridedPointwise, channels_last

#: steps of a turn
STEPS = {"S": 4, "XS": 20}
PAIRS = 9


def by_slices(conv: nn.Conv2d, x: torch.Tensor) -> torch.Tensor:
    """Every stride-th pixel by indexing, then a convolution of stride 1."""
    height, width = conv.stride
    return F.conv2d(x[:, :, ::height, ::width], conv.weight)


FORWARDS = {"left to oneDNN": nn.Conv2d.forward, "subsampled by slices": by_slices}


def measure() -> list[Row]:
    """One row for each size and other way."""
    return [row for size in STEPS for row in compare(size)]


def compare(size: str) -> list[Row]:
    """Steps as they are, and each other way, in turns."""
    forwards = [StridedPointwise.forward, *FORWARDS.values()]
    found = rounds(
        [Way(partial(prepare, forward), size, tuned=True) for forward in forwards], PAIRS
    )
    return [
        row(size, name, ratio(found, number, 0)) for number, name in enumerate(FORWARDS, start=1)
    ]


def row(size: str, name: str, times) -> Row:
    """How many times the processor time of a step."""
    return Row(
        what=f"a step with strided projections {name}, {size}",
        found=f"{times.value:.2f} times",
        interval=f"{times.low:.2f} to {times.high:.2f}",
        pairs=PAIRS,
    )


def prepare(forward: Callable[..., torch.Tensor], size: str) -> Callable[[], None]:
    """A network with projections where its shape changes, and pictures of noise."""
    keep_memory()
    StridedPointwise.forward = forward
    plain = candidate(size).architecture
    stages = tuple(replace(stage, transition="projection") for stage in plain.stages)
    network = channels_last(Network(replace(plain, stages=stages), seed=0))
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9, fused=True)
    pictures = torch.randn(128, *plain.image_shape).to(memory_format=torch.channels_last)
    labels = torch.arange(128) % 10

    def steps() -> None:
        for _ in range(STEPS[size]):
            F.cross_entropy(network(pictures), labels).backward()
            optimizer.step()
            optimizer.zero_grad()

    return steps
