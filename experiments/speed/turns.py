"""Ways to do the same work, each in a process of its own, taking turns on one core.

On a shared machine seconds mean nothing: what is told are ratios within a round, in which every way
had its turn. The order turns around from round to round, and the first round is thrown away.
"""

import multiprocessing
import os
import resource
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np

from nas.common.machine import use_huge_pages

#: seconds of processor and of wall clock that one turn took, and what it gave
Turn = tuple[float, float, Any]
PROCESSOR, WALL = 0, 1


class Way:
    """A process that makes ready and then works once for every turn it gets.

    `prepare(*arguments)` runs in the process and returns the work, a function without arguments.
    A process that is `tuned` starts with the settings of memory of a worker of `nas search`. `core`
    counts from the last one.
    """

    def __init__(
        self,
        prepare: Callable[..., Callable[[], Any]],
        *arguments: Any,
        tuned: bool = False,
        core: int = 0,
    ) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        cores = sorted(os.sched_getaffinity(0), reverse=True)
        where = (theirs, cores[core % len(cores)])
        self.process = context.Process(target=serve, args=(*where, prepare, arguments))
        before = dict(os.environ)
        if tuned:
            use_huge_pages()
        self.process.start()
        os.environ.clear()
        os.environ.update(before)
        theirs.close()

    def __enter__(self) -> "Way":
        return self

    def __exit__(self, *_: object) -> None:
        self.pipe.close()
        self.process.join()

    def turn(self) -> Turn:
        """Have the work done once."""
        self.pipe.send("go")
        return self.pipe.recv()


def serve(pipe: Any, core: int, prepare: Callable[..., Any], arguments: Sequence[Any]) -> None:
    """The process of a way: on one core, with one thread."""
    os.sched_setaffinity(0, {core})
    import torch

    torch.set_num_threads(1)
    work = prepare(*arguments)
    while True:
        try:
            pipe.recv()
        except EOFError:
            return
        processor, wall = processor_time(), time.perf_counter()
        told = work()
        pipe.send((processor_time() - processor, time.perf_counter() - wall, told))


def processor_time() -> float:
    """Seconds this process and its children that ended have spent on a processor."""
    who = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return sum(sum(resource.getrusage(one)[:2]) for one in who)


def rounds(ways: Sequence[Way], count: int) -> list[list[Turn]]:
    """`count` rounds of turns, in the order of `ways`, after one that does not count."""
    found = []
    with ExitStack() as stack:
        for way in ways:
            stack.enter_context(way)
        for number in range(count + 1):
            order = list(enumerate(ways))[:: 1 if number % 2 else -1]
            turns = {index: way.turn() for index, way in order}
            found.append([turns[index] for index in range(len(ways))])
    return found[1:]


@dataclass(frozen=True)
class Ratio:
    """The median of ratios, with a 95% bootstrap interval of the median."""

    value: float
    low: float
    high: float
    pairs: int

    @classmethod
    def of(cls, ratios: Sequence[float]) -> "Ratio":
        """From one ratio of each round."""
        drawn = np.random.RandomState(0).choice(ratios, (10_000, len(ratios)))
        low, high = np.percentile(np.median(drawn, axis=1), [2.5, 97.5])
        return cls(median(ratios), float(low), float(high), len(ratios))


def ratio(found: list[list[Turn]], one: int, other: int, clock: int = PROCESSOR) -> Ratio:
    """Seconds of one way over those of another, by either clock."""
    return Ratio.of([turns[one][clock] / turns[other][clock] for turns in found])
