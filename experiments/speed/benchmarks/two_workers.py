"""Forty fixed trials with one worker on one core against two workers on two cores.

Both searches go through the same grid: the same candidates with the same seeds. An efficiency is
the time with one worker over twice the time with two. Steady is from a worker's first claim to its
last end, summed over the workers: trainings and the gaps between them. The makespan is from the
start of the command to the last end, loading of libraries and the wait for the last trial with it.

The clock counts here, and whatever else runs on the machine takes from two workers more than from
one. So what others took of both cores meanwhile is told, and beside the ratio of processor time the
steady efficiency without the seconds in which a worker could have run and had no core.
"""

import os
import subprocess
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from optuna.trial import FrozenTrial

from experiments.speed.searches import Spent, family, finished, spent_by, start_search
from experiments.speed.table import Row
from experiments.speed.turns import Ratio

SPACE = """
name: steady
dataset:
  name: cifar10
  image_size: 16
  augment: [crop, flip]
  train_size: 3072
  validation_size: 768
architecture:
  stem: conv3x3
  depth: 1
  shortcut: identity
  transition: zero_pad
  stages: [{width: 8}, {width: 16, stride: 2}, {width: 32, stride: 2}]
training: {epochs: 2, optimizer: {name: sgd, lr: {low: 0.001, high: 0.04, step: 0.001}}}
search: {trials: 40, sampler: grid, pruner: none, seed: 0}
"""
STEADY, MAKESPAN = 0.92, 0.88
PAIRS = 3


@dataclass(frozen=True)
class Run:
    """Seconds of one search.

    training: of all trials; steady: of its workers; unhindered: less the waits for a core;
    makespan, claimed: from the start of the command and from the first claim to the last end;
    processor: of all its processes; others: share of two cores that other processes took meanwhile.
    """

    training: float
    steady: float
    unhindered: float
    makespan: float
    claimed: float
    processor: float
    others: float


def measure() -> list[Row]:
    """Two rows."""
    with tempfile.TemporaryDirectory() as folder:
        space = Path(folder) / "steady.yaml"
        space.write_text(SPACE)
        pairs = [in_turn(space, number) for number in range(PAIRS)]
    return rows(pairs)


def in_turn(space: Path, number: int) -> tuple[Run, Run]:
    """A search with one worker and one with two; which is first changes from pair to pair."""
    order = (1, 2) if number % 2 else (2, 1)
    found = {workers: run(space, f"{number}-{workers}", workers) for workers in order}
    return found[1], found[2]


def run(space: Path, study: str, workers: int) -> Run:
    """One search with as many cores as workers."""
    begun, busy = time.time(), busy_seconds()
    spent = watched(start_search(space, study, workers, cores=workers))
    seconds, busy = time.time() - begun, busy_seconds() - busy
    trials, processor = finished(space, study), sum(one.processor for one in spent.values())
    starts, ends = zip(*map(lived, trials), strict=True)
    own = by_worker(trials)
    steady = sum(map(stretch, own.values()))
    return Run(
        training=sum(trial.user_attrs["seconds"] for trial in trials),
        steady=steady,
        unhindered=steady - sum(spent[pid].waited for pid in own),
        makespan=max(ends) - begun,
        claimed=max(ends) - min(starts),
        processor=processor,
        others=(busy - processor) / (2 * seconds),
    )


def watched(search: subprocess.Popen[bytes]) -> dict[int, Spent]:
    """What each process of a search has spent when it ended, looked at twice a second."""
    spent: dict[int, Spent] = {}
    while search.poll() is None:
        spent |= {pid: now for pid in family(search.pid) if (now := spent_by(pid))}
        time.sleep(0.5)
    return spent


def lived(trial: FrozenTrial) -> tuple[float, float]:
    """When a trial was claimed and when it ended, in seconds."""
    assert trial.datetime_start is not None
    assert trial.datetime_complete is not None
    return trial.datetime_start.timestamp(), trial.datetime_complete.timestamp()


def by_worker(trials: Sequence[FrozenTrial]) -> dict[int, list[FrozenTrial]]:
    """The trials of each worker, by its process."""
    found = defaultdict(list)
    for trial in trials:
        found[int(trial.user_attrs["worker"].split(":")[-2])].append(trial)
    return found


def stretch(trials: Sequence[FrozenTrial]) -> float:
    """From the first claim of a worker to its last end."""
    starts, ends = zip(*map(lived, trials), strict=True)
    return max(ends) - min(starts)


def busy_seconds() -> float:
    """What all processes have spent on the cores that two workers get."""
    cores = {f"cpu{core}" for core in sorted(os.sched_getaffinity(0))[-2:]}
    rows = [row.split() for row in Path("/proc/stat").read_text().splitlines()]
    ticks = sum(sum(map(int, row[1:4])) for row in rows if row[0] in cores)
    return ticks / os.sysconf("SC_CLK_TCK")


def rows(pairs: Sequence[tuple[Run, Run]]) -> list[Row]:
    """Efficiencies of the pairs against their goals."""
    others = median(two.others for _, two in pairs)
    names = ("training", "steady", "unhindered", "processor")
    training, steady, unhindered, processor = (ratio(pairs, name) for name in names)
    makespan, claimed = (ratio(pairs, name, times=2) for name in ("makespan", "claimed"))
    note = f"others took {others:.0%} of both cores meanwhile; "
    return [
        row(
            "steady efficiency of two workers",
            STEADY,
            steady,
            f"{note}without waiting for a core {unhindered.value:.0%}, trainings alone "
            f"{training.value:.0%}, processor time {processor.value:.0%}",
        ),
        row(
            "makespan efficiency of two workers",
            MAKESPAN,
            makespan,
            f"{note}from the first claim {claimed.value:.0%}",
        ),
    ]


def ratio(pairs: Sequence[tuple[Run, Run]], name: str, times: int = 1) -> Ratio:
    """Seconds with one worker over `times` those with two."""
    return Ratio.of([getattr(one, name) / (times * getattr(two, name)) for one, two in pairs])


def row(what: str, goal: float, found: Ratio, note: str) -> Row:
    """One line."""
    return Row(
        what=f"{what}, 40 trials",
        goal=f"at least {goal:.0%}",
        found=f"{found.value:.0%}",
        interval=f"{found.low:.0%} to {found.high:.0%}",
        pairs=found.pairs,
        reached=found.value >= goal,
        note=note,
    )
