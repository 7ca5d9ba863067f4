"""What a search will cost on this machine, from a few timed training steps."""

import math
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, median, pstdev
from typing import NamedTuple

import torch
import torch.nn.functional as F

from nas.common.devices import Device
from nas.common.machine import available_memory, default_workers
from nas.common.text import counted, duration
from nas.common.threads import one_thread
from nas.data.catalog import FROM_CODE, noun, split_sizes
from nas.data.facts import DATASETS
from nas.model.architecture import Architecture
from nas.model.cost import Cost, cost
from nas.model.network import Network, channels_last
from nas.space.enumeration import RandomTrial, all_values
from nas.space.space import SearchSpace
from nas.training.candidate import Candidate, Training

PROCESSOR = Device("cpu")
#: timed steps, after two to warm up
STEPS = 5
#: multiply-adds of a timed step, at most
TIMED = 10**10
#: pictures of a timed step, at least
FEWEST = 2
#: the standard deviation of a normal distribution over the median distance from its median
NORMAL = 1.4826
#: bytes that a step of 128 pictures keeps and that take as long as a multiply-add for each of them,
#: about: a line through the smallest and the largest candidate is off by 8% (standard deviation) on
#: 24 random ones of `cifar` then, by multiply-adds alone by 31% (Intel Xeon, AVX-512)
BYTES = 2
#: random candidates the mean cost is taken over, and at most so many repeats are counted in
DRAWS, MOST_DRAWS = 200, 1_000


@dataclass(frozen=True)
class Estimate:
    """What is told of a cost; the seconds on the clock and their standard deviation, None where no
    step can be timed here."""

    lines: list[str]
    seconds: float | None = None
    spread: float = 0.0


class Timed(NamedTuple):
    """Timed steps of an architecture: its size, and median and standard deviation in seconds, the
    latter by the median distance from the median: a step that waits for another program does not
    count."""

    size: int
    seconds: float
    spread: float


def num_workers(space: SearchSpace, device: Device | None = None) -> int:
    """Worker processes of this machine that a search takes, one on each GPU if there are some."""
    return space.search.workers or default_workers(1, device.num_gpus if device else None)


def estimate(space: SearchSpace, data_dir: Path, device: Device = PROCESSOR) -> Estimate:
    """The smallest and the largest candidate, and the time of the trials of the search."""
    ends = space.extremes()
    lines = sizes(ends)
    if reason := why_not_timed(space, ends[1][0]):
        return Estimate([*lines, f"There is no estimate of the time: {reason}."])
    training = max(space.trainings(), key=lambda training: training.epochs)
    place = timed_on(device)
    timed = [timed_steps(architecture, training, place) for architecture, _ in ends[: len(lines)]]
    pictures = num_pictures(space, data_dir)
    seconds, trained = drawn(space, timed, pictures)
    what = "training" if len(timed) == 1 else "candidate"
    one, spread = mean(seconds), math.hypot(pstdev(seconds), timing_error(timed) * mean(seconds))
    lines.append(
        f"A training step of {training.batch_size} {noun(space.dataset)} takes "
        f"{step_words(timed)} on {where(place)}, a {what} "
        f"about {give_or_take(one, spread)}."
    )
    workers = min(num_workers(space, device), space.search.trials)
    total = one * trained / workers
    lines.append(trials_line(space, trained, total, num_workers(space, device)))
    by_chance = pstdev(seconds) * math.sqrt(trained) / workers
    return Estimate(lines, total, math.hypot(by_chance, timing_error(timed) * total))


def sizes(ends: Sequence[tuple[Architecture, Cost]]) -> list[str]:
    """The smallest and the largest candidate in a line each, or the only one."""
    (small, spent), (large, most) = ends
    if small == large:
        return [f"network   {cost_in_words(spent)}"]
    return [f"smallest  {cost_in_words(spent)}", f"largest   {cost_in_words(most)}"]


def trials_line(space: SearchSpace, trained: float, total: float, workers: int) -> str:
    """How long the trials of a search take."""
    trials = space.search.trials
    told = f", about {trained:.0f} of them new," if round(trained) < trials else ""
    return (
        f"{counted(trials, 'trial')}{told} with {counted(workers, 'worker')}: about "
        f"{duration(total)} if none is pruned."
    )


def timed_on(device: Device) -> str:
    """What torch calls the first of a device; the processor where it is built for no GPU."""
    return device.first if not device.gpus or torch.cuda.is_available() else "cpu"


def where(place: str) -> str:
    """The device of torch in words."""
    return "one core" if place == "cpu" else "a GPU"


def step_words(timed: Sequence[Timed]) -> str:
    """How long a step takes: of one architecture with its spread, of several from least to most."""
    if len(timed) == 1:
        return f"{timed[0].seconds * 1000:.0f} ± {timed[0].spread * 1000:.0f} ms"
    least, most = sorted(one.seconds * 1000 for one in timed)
    return f"{least:.0f} to {most:.0f} ms"


