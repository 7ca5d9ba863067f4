"""Train every architecture of the space once, and keep its curves.

    NAS_DATA_DIR=... python -m experiments.top_percent.table

Two processes share the work; what is in the table is not trained again.
"""

import json
import multiprocessing
import os
import time
from pathlib import Path

import torch
from optuna.trial import FixedTrial
from rich.progress import track

from nas.space.space import SearchSpace
from nas.training.candidate import Candidate
from nas.training.lightning import train

HERE = Path(__file__).parent
SPACE = HERE / "top_percent.yaml"
TABLE = HERE / "table.jsonl"
PROCESSES = 2


def candidates(space: SearchSpace) -> list[tuple[dict[str, object], Candidate]]:
    """All of the space: parameters and candidate."""
    return [(values, space.candidate(FixedTrial(values))) for values in space.grid(10_000)]


def row(values: dict[str, object], candidate: Candidate) -> dict[str, object]:
    """Train one as a search would; processor seconds, as the machine is shared."""
    torch.set_num_threads(1)
    start = time.process_time()
    trained = train(candidate, seed=0, data_dir=Path(os.environ["NAS_DATA_DIR"]))
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


def rows() -> list[dict[str, object]]:
    """The table as it is."""
    text = TABLE.read_text(encoding="utf-8") if TABLE.exists() else ""
    return [json.loads(line) for line in text.splitlines()]


def main() -> None:
    """Fill the table."""
    known = {one["hash"] for one in rows()}
    due = [pair for pair in candidates(SearchSpace.load(SPACE)) if pair[1].hash not in known]
    with multiprocessing.Pool(PROCESSES) as pool, TABLE.open("a", encoding="utf-8") as file:
        pending = [pool.apply_async(row, pair) for pair in due]
        for one in track(pending):
            file.write(json.dumps(one.get()) + "\n")
            file.flush()


if __name__ == "__main__":
    main()
