"""What one more worker of a real search takes, with all of CIFAR-10: proportional set sizes."""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from optuna.trial import TrialState

from experiments.speed.sizes import data_dir
from experiments.speed.table import Row
from nas.space import SearchSpace
from nas.storage import open_storage
from nas.study import load_study

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
    storage = f"sqlite:///{space.parent}/{workers}.db"
    options = {"workers": workers, "storage": storage, "data-dir": data_dir(), "out": space.parent}
    command = [sys.executable, "-c", "from nas.cli import main; main()", "search", str(space)]
    command += [word for name, value in options.items() for word in (f"--{name}", str(value))]
    search, most = subprocess.Popen(command, stdout=subprocess.DEVNULL), 0.0
    while search.poll() is None:
        most = max(most, sum(proportional_size(pid) for pid in family(search.pid)))
        time.sleep(0.5)
    study = load_study(open_storage(storage), "memory")
    if {trial.state for trial in study.get_trials()} != {TrialState.COMPLETE}:
        raise RuntimeError("a trial of the search failed.")
    return most


def family(pid: int) -> list[int]:
    """A process and all that came of it."""
    parents = {}
    for folder in os.listdir("/proc"):
        try:
            stat = Path("/proc", folder, "stat").read_text() if folder.isdigit() else None
        except OSError:
            continue
        if stat:
            parents[int(folder)] = int(stat.rpartition(")")[2].split()[1])
    found = [pid]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found


def proportional_size(pid: int) -> float:
    """MiB of a process; what several share is divided among them."""
    try:
        rows = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:  # it has ended
        return 0.0
    return next((int(row.split()[1]) / 1024 for row in rows if row.startswith("Pss:")), 0.0)
