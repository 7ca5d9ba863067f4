"""What one more worker of a real search takes, with all of CIFAR-10: proportional set sizes."""

import os
import tempfile
import time
from pathlib import Path

from experiments.speed.searches import family, finished, start_search
from experiments.speed.table import Row
from nas.space.space import SearchSpace

SPACE = """
name: memory
dataset: {name: cifar10, augment: [crop, flip], train_size: 2048, validation_size: 512}
architecture:
  stem: conv3x3
  depth: 1
  shortcut: identity
  transition: zero_pad
  stages: [{width: 8}, {width: 16, stride: 2}]
training: {epochs: 4, optimizer: {name: sgd, lr: [0.01, 0.02, 0.03, 0.04, 0.05, 0.06]}}
search: {trials: 4, sampler: random, seed: 0}
"""
GOAL = 250


def measure() -> list[Row]:
    """The peak of a search with two workers less that of a search with one."""
    with tempfile.TemporaryDirectory() as folder:
        space = Path(folder) / "memory.yaml"
        space.write_text(SPACE)
        one, two = peak(space, 1), peak(space, 2)
        _, (_, cost) = SearchSpace.load(space).extremes()
    beyond = two - one - cost.memory / 2**20
    return [
        Row(
            what="memory of one more worker beyond its activations",
            goal=f"at most {GOAL} MiB",
            found=f"{beyond:.0f} MiB",
            reached=beyond <= GOAL,
            note=f"whole search with one worker {one:.0f} MiB, with two {two:.0f} MiB",
        )
    ]


def peak(space: Path, workers: int) -> float:
    """Largest sum over the processes of a search, in MiB, looked at twice a second."""
    study, most = f"memory-{workers}", 0.0
    search = start_search(space, study, workers, cores=len(os.sched_getaffinity(0)))
    while search.poll() is None:
        most = max(most, sum(proportional_size(pid) for pid in family(search.pid)))
        time.sleep(0.5)
    finished(space, study)
    return most


def proportional_size(pid: int) -> float:
    """MiB of a process; what several share is divided among them."""
    try:
        rows = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:  # it has ended
        return 0.0
    return next((int(row.split()[1]) / 1024 for row in rows if row.startswith("Pss:")), 0.0)
