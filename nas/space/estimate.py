"""What a search will cost on this machine, from a few timed training steps."""

import math
import random
import time
from pathlib import Path
from statistics import mean, median

import torch
import torch.nn.functional as F

from nas.common.machine import available_memory, default_workers
from nas.common.text import duration
from nas.data.catalog import FROM_CODE, split_sizes
from nas.data.facts import FACTS
from nas.model.architecture import Architecture
from nas.model.cost import Cost, cost
from nas.model.network import Network, channels_last
from nas.space.enumeration import RandomTrial, all_values
from nas.space.space import SearchSpace
from nas.training.candidate import OPTIMIZERS, Training

#: timed steps, after two to warm up
STEPS = 5
#: multiply-adds of a timed step, at most
TIMED = 10**10
#: pictures of a timed step, at least
FEWEST = 2
#: random candidates the mean cost is taken over
DRAWS = 200


def estimate(space: SearchSpace, data_dir: Path) -> list[str]:
    """Lines about the smallest and the largest candidate, and the time of the whole search."""
    torch.set_num_threads(1)
    ends = space.extremes()
    training = max(space.trainings(), key=lambda training: training.epochs)
    lines = [
        f"{word:<8}  {described(spent)}"
        for word, (_, spent) in zip(("smallest", "largest"), ends, strict=True)
    ]
    if reason := why_not_timed(space, ends[1][0]):
        return [*lines, f"There is no estimate of the time: {reason}."]
    steps = training.epochs * math.ceil(num_pictures(space, data_dir) / training.batch_size)
    timed = [
        (spent.multiply_adds, step_seconds(architecture, training)) for architecture, spent in ends
    ]
    seconds = mean_seconds(space, timed) * steps
    trials, workers = space.search.trials, space.search.workers or default_workers()
    lines.append(
        f"A training step of {training.batch_size} pictures takes {timed[0][1] * 1000:.0f} to "
        f"{timed[1][1] * 1000:.0f} ms on one core, a candidate about {duration(seconds)}."
    )
    lines.append(
        f"{trials} trials with {workers} workers: about "
        f"{duration(seconds * trials / min(workers, trials))} if none is pruned."
        + (" The random baseline takes as long again." if space.search.baseline else "")
    )
    return lines


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


def described(spent: Cost) -> str:
    """A cost in words."""
    return (
        f"{spent.depth} layers, {spent.parameters:,} parameters, "
        f"{spent.multiply_adds:,} multiply-adds, {spent.memory / 2**20:,.0f} MiB in training"
    )


def num_pictures(space: SearchSpace, data_dir: Path) -> int:
    """Pictures trained on in an epoch."""
    if space.dataset.name in FACTS:
        return split_sizes(space.dataset, FACTS[space.dataset.name].num_train)[0]
    from nas.data import open_data

    data = open_data(space.dataset, data_dir=data_dir, batch_size=1, seed=0)
    return len(data.train_dataloader())


def step_seconds(architecture: Architecture, training: Training) -> float:
    """Median time of a training step on random pictures, with one thread.

    Where a step is long, it is timed on a part of its pictures.
    """
    num_timed = min(training.batch_size, max(FEWEST, TIMED // cost(architecture).multiply_adds))
    network = channels_last(Network(architecture))
    optimizer = OPTIMIZERS[training.optimizer.name](
        network.parameters(), **training.optimizer.arguments
    )
    pictures = torch.randn(num_timed, *architecture.image_shape)
    pictures = pictures.contiguous(memory_format=torch.channels_last)
    labels = torch.randint(architecture.num_classes, (num_timed,))
    seconds = []
    for _ in range(STEPS + 2):
        start = time.perf_counter()
        torch.autograd.backward(F.cross_entropy(network(pictures), labels))
        optimizer.step()
        optimizer.zero_grad()
        seconds.append(time.perf_counter() - start)
    return median(seconds[2:]) * training.batch_size / num_timed


def mean_seconds(space: SearchSpace, timed: list[tuple[int, float]]) -> float:
    """Mean time of a step over random candidates, linear in multiply-adds through those timed."""
    (low, fast), (high, slow) = timed
    slope = (slow - fast) / (high - low) if high > low else 0.0
    generator = random.Random(0)
    draws = [space.sample(RandomTrial(generator, all_values)) for _ in range(DRAWS)]
    return mean(fast + slope * (cost(architecture).multiply_adds - low) for architecture in draws)
