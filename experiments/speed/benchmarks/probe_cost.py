"""What the probes cost: time of all five against time of the training they accompany, on one core.

Each case trains a network with SGD and takes the default probes after steps 0, 1, 10, 50 and the
last, in turns, so that both meet the same machine. Runs are cut at STEPS; the ratio is for the
whole run, whose steps cost the same. Processor time, pictures of noise, bare loop.
"""

import time
from statistics import fmean
from typing import NamedTuple

import torch
import torch.nn.functional as F

from experiments.speed.table import Row
from nas.model.architecture import Architecture, Named, Stage
from nas.model.network import Network
from nas.training.metrics import PROBE_STEPS
from nas.training.metrics.probes import probe


class Case(NamedTuple):
    """A short trial: a network of 6 * depth + 2 layers and how long it is trained."""

    depth: int
    width: int
    size: int
    batch_size: int
    num_steps: int


#: steps measured of a case, at most
STEPS = 52

CASES = [
    Case(depth=3, width=16, size=32, batch_size=128, num_steps=8 * 45),
    Case(depth=3, width=8, size=8, batch_size=64, num_steps=315),
    Case(depth=1, width=8, size=8, batch_size=64, num_steps=315),
    Case(depth=9, width=8, size=16, batch_size=128, num_steps=8 * 45),
]


def architecture(case: Case) -> Architecture:
    """The residual network of He et al. 2015, section 4.2, option A."""
    stages = tuple(
        Stage(depth=case.depth, width=case.width * factor, stride=stride, transition="zero_pad")
        for factor, stride in ((1, 1), (2, 2), (4, 2))
    )
    return Architecture(
        image_shape=(3, case.size, case.size),
        num_classes=10,
        stem=Named.of("conv3x3", width=case.width),
        stages=stages,
    )


def times(case: Case, num_steps: int) -> tuple[list[float], list[float]]:
    """Seconds of every step and of every probe."""
    network = Network(architecture(case))
    optimizer = torch.optim.SGD(network.parameters(), lr=0.05, momentum=0.9, weight_decay=1e-4)
    pictures = torch.randn(case.batch_size, 3, case.size, case.size)
    labels = torch.randint(10, (case.batch_size,))

    def step():
        optimizer.zero_grad()
        F.cross_entropy(network(pictures), labels).backward()
        optimizer.step()

    steps, probes = [], []
    for number in range(num_steps + 1):
        if number in PROBE_STEPS or number == num_steps:
            probes.append(seconds(lambda: probe(network, pictures, labels=labels, seed=0)))
        if number < num_steps:
            steps.append(seconds(step))
    return steps, probes


def seconds(action) -> float:
    """Processor time of one call."""
    start = time.process_time()
    action()
    return time.process_time() - start


def row(case: Case, step: float, one: float) -> Row:
    """The cost of all probes of a run, as a share of its steps."""
    num_probes = len(PROBE_STEPS) + 1
    return Row(
        what=f"{num_probes} probes in {case.num_steps} steps, {6 * case.depth + 2} layers of width "
        f"{case.width}, {case.size}x{case.size}, batch {case.batch_size}",
        found=f"{num_probes * one / (step * case.num_steps):.1%} of the steps",
        note=f"a probe takes {one / step:.1f} steps",
    )


def measure() -> list[Row]:
    """One row for each case."""
    torch.set_num_threads(1)
    times(CASES[1], 5)  # the first calls of a process are slow
    rows = []
    for case in CASES:
        steps, probes = times(case, min(STEPS, case.num_steps))
        rows.append(row(case, fmean(steps), fmean(probes)))
    return rows
