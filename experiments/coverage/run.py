"""Train the pool of real pairs on which the intervals are judged, and keep one line for each run.

    python -m experiments.coverage.run                    # 200 seeds, about five core-hours
    python -m experiments.coverage.run --max-time 60m     # as far as that goes; run again to go on

Digits as in experiments/digits_twins: networks of 20, 32 and 56 layers, each with identity
shortcuts and without, at the shared learning rate. One process, one thread, seed by seed. A run
that is in the table is not trained again, and a line cut short by a kill is.
"""

import argparse
import csv
import math
import os
import platform
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from functools import cache
from itertools import product
from pathlib import Path

import torch
from optuna.trial import FixedTrial

from nas import SearchSpace
from nas.common.text import seconds_of
from nas.training.candidate import Candidate
from nas.training.lightning import train

HERE = Path(__file__).parent
TABLE = HERE / "runs.csv"
SPACE = HERE.parent / "digits_twins" / "digits_twins.yaml"
FIRST_SEED = 1000
NUM_SEEDS = 200
NUM_STAGES = 3
LAYERS = (20, 32, 56)
ARMS = ("none", "identity")


@dataclass(frozen=True, order=True)
class Key:
    """Which run: one seed, one depth, one arm."""

    seed: int
    layers: int
    arm: str


@dataclass(frozen=True)
class Run(Key):
    """One line of the table. Errors in points of 100, the loss in nats, times in processor seconds;
    steps are empty if the loss was never reached, and None in Python.
    """

    train_error: float
    val_error: float
    loss_area: float
    started: int
    diverged: int
    steps_to_90: int | None
    steps_to_75: int | None
    steps_to_50: int | None
    steps_to_25: int | None
    seconds: float
    torch: str
    commit: str
    processor: str


HEADER = [field.name for field in fields(Run)]
MEASURED = ("loss_area", "steps_to_90", "steps_to_75", "steps_to_50", "steps_to_25")


def keys(num_seeds: int) -> Iterator[Key]:
    """All runs in the order they are trained: any number of them is balanced up to one seed."""
    seeds = range(FIRST_SEED, FIRST_SEED + num_seeds)
    return (Key(*key) for key in product(seeds, LAYERS, ARMS))


def candidate(layers: int, arm: str, settings: Sequence[str] = ()) -> Candidate:
    """The network and its training: two convolutions a block, as many blocks in every stage, and
    stem and classifier.
    """
    depth = (layers - 2) // (2 * NUM_STAGES)
    stages = [f"architecture.stages.{stage}" for stage in range(NUM_STAGES)]
    changes = [f"{stage}.depth={depth}" for stage in stages]
    changes += [f"{stage}.shortcut={arm}" for stage in stages]
    changes += ["architecture.transition=none"] if arm == "none" else []
    return SearchSpace.load(SPACE, [*changes, *settings]).candidate(FixedTrial({}))


def trained(key: Key, settings: Sequence[str] = ()) -> Run:
    """Train one."""
    start = time.process_time()
    network = candidate(key.layers, key.arm, settings)
    result = train(network, seed=key.seed, data_dir=Path("data")).result
    measures = result.measures
    return Run(
        **asdict(key),
        train_error=round(100 * measures["train_error"], 4),
        val_error=round(100 * (1 - result.final["val_accuracy"]), 4),
        started=int(measures["started"]),
        diverged=int(measures["diverged"]),
        **{name: shortened(measures[name]) for name in MEASURED},
        seconds=round(time.process_time() - start, 2),
        torch=torch.__version__,
        commit=commit(),
        processor=processor(),
    )


def shortened(value: float | None) -> float | None:
    """Five decimals of a loss; a count as it is."""
    return round(value, 5) if isinstance(value, float) else value


@cache
def commit() -> str:
    """The commit that last changed nas/, with a plus if its files differ from it."""
    home = ["git", "-C", str(HERE.parents[1])]
    last = [*home, "log", "-1", "--abbrev=12", "--format=%h", "--", "nas"]
    changed = [*home, "status", "--porcelain", "--", "nas"]
    try:
        found, dirty = (
            subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout
            for command in (last, changed)
        )
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return found.strip() + ("+" if dirty.strip() else "")


def processor() -> str:
    """The processor's name and the instructions that torch uses."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    names = [line.partition(": ")[2] for line in lines if line.startswith("model name")]
    name = names[0] if names else platform.machine()
    return f"{name} {torch.backends.cpu.get_cpu_capability()}".replace(",", " ")


def read(table: Path = TABLE) -> list[Run]:
    """The complete lines of a table; what a kill left of the last one is not a line."""
    if not table.exists():
        return []
    text = table.read_text(encoding="utf-8")
    rows = csv.DictReader(text[: text.rfind("\n") + 1].splitlines())
    return [parsed(row) for row in rows]


def parsed(row: dict[str, str]) -> Run:
    """A line of the table."""
    kinds = {"seed": int, "layers": int, "started": int, "diverged": int}
    texts = ("arm", "torch", "commit", "processor")
    values = {
        name: row[name] if name in texts else kinds.get(name, number)(row[name]) for name in HEADER
    }
    return Run(**values)


def number(text: str) -> float | int | None:
    """A number, whole if it is written so; None if nothing is written."""
    if not text:
        return None
    return int(text) if text.isdigit() else float(text)


def append(table: Path, run: Run) -> None:
    """Add one line, to the disk, after cutting off what a kill left."""
    with table.open("a+b") as file:
        file.seek(0)
        whole = file.read().rfind(b"\n") + 1
        file.truncate(whole)
        lines = [] if whole else [HEADER]
        values = ["" if value is None else str(value) for value in asdict(run).values()]
        text = "".join(",".join(line) + "\n" for line in [*lines, values])
        file.write(text.encode())
        file.flush()
        os.fsync(file.fileno())


def fill(
    table: Path, num_seeds: int, max_seconds: float = math.inf, settings: Sequence[str] = ()
) -> int:
    """Train what the table lacks, until the time is over; how many runs were added."""
    torch.set_num_threads(1)
    known = {Key(run.seed, run.layers, run.arm) for run in read(table)}
    start, added = time.monotonic(), 0
    for key in keys(num_seeds):
        if key in known:
            continue
        if time.monotonic() - start >= max_seconds:
            break
        run = trained(key, settings)
        append(table, run)
        added += 1
        print(
            f"seed {run.seed}, {run.layers:2} layers, {run.arm:8}: {run.train_error:5.1f} points "
            f"of training error, {run.seconds:.0f} s",
            flush=True,
        )
    return added


def main() -> None:
    """Fill the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=NUM_SEEDS, help="seeds from 1000 on")
    parser.add_argument("--max-time", default=None, help="start no run after this: 90s, 60m, 2h")
    given = parser.parse_args()
    limit = seconds_of(given.max_time) if given.max_time else math.inf
    added = fill(TABLE, given.seeds, limit)
    print(f"{added} runs added; the table has {len(read())} of {given.seeds * 6}.")


if __name__ == "__main__":
    main()
