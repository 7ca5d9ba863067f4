"""How many candidates an hour decides: nas against the usual script, one core each.

    NAS_DATA_DIR=... python -m experiments.top_percent.decided 64 0 1 2

The first number is that of the epochs of a whole training, the others are seeds. Both search the
space of decided.yaml with Optuna's TPE and their pruning: the usual script with Optuna's default
pruner, nas with halving, and four times as many trials, as the budgets would be equal at the goal.
All processes count, from the command to its end. The winners are trained again, whole, from other
seeds: nas's regret is the validation accuracy of the usual script's less that of its own.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import fmean
from typing import Any

import torch

from experiments.speed.searches import followed
from experiments.top_percent.table import HERE
from experiments.top_percent.usual_search import CANDIDATE, SPACE
from nas.search.best_trials import best_trials
from nas.search.study import load_study
from nas.storage.open import open_storage
from nas.training.candidate import Candidate
from nas.training.lightning import train

RESULT = HERE / "decided.jsonl"
#: trials of the usual script, and of nas
TRIALS = {"usual script": 40, "nas": 160}
AGAIN = (100, 101, 102)


def command(way: str, folder: str, epochs: int, seed: int) -> list[str]:
    """How a search is started."""
    url, trials = storage(folder), str(TRIALS[way])
    if way == "usual script":
        script = "experiments.top_percent.usual_search"
        return [sys.executable, "-m", script, url, str(epochs), str(seed), trials]
    settings = [f"training.epochs={epochs}", f"search.seed={seed}"]
    start = [str(Path(sys.executable).with_name("nas")), "search", str(SPACE), "--trials", trials]
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
        spent = followed(process)
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
        "winner": round(fmean(retrained(winner)), 4),
    }


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


def main() -> None:
    """Both with each seed, in turns."""
    epochs, *seeds = map(int, sys.argv[1:])
    for seed in seeds:
        rows = [search(way, epochs, seed) for way in TRIALS]
        with RESULT.open("a", encoding="utf-8") as file:
            file.writelines(json.dumps(row) + "\n" for row in rows)
        usual, nas = rows
        print(*rows, f"ratio {nas['an hour'] / usual['an hour']:.2f}", sep="\n", end=" ")
        print(f"regret {usual['winner'] - nas['winner']:+.4f}", flush=True)


if __name__ == "__main__":
    main()
