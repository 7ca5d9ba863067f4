"""How long `nas --help` and `nas check` take to answer, in processor time, against their libraries.

The goal is a ratio: what the command takes over what importing its libraries alone takes, in the
same rounds. Both have their bytecode, as what is installed has.
"""

import os
import resource
import subprocess
import sys
from statistics import median

from experiments.speed.table import Row
from experiments.speed.turns import Ratio

LIBRARIES = "import typer, pydantic, yaml"
COMMANDS = {"nas --help": ["--help"], "nas check": ["check", "cifar"]}
#: times the libraries alone
GOAL = 2.5
ROUNDS = 9


def measure() -> list[Row]:
    """One row for each command."""
    return [row(name, arguments) for name, arguments in COMMANDS.items()]


def row(name: str, arguments: list[str]) -> Row:
    """The command and the imports of its libraries, in turns."""
    nas = ["-c", "from nas.cli import main; main()", *arguments]
    found = [(seconds(nas), seconds(["-c", LIBRARIES])) for _ in range(ROUNDS + 1)][1:]
    own, alone = (median(column) for column in zip(*found, strict=True))
    ratio = Ratio.of([one / other for one, other in found])
    return Row(
        what=f"processor time of `{name}` over typer, pydantic and yaml alone",
        goal=f"at most {GOAL} times",
        found=f"{ratio.value:.2f} times",
        interval=f"{ratio.low:.2f} to {ratio.high:.2f}",
        pairs=ROUNDS,
        reached=ratio.value <= GOAL,
        note=f"{own:.2f} s over {alone:.2f} s; torch imported: {'yes' if torch(nas) else 'no'}",
    )


def seconds(arguments: list[str]) -> float:
    """Processor time of a Python process."""
    written = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [sys.executable, *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=written,
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
