"""Train every architecture of the space once from a seed, and keep its curves.

    NAS_DATA_DIR=... python -m experiments.top_percent.table [SEED]
    NAS_DATA_DIR=... python -m experiments.top_percent.table again COUNT

Two processes share the work, in an order of no meaning, so that a part of a table is a fair sample
of the space. What is in the table is not trained again; `again` trains so many of the table of seed
0 and prints how far they are from it, writing nothing.
"""

import json
import multiprocessing
import os
import random
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import torch
from optuna.trial import FixedTrial
from rich.progress import track

from nas.space.space import SearchSpace
from nas.training.candidate import Candidate
from nas.training.lightning import train

HERE = Path(__file__).parent
SPACE = HERE / "top_percent.yaml"
PROCESSES = 2


def table(seed: int = 0) -> Path:
    """Where the curves of a seed are kept."""
    return HERE / ("table.jsonl" if seed == 0 else f"table_{seed}.jsonl")


def candidates(space: SearchSpace) -> list[tuple[dict[str, object], Candidate]]:
    """All of the space: parameters and candidate."""
    return [(values, space.candidate(FixedTrial(values))) for values in space.grid(10_000)]


def row(values: dict[str, object], candidate: Candidate, seed: int = 0) -> dict[str, object]:
    """Train one as a search would; processor seconds, as the machine is shared."""
    torch.set_num_threads(1)
    start = time.process_time()
    trained = train(candidate, seed=seed, data_dir=Path(os.environ["NAS_DATA_DIR"]))
    curve = trained.result.curve
    return {
        "hash": candidate.hash,
        "params": values,
        "layers": trained.result.depth,
        "parameters": trained.result.parameters,
        "multiply_adds": trained.result.multiply_adds,
        "seconds": round(time.process_time() - start, 2),
        "train_loss": [round(epoch["train_loss"], 5) for epoch in curve],
        "val_accuracy": [round(epoch["val_accuracy"], 5) for epoch in curve],
    }


def rows(seed: int = 0) -> list[dict[str, object]]:
    """The table of a seed as it is."""
    text = table(seed).read_text(encoding="utf-8") if table(seed).exists() else ""
    return [json.loads(line) for line in text.splitlines()]


def again(count: int) -> None:
    """Print new less recorded of some of the table: last training loss, accuracy of each epoch."""
    known = {str(one["hash"]): one for one in rows()}
    some = candidates(SearchSpace.load(SPACE))
    random.Random(5).shuffle(some)
    for values, candidate in some[:count]:
        new, old = row(values, candidate), known[candidate.hash]
        loss, *_ = differences(new, old, "train_loss")[::-1]
        print(candidate.hash, loss, differences(new, old, "val_accuracy"), flush=True)


def differences(new: dict[str, Any], old: dict[str, Any], key: str) -> list[float]:
    """New less old, epoch by epoch."""
    return [round(one - other, 5) for one, other in zip(new[key], old[key], strict=True)]


def main() -> None:
    """Fill the table, or check it."""
    if sys.argv[1:2] == ["again"]:
        again(int(sys.argv[2]))
        return
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    known = {one["hash"] for one in rows(seed)}
    due = [pair for pair in candidates(SearchSpace.load(SPACE)) if pair[1].hash not in known]
    random.Random(seed).shuffle(due)
    with multiprocessing.Pool(PROCESSES) as pool, table(seed).open("a", encoding="utf-8") as file:
        pending = [pool.apply_async(partial(row, seed=seed), pair) for pair in due]
        for one in track(pending):
            file.write(json.dumps(one.get()) + "\n")
            file.flush()


if __name__ == "__main__":
    main()
