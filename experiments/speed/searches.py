"""Searches as users start them, each in a process of its own, and what they take."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from optuna.trial import FrozenTrial, TrialState

from experiments.speed.sizes import data_dir
from nas.search.study import load_study
from nas.storage.open import open_storage


def start_search(space: Path, study: str, workers: int, cores: int) -> subprocess.Popen[bytes]:
    """`nas search` on so many cores; its study goes beside the file of the space."""
    options = {"study": study, "workers": workers, "storage": storage_of(space)}
    options |= {"data-dir": data_dir(), "out": space.parent}
    command = [sys.executable, "-c", "from nas.cli import main; main()", "search", str(space)]
    command += [word for name, value in options.items() for word in (f"--{name}", str(value))]
    chosen = sorted(os.sched_getaffinity(0))[-cores:]
    return subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        preexec_fn=lambda: os.sched_setaffinity(0, chosen),
    )


def storage_of(space: Path) -> str:
    """The storage of the searches of a space."""
    return f"sqlite:///{space.parent}/searches.db"


def finished(space: Path, study: str) -> Sequence[FrozenTrial]:
    """The trials of a search that has ended; all must have been trained to their end."""
    trials = load_study(open_storage(storage_of(space)), study).get_trials()
    if {trial.state for trial in trials} != {TrialState.COMPLETE}:
        raise RuntimeError("a trial of the search failed.")
    return trials


def family(pid: int) -> list[int]:
    """A process and all that came of it."""
    parents = {}
    for folder in os.listdir("/proc"):
        if folder.isdigit() and (fields := stat(int(folder))):
            parents[int(folder)] = int(fields[1])
    found = [pid]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found


def stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat from the state on; none where the process has ended."""
    return told(pid, "stat").rpartition(")")[2].split()


def told(pid: int, name: str) -> str:
    """A file about a process; empty where it has ended."""
    try:
        return Path(f"/proc/{pid}/{name}").read_text()
    except OSError:
        return ""


class Spent(NamedTuple):
    """Seconds of a process on a processor, with all threads, and of its main thread waiting for one
    that was taken."""

    processor: float
    waited: float


def spent_by(pid: int) -> Spent | None:
    """What a process has spent so far; None where it has ended."""
    fields, own = stat(pid), told(pid, "schedstat").split()
    if not fields or not own:
        return None
    ticks = int(fields[11]) + int(fields[12])
    return Spent(ticks / os.sysconf("SC_CLK_TCK"), int(own[1]) / 1e9)


def followed(
    process: subprocess.Popen[bytes],
    enough: Callable[[], bool] = lambda: False,
    every: float = 0.5,
) -> float:
    """Processor seconds of a process and all that came of it, until it has ended or it is enough,
    looked at every so many seconds."""
    spent: dict[int, float] = {}
    while process.poll() is None:
        spent |= {pid: one.processor for pid in family(process.pid) if (one := spent_by(pid))}
        if enough():
            break
        time.sleep(every)
    return sum(spent.values())
