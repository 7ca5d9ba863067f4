"""What commands on the bundled digits take, as users type them.

Time to the first finished trial is of the clock, from the command to the line that tells of the
trial, so it depends on what else the machine does: the processor time of all processes until then
is told beside. Of the search the first ten trials are run, without its twins: the default settings
change nothing of those.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from experiments.speed.benchmarks.start import seconds
from experiments.speed.searches import family, followed, spent_by
from experiments.speed.sizes import data_dir
from experiments.speed.table import Row

NAS = ["-c", "from nas.cli import main; main()"]
ALONE = ["--set", "payoff=null"]
#: seconds from the command to the first finished trial, and how often it is measured
GOAL, ROUNDS = 5.0, 9
FEW = ["--trials", "10"]


def measure() -> list[Row]:
    """Three rows."""
    return [first_trial(), check(), search()]


def first_trial() -> Row:
    """From `nas search digits` to its first finished trial."""
    found = [until_first() for _ in range(ROUNDS)]
    wall, processor = (median(column) for column in zip(*found, strict=True))
    return Row(
        what="from `nas search digits` to its first finished trial",
        goal=f"at most {GOAL:g} s",
        found=f"{wall:.1f} s",
        pairs=ROUNDS,
        reached=wall <= GOAL,
        note=f"by the clock, at a load average of {os.getloadavg()[0]:.0f}; processor time of all "
        f"processes until then {processor:.1f} s, with two workers",
    )


def until_first() -> tuple[float, float]:
    """Seconds of the clock and of the processor until a trial has finished."""
    with tempfile.TemporaryDirectory() as folder:
        begun = time.perf_counter()
        process = started(Path(folder), subprocess.PIPE, "--workers", "2")
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith(b"[search 1/"):
                break
        wall = time.perf_counter() - begun
        spent = filter(None, map(spent_by, family(process.pid)))
        processor = sum(one.processor for one in spent)
        process.terminate()
        process.communicate()
    return wall, processor


def started(folder: Path, output: int, *options: str) -> subprocess.Popen[bytes]:
    """`nas search digits` without its twins, with its study in a folder."""
    places = ["--storage", f"sqlite:///{folder}/nas.db", "--out", str(folder)]
    places += ["--data-dir", str(data_dir())]
    command = [sys.executable, *NAS, "search", "digits", *ALONE, *places, *options]
    return subprocess.Popen(command, stdout=output, env=os.environ | {"PYTHONUNBUFFERED": "1"})


def check() -> Row:
    """`nas check digits --cost`."""
    taken = [seconds([*NAS, "check", "digits", "--cost"]) for _ in range(ROUNDS)]
    return Row(
        what="processor time of `nas check digits --cost`",
        found=f"{median(taken):.1f} s",
        pairs=ROUNDS,
        note=f"of which `import torch` alone {seconds(['-c', 'import torch']):.1f} s",
    )


def search() -> Row:
    """The search of digits with one worker, as it is and with candidates probed."""
    default, probed = whole(), whole("--set", "search.probes=true")
    return Row(
        what="processor time of `nas search digits`, its first 10 trials without twins",
        found=f"{default:.0f} s",
        pairs=1,
        note=f"one worker, all processes; with `search.probes: true` {probed:.0f} s",
    )


def whole(*settings: str) -> float:
    """Processor seconds of all processes of a search."""
    with tempfile.TemporaryDirectory() as folder:
        return followed(
            started(Path(folder), subprocess.DEVNULL, "--workers", "1", *FEW, *settings)
        )
