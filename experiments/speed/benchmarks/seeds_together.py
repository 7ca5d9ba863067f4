"""Two ways to train the seeds of a twin together, neither of which is kept.

As one network: every layer has a group for each seed, so a step of all seeds is as many operations
as that of one. By one compiled graph: `torch.compile` once for an architecture, from inductor's
cache for each seed after that. Twins are those of the bundled digits, at 8 and 32 layers.
"""

import copy
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from statistics import median

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from experiments.speed.table import Row
from experiments.speed.turns import Way, ratio, rounds
from nas.common.machine import keep_memory
from nas.model.architecture import Architecture, Named, Stage
from nas.model.network import Network, ZeroPad, channels_last

#: blocks in each stage, pictures in a batch, seeds of a twin, steps of a training
DEPTHS, BATCH, SEEDS, LENGTH = (1, 5), 64, 6, 240
STEPS, PAIRS = 10, 5
#: a process with a cache that it may find filled
COMPILED = "from experiments.speed.benchmarks.seeds_together import compiled; print(*compiled({}))"


def measure() -> list[Row]:
    """A row for each depth and way."""
    return [row for depth in DEPTHS for row in (as_one(depth), compiled_once(depth))]


def network(depth: int, seed: int = 0) -> Network:
    """A twin of `nas search digits`, with identity shortcuts."""
    stages = tuple(
        Stage(depth=depth, width=width, stride=stride, transition="zero_pad")
        for width, stride in ((8, 1), (16, 2), (32, 2))
    )
    stem = Named.of("conv3x3", width=8)
    record = Architecture(image_shape=(1, 8, 8), num_classes=10, stem=stem, stages=stages)
    return channels_last(Network(record, seed=seed))


def as_one(depth: int) -> Row:
    """Steps of all seeds one after another, and together."""
    found = rounds([Way(one_by_one, depth, tuned=True), Way(together, depth, tuned=True)], PAIRS)
    times = ratio(found, 0, 1)
    return Row(
        what=f"steps of {SEEDS} seeds of a twin of digits, {6 * depth + 2} layers, over those of "
        "one network of groups (not kept)",
        found=f"{times.value:.2f} times",
        interval=f"{times.low:.2f} to {times.high:.2f}",
        pairs=PAIRS,
    )


def compiled_once(depth: int) -> Row:
    """What a compiled graph costs at first, out of the cache, and for each step."""
    with tempfile.TemporaryDirectory() as cache:
        first, again = (in_process(depth, cache) for _ in range(2))
    plain, step = first[1], first[2]
    saved = LENGTH * (plain - step)
    return Row(
        what=f"a step of digits, {6 * depth + 2} layers, over one by torch.compile (not kept)",
        found=f"{plain / step:.2f} times",
        note=f"compiled in {first[0]:.0f} s, out of the cache in {again[0]:.1f} s; "
        f"{LENGTH} steps save {saved:.1f} s",
    )


def in_process(depth: int, cache: str) -> list[float]:
    """What `compiled` gives in a process of its own."""
    told = subprocess.run(
        [sys.executable, "-c", COMPILED.format(depth)],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"TORCHINDUCTOR_CACHE_DIR": cache, "TORCHINDUCTOR_COMPILE_THREADS": "1"},
        check=True,
    )
    return [float(word) for word in told.stdout.split()]


def compiled(depth: int) -> tuple[float, float, float]:
    """Processor seconds to compile a twin, of a plain step, and of one that is compiled."""
    torch.set_num_threads(1)
    keep_memory()
    plain, graph = step_of(network(depth)), network(depth)
    start = time.process_time() + children()
    graph.compile()
    fast = step_of(graph)
    fast()
    spent = time.process_time() + children() - start
    return spent, *(median(seconds(work) for _ in range(5 * STEPS)) for work in (plain, fast))


def children() -> float:
    """Processor seconds of processes that have ended, such as compilers."""
    times = os.times()
    return times.children_user + times.children_system


def seconds(work: Callable[[], None]) -> float:
    """Processor seconds of a step."""
    start = time.process_time()
    work()
    return time.process_time() - start


def step_of(trained: nn.Module, groups: int = 1) -> Callable[[], None]:
    """A training step on pictures of noise."""
    optimizer = torch.optim.SGD(trained.parameters(), lr=0.01, momentum=0.9, fused=True)
    pictures = torch.randn(BATCH, groups, 8, 8).to(memory_format=torch.channels_last)
    labels = torch.arange(BATCH).repeat(groups) % 10

    def step() -> None:
        loss = groups * F.cross_entropy(trained(pictures), labels)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()

    return step


def one_by_one(depth: int) -> Callable[[], None]:
    """Steps of each seed."""
    keep_memory()
    steps = [step_of(network(depth, seed)) for seed in range(SEEDS)]

    def work() -> None:
        for step in steps:
            for _ in range(STEPS):
                step()

    return work


def together(depth: int) -> Callable[[], None]:
    """Steps of all seeds as one network."""
    keep_memory()
    grouped = Groups([network(depth, seed) for seed in range(SEEDS)])
    step = step_of(grouped, SEEDS)

    def work() -> None:
        for _ in range(STEPS):
            step()

    return work


class Groups(nn.Module):
    """Networks of one architecture as one: pictures (N, G, H, W) of one channel to logits (G N, K)
    one network after another."""

    def __init__(self, networks: list[Network]) -> None:
        super().__init__()
        body = copy.deepcopy(networks[0])
        named = [dict(one.named_modules()) for one in networks]
        for name, part in named[0].items():
            same = [modules[name] for modules in named]
            owner, _, attribute = name.rpartition(".")
            if made := grouped_part(part, same):
                setattr(body.get_submodule(owner), attribute, made)
        self.body, self.groups = channels_last(body), len(networks)
        self.weight = nn.Parameter(torch.stack([one.head.weight.detach().T for one in networks]))
        self.bias = nn.Parameter(torch.stack([one.head.bias.detach() for one in networks]))
        body.head = nn.Identity()

    def forward(self, pictures: Tensor) -> Tensor:
        features = self.body(pictures).unflatten(1, (self.groups, -1)).transpose(0, 1)
        return torch.baddbmm(self.bias[:, None], features, self.weight).flatten(0, 1)


def grouped_part(part: nn.Module, same: list[nn.Module]) -> nn.Module | None:
    """The layer that does for all groups what each of these does for one."""
    groups = len(same)
    if isinstance(part, nn.Conv2d):
        shape = (groups * part.in_channels, groups * part.out_channels, part.kernel_size)
        made: nn.Module = nn.Conv2d(
            *shape, part.stride, part.padding, groups=groups, bias=part.bias is not None
        )
    elif isinstance(part, nn.BatchNorm2d):
        made = nn.BatchNorm2d(groups * part.num_features)
    else:
        return PaddedGroups(part, groups) if isinstance(part, ZeroPad) else None
    with torch.no_grad():
        for name, weight in made.named_parameters():
            weight.copy_(torch.cat([one.get_parameter(name) for one in same]))
    return made


class PaddedGroups(nn.Module):
    """Zero channels behind those of each group."""

    def __init__(self, part: ZeroPad, groups: int) -> None:
        super().__init__()
        self.part, self.groups = part, groups

    def forward(self, x: Tensor) -> Tensor:
        x = x[:, :, :: self.part.stride, :: self.part.stride].unflatten(1, (self.groups, -1))
        return F.pad(x, (0, 0, 0, 0, 0, self.part.extra)).flatten(1, 2)
