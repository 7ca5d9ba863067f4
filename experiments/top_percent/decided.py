"""How many candidates an hour decides: nas against the usual script, one core each.

    NAS_DATA_DIR=... python -m experiments.top_percent.decided 64 0 1 2

The first number is that of the epochs of a whole training, the others are seeds. All search the
space of decided.yaml with Optuna's TPE: the usual script with Optuna's default pruner, with
SuccessiveHalving and with Hyperband, nas with its halving and with everything that it measures by
default. nas and the two halving scripts are given four times as many trials. All processes count,
from the command to its end. The winners are trained again, whole, from other seeds: what is told
is their mean validation accuracy. Seconds of two machines cannot be compared: on another one, begin
with an empty decided.jsonl. `incumbents` are [processor seconds, accuracy] of every better
trial, in the order they ended: what a search had to show after so long.

`python -m experiments.top_percent.decided table` prints what is recorded: how many times as many
candidates an hour as the usual script, and the two factors of that. One is time (processor seconds
for each epoch trained), the other is epochs (epochs trained for each candidate decided).
"""

import json
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
from optuna.trial import FrozenTrial, TrialState

from experiments.speed.searches import followed
from experiments.top_percent.table import HERE
from experiments.top_percent.usual_search import CANDIDATE, SPACE
from nas.search.best_trials import best_trials
from nas.search.study import load_study
from nas.storage.open import open_storage
from nas.training.candidate import Candidate
from nas.training.lightning import train

RESULT = HERE / "decided.jsonl"
USUAL = "usual script"
#: way -> Optuna's pruner in the usual script, and the number of trials
WAYS = {
    USUAL: ("median", 40),
    "usual script, SuccessiveHalving": ("halving", 160),
    "usual script, Hyperband": ("hyperband", 160),
    "nas": ("", 160),
}
AGAIN = (100, 101, 102)


def command(way: str, folder: str, epochs: int, seed: int) -> list[str]:
    """How a search is started."""
    pruner, trials = WAYS[way]
    url = storage(folder)
    if pruner:
        script = "experiments.top_percent.usual_search"
        return [sys.executable, "-m", script, url, str(epochs), str(seed), str(trials), pruner]
    settings = [f"training.epochs={epochs}", f"search.seed={seed}"]
    start = [str(Path(sys.executable).with_name("nas")), "search", str(SPACE)]
    start += ["--trials", str(trials)]
    start += ["--storage", url, "--out", folder]
    return start + [word for setting in settings for word in ("--set", setting)]


def storage(folder: str) -> str:
    """Where a search keeps its study."""
    return f"sqlite:///{folder}/optuna.db"


def search(way: str, epochs: int, seed: int) -> dict[str, Any]:
    """Search, and train the winner again."""
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen(
            command(way, folder, epochs, seed), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        start = datetime.now()
        spent = followed(process)
        took = (datetime.now() - start).total_seconds()
        study = load_study(open_storage(storage(folder)), None)
        own = [t for t in study.get_trials() if is_own(t.user_attrs)]
        candidates = {t.user_attrs[CANDIDATE] for t in own}
        won = next(t for t in best_trials(study) if is_own(t.user_attrs))
    winner = Candidate.from_json(won.user_attrs[CANDIDATE])
    return {
        "epochs": epochs,
        "seed": seed,
        "way": way,
        "seconds": round(spent, 1),
        "candidates": len(candidates),
        "an hour": round(3600 * len(candidates) / spent),
        "epochs trained": sum(trained_epochs(trial) for trial in own),
        "incumbents": [
            [round((trial.datetime_complete - start).total_seconds() * spent / took, 1), value]
            for trial, value in better(own)
        ],
        "winner": round(fmean(retrained(winner)), 4),
    }


def better(trials: list[FrozenTrial]) -> Iterator[tuple[FrozenTrial, float]]:
    """The finished trials that were better than all before, with their values."""
    best = -math.inf
    finished = [one for one in trials if one.state == TrialState.COMPLETE]
    for one in sorted(finished, key=lambda one: one.datetime_complete):
        if one.value > best:
            best = one.value
            yield one, round(best, 4)


def is_own(attrs: dict[str, Any]) -> bool:
    """Whether a trial was trained, and did not copy what another of the same candidate did."""
    return CANDIDATE in attrs and "reused_from" not in attrs


def trained_epochs(trial: Any) -> int:
    """Of one trial; the usual script counts from 0."""
    return len(trial.intermediate_values)


def retrained(winner: Candidate) -> list[float]:
    """Validation accuracies of whole trainings from other seeds than that of the search."""
    torch.set_num_threads(1)
    folder = Path(os.environ["NAS_DATA_DIR"])
    results = [train(winner, seed=seed, data_dir=folder).result for seed in AGAIN]
    return [result.final["val_accuracy"] for result in results]


def recorded() -> list[dict[str, Any]]:
    """The searches that have ended."""
    return [json.loads(line) for line in RESULT.read_text(encoding="utf-8").splitlines()]


def factors(epochs: int) -> None:
    """Print how each way compares with the usual script, over the seeds that both have."""
    by_way = {
        way: {r["seed"]: r for r in recorded() if (r["way"], r["epochs"]) == (way, epochs)}
        for way in WAYS
    }
    print("| way | seeds | candidates an hour, times | of it time | of it epochs | winner |")
    print("|---|---|---|---|---|---|")
    for way, rows in by_way.items():
        seeds = sorted(set(rows) & set(by_way[USUAL]))
        if not seeds:
            continue
        own, usual = ([by_way[name][seed] for seed in seeds] for name in (way, USUAL))
        seconds, epochs_each = (per(usual, *key) / per(own, *key) for key in KEYS)
        winner = fmean(row["winner"] for row in own)
        told = f"{seconds * epochs_each:.2f} | {seconds:.2f} | {epochs_each:.2f} | {winner:.3f}"
        print(f"| {way} | {len(seeds)} | {told} |")


#: seconds for each epoch, epochs for each candidate
KEYS = (("seconds", "epochs trained"), ("epochs trained", "candidates"))


def per(rows: list[dict[str, Any]], of: str, each: str) -> float:
    """A ratio over several searches."""
    return sum(row[of] for row in rows) / sum(row[each] for row in rows)


def main() -> None:
    """Every way with each seed, in turns; what is recorded is not searched again."""
    if sys.argv[1:] == ["table"]:
        factors(64)
        return
    epochs, *seeds = map(int, sys.argv[1:])
    known = {(row["way"], row["epochs"], row["seed"]) for row in recorded()}
    for way, seed in ((way, seed) for seed in seeds for way in WAYS):
        if (way, epochs, seed) not in known:
            row = search(way, epochs, seed)
            with RESULT.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")
            print(row, flush=True)


if __name__ == "__main__":
    main()
