"""How long `nas --help` and `nas check` take to answer, in processor time, against their libraries.

The goal is in seconds of processor time. On a machine shared with others they are too many, so what
the libraries alone take is told beside, from the same rounds.
"""

import os
import resource
import subprocess
import sys
from statistics import median

from experiments.speed.table import Row
from experiments.speed.turns import Ratio

LIBRARIES = "import typer, pydantic, yaml"
COMMANDS = {"nas --help": (["--help"], 0.30), "nas check": (["check", "cifar"], 0.40)}
ROUNDS = 9


def measure() -> list[Row]:
    """One row for each command."""
    return [row(name, arguments, goal) for name, (arguments, goal) in COMMANDS.items()]


def row(name: str, arguments: list[str], goal: float) -> Row:
    """The command and the imports of its libraries, in turns."""
    seconds(["-c", LIBRARIES])
    nas = ["-c", "from nas.cli import main; main()", *arguments]
    found = [(seconds(nas), seconds(["-c", LIBRARIES])) for _ in range(ROUNDS + 1)][1:]
    own, alone = (median(column) for column in zip(*found, strict=True))
    ratio = Ratio.of([one / other for one, other in found])
    return Row(
        what=f"processor time of `{name}`",
        goal=f"at most {goal:.2f} s",
        found=f"{own:.2f} s",
        pairs=ROUNDS,
        reached=own <= goal,
        note=f"typer, pydantic and yaml alone {alone:.2f} s; ratio {ratio.value:.2f} "
        f"({ratio.low:.2f} to {ratio.high:.2f}); torch imported: {'yes' if torch(nas) else 'no'}",
    )


def seconds(arguments: list[str]) -> float:
    """Processor time of a Python process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [sys.executable, *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=True,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def torch(arguments: list[str]) -> bool:
    """Whether the command loads torch."""
    traced = subprocess.run(
        [sys.executable, "-X", "importtime", *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"COLUMNS": "80"},
        check=True,
    )
    return any(line.rpartition("|")[2].strip() == "torch" for line in traced.stderr.splitlines())
