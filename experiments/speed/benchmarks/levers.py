"""What a step of training costs without one of the levers, or with one that is not kept."""

from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F

from experiments.speed.sizes import candidate
from experiments.speed.table import Row
from experiments.speed.turns import Way, ratio, rounds
from nas.common.machine import keep_memory
from nas.model.network import Network, channels_last

#: steps of a turn
STEPS = {"S": 4, "XS": 20}
PAIRS = 5
LEVERS = {
    "without channels_last": {"layout": torch.contiguous_format},
    "without keeping freed memory": {"keeping": False},
    "without huge pages": {"tuned": False},
    "with bf16 autocast (not kept)": {"bf16": True},
    "with torch.compile (not kept)": {"compiled": True},
}


def measure() -> list[Row]:
    """One row for each size and lever."""
    return [row for size in STEPS for row in compare(size)]


def compare(size: str) -> list[Row]:
    """Steps with all that is kept, and each way to change that, in turns."""
    changes = [{}, *LEVERS.values()]
    found = rounds([way(size, **change) for change in changes], PAIRS)
    return [row(size, name, ratio(found, index, 0)) for index, name in enumerate(LEVERS, start=1)]


def row(size: str, name: str, times) -> Row:
    """How many times the processor time of a step."""
    return Row(
        what=f"a step {name}, {size}",
        found=f"{times.value:.2f} times",
        interval=f"{times.low:.2f} to {times.high:.2f}",
        pairs=PAIRS,
    )


def way(size: str, *, tuned: bool = True, **change) -> Way:
    """The process of one way."""
    return Way(partial(prepare, **change), size, tuned=tuned)


def prepare(
    size: str,
    *,
    layout=torch.channels_last,
    keeping: bool = True,
    bf16: bool = False,
    compiled: bool = False,
) -> Callable[[], None]:
    """A network and pictures of noise."""
    if keeping:
        keep_memory()
    network = Network(candidate(size).architecture, seed=0)
    if layout == torch.channels_last:
        channels_last(network)
    if compiled:  # in the first round, which does not count
        network.compile()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9, fused=True)
    pictures = torch.randn(128, *network.architecture.image_shape).to(memory_format=layout)
    labels = torch.arange(128) % 10

    def steps() -> None:
        for _ in range(STEPS[size]):
            with torch.autocast("cpu", enabled=bf16):
                loss = F.cross_entropy(network(pictures), labels)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()

    return steps
