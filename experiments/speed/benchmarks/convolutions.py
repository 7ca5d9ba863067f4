"""How much of a training step is convolutions, by torch's own profiler."""

import torch
import torch.nn.functional as F
from torch.profiler import ProfilerActivity, profile

from experiments.speed.sizes import candidate
from experiments.speed.table import Row
from nas.common.machine import keep_memory
from nas.model.network import Network, channels_last

SIZES, STEPS, WARM_UP = ("XS", "S", "M"), 10, 4


def measure() -> list[Row]:
    """One row for each size."""
    torch.set_num_threads(1)
    keep_memory()
    return [row(size) for size in SIZES]


def row(size: str) -> Row:
    """Steps on pictures of noise."""
    network = channels_last(Network(candidate(size).architecture, seed=0))
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9, fused=True)
    pictures = torch.randn(128, *network.architecture.image_shape)
    pictures, labels = pictures.to(memory_format=torch.channels_last), torch.arange(128) % 10

    def steps(count: int) -> None:
        for _ in range(count):
            F.cross_entropy(network(pictures), labels).backward()
            optimizer.step()
            optimizer.zero_grad()

    steps(WARM_UP)
    with profile(activities=[ProfilerActivity.CPU]) as found:
        steps(STEPS)
    shares = {one.key: one.self_cpu_time_total for one in found.key_averages()}
    total, norms = sum(shares.values()), share_of("batch_norm", shares)
    return Row(
        what=f"share of convolutions in a training step, {size}",
        found=f"{share_of('conv', shares) / total:.0%}",
        note=f"batch norm {norms / total:.0%}",
    )


def share_of(name: str, shares: dict[str, float]) -> float:
    """The time of all operations with that in their name, without those that they call."""
    return sum(time for key, time in shares.items() if name in key)