def give_or_take(seconds: float, spread: float) -> str:
    """A time with its standard deviation, both in one unit."""
    for unit, size in (("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} ± {spread / size:.1f} {unit}"
    return f"{seconds:.0f} ± {spread:.0f} seconds"


def timing_error(timed: Sequence[Timed]) -> float:
    """The standard deviation of the timed steps as a share of them."""
    return max(one.spread / one.seconds for one in timed)


def why_not_timed(space: SearchSpace, largest: Architecture) -> str:
    """Why no step can be timed here, if so; no code of the space is run for it."""
    if space.dataset.name in FROM_CODE:
        known_to = space.dataset.class_path or "the Python program that hands them over"
        return f"how many pictures there are is known to {known_to} alone"
    spent = cost(largest, batch_size=FEWEST)
    if spent.memory > available_memory() * 3 // 4:
        return "the largest candidate does not fit into the memory that is free"
    if FEWEST * spent.multiply_adds > 100 * TIMED:
        return "a step of the largest candidate takes too long to be timed"
    return ""


def cost_in_words(spent: Cost) -> str:
    """A cost in words."""
    return (
        f"{spent.depth} layers, {spent.parameters:,} parameters, "
        f"{spent.multiply_adds:,} multiply-adds, {spent.memory / 2**20:,.0f} MiB in training"
    )


def num_pictures(space: SearchSpace, data_dir: Path) -> int:
    """Pictures trained on in an epoch."""
    if space.dataset.name in DATASETS:
        return split_sizes(space.dataset, DATASETS[space.dataset.name].num_train)[0]
    from nas.data import open_data

    data = open_data(space.dataset, data_dir=data_dir, batch_size=1, seed=0)
    return len(data.train_dataloader())


def timed_steps(architecture: Architecture, training: Training, place: str = "cpu") -> Timed:
    """Timed steps of training an architecture on a device of torch."""
    times = step_times(architecture, training, place)
    middle = median(times)
    spread = NORMAL * median(abs(one - middle) for one in times)
    return Timed(size_of(architecture), middle, spread)


def step_times(architecture: Architecture, training: Training, place: str = "cpu") -> list[float]:
    """Times of training steps on random pictures, with one thread or on a GPU.

    Where a step is long, it is timed on a part of its pictures. Weights move as by SGD with
    momentum, written out: making an optimiser of torch loads its compiler, which takes longer than
    torch itself.
    """
    num_timed = min(training.batch_size, max(FEWEST, TIMED // cost(architecture).multiply_adds))
    with one_thread():
        seconds = times_of(architecture, num_timed, place)
    return [one * training.batch_size / num_timed for one in seconds]


def times_of(architecture: Architecture, num_timed: int, place: str) -> list[float]:
    """Times of steps on so many random pictures, without the first two."""
    network = channels_last(Network(architecture)).to(place)
    velocities = [torch.zeros_like(parameter) for parameter in network.parameters()]
    pictures = torch.randn(num_timed, *architecture.image_shape).to(place)
    pictures = pictures.contiguous(memory_format=torch.channels_last)
    labels = torch.randint(architecture.num_classes, (num_timed,), device=place)
    seconds = []
    for _ in range(STEPS + 2):
        start = time.perf_counter()
        loss = F.cross_entropy(network(pictures), labels)
        torch.autograd.backward(loss)
        move(list(network.parameters()), velocities)
        loss.item()  # waits for a GPU
        seconds.append(time.perf_counter() - start)
    return seconds[2:]


def move(parameters: Sequence[torch.Tensor], velocities: Sequence[torch.Tensor]) -> None:
    """One step of SGD with momentum, and no gradients after it."""
    with torch.no_grad():
        for parameter, velocity in zip(parameters, velocities, strict=True):
            if parameter.grad is not None:
                velocity.mul_(0.9).add_(parameter.grad)
                parameter.sub_(velocity, alpha=1e-4)
                parameter.grad = None


def drawn(space: SearchSpace, timed: Sequence[Timed], pictures: int) -> tuple[list[float], float]:
    """The seconds of random candidates, and how many of the trials train one of their own.

    A candidate that is drawn again takes no time, unless the space wants it with a new seed.
    """
    generator, trials = random.Random(0), space.search.trials
    number = max(DRAWS, min(trials, MOST_DRAWS))
    draws = [space.candidate(RandomTrial(generator, all_values)) for _ in range(number)]
    seconds = [seconds_of(timed, pictures, candidate) for candidate in draws[:DRAWS]]
    if space.search.duplicates != "reuse":
        return seconds, trials
    distinct = len(set(draws[:trials]))
    return seconds, distinct * max(1.0, trials / number) if distinct == number else distinct


def seconds_of(timed: Sequence[Timed], pictures: int, candidate: Candidate) -> float:
    """The seconds of a training on so many pictures: a step is linear in size through those timed,
    and proportional to it below."""
    low, high = timed[0], timed[-1]
    size, width = size_of(candidate.architecture), high.size - low.size
    slope = (high.seconds - low.seconds) / width if width > 0 else 0.0
    training = candidate.training
    steps = training.epochs * math.ceil(pictures / training.batch_size)
    if size < low.size:
        return low.seconds * size / low.size * steps
    return (low.seconds + slope * (size - low.size)) * steps


def size_of(architecture: Architecture) -> int:
    """What the time of a step goes with: what it computes, and what it moves."""
    spent = cost(architecture)
    return spent.multiply_adds + spent.memory // BYTES
