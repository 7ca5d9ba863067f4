"""Trainings on a GPU: overhead, pictures per second, and how many workers should share a card.

For a person who has one: `python -m experiments.speed.run gpu`. None was there when this was
written, so no row of it stands in the table. The clock counts, as the processor waits for the GPU.
`measure("cpu")` goes the same way on a processor, where the rows mean nothing.
"""

import time
from contextlib import ExitStack
from statistics import median

from experiments.speed.sizes import SIZES
from experiments.speed.table import Row
from experiments.speed.turns import WALL, Way, ratio, rounds
from experiments.speed.ways import bare_loop, trial

#: sizes and lengths, and how often each is measured
LENGTHS, PAIRS = ("S, on a GPU", "M, on a GPU"), 5
#: workers on one card
WORKERS = (1, 2, 4, 8)


def measure(device: str = "cuda") -> list[Row]:
    """Rows for each size and for each number of workers; none where there is no GPU."""
    import torch

    if device == "cuda" and not torch.cuda.is_available():
        print("gpu: torch finds no NVIDIA GPU here, so nothing is measured.")
        return []
    sizes = LENGTHS if device == "cuda" else ("one step",)
    return [row for size in sizes for row in (*alone(size, device), *shared(size, device))]


def alone(size: str, device: str) -> list[Row]:
    """A trial against the bare loop, and against one whose steps are not recorded."""
    ways = [Way(trial, size, device, tuned=True), Way(bare_loop, size, device, tuned=True)]
    found = rounds([*ways, Way(trial, size, device, False, tuned=True)], PAIRS)
    beyond, asked = ratio(found, 0, 1, clock=WALL), ratio(found, 2, 0, clock=WALL)
    seconds = median(turns[0][WALL] for turns in found)
    return [
        Row(
            what=f"overhead of a trial over the bare loop, {size}",
            found=f"{beyond.value - 1:+.1%}",
            interval=f"{beyond.low - 1:+.1%} to {beyond.high - 1:+.1%}",
            pairs=PAIRS,
            note=f"by the clock; {pictures(size) / seconds:,.0f} pictures per second",
        ),
        Row(
            what=f"a trial without CUDA graphs, {size}",
            found=f"{asked.value:.2f} times",
            interval=f"{asked.low:.2f} to {asked.high:.2f}",
            pairs=PAIRS,
            note="by the clock; the first hundred steps are never recorded",
        ),
    ]


def shared(size: str, device: str) -> list[Row]:
    """Several workers at once against one."""
    one, *more = ((number, together(size, device, number)) for number in WORKERS)
    return [
        Row(
            what=f"pictures per second of {number} workers on one card over one, {size}",
            found=f"{number * one[1] / seconds:.2f} times",
            pairs=PAIRS,
        )
        for number, seconds in more
    ]


def together(size: str, device: str, number: int) -> float:
    """Seconds in which so many workers train at once, each on a core of its own."""
    with ExitStack() as stack:
        ways = [
            stack.enter_context(Way(trial, size, device, tuned=True, core=index))
            for index in range(number)
        ]
        return median([at_once(ways) for _ in range(PAIRS + 1)][1:])


def at_once(ways: list[Way]) -> float:
    """Seconds until all have worked once."""
    start = time.perf_counter()
    for way in ways:
        way.pipe.send("go")
    for way in ways:
        way.pipe.recv()
    return time.perf_counter() - start


def pictures(size: str) -> int:
    """Pictures of a training."""
    return SIZES[size][3] * SIZES[size][4]
