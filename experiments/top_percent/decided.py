"""How many candidates an hour decides: nas against the usual script, one core each.

    NAS_DATA_DIR=... python -m experiments.top_percent.decided 0 1 2

Both search the space of the table with Optuna's TPE for as many different candidates, each with
its pruning: the usual script with Optuna's default pruner, nas with halving. A winner counts with
the accuracy that the table has of it, trained whole: the regret is how far it is from the best.
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import optuna
import torch

from experiments.speed import usual
from experiments.speed.searches import followed
from experiments.top_percent.replay import Table
from experiments.top_percent.table import HERE, SPACE
from nas.settings import Candidate
from nas.space import SearchSpace
from nas.storage import open_storage
from nas.study import best_trials, load_study

RESULT = HERE / "decided.jsonl"
CANDIDATES = 60


def by_usual_script(seed: int) -> tuple[float, set[str], str]:
    """Processor seconds, candidates and winner of a study that the usual script runs."""
    torch.set_num_threads(1)
    space, drawn = SearchSpace.load(SPACE), {}

    def objective(trial: optuna.Trial) -> float:
        candidate = space.candidate(trial)
        known = drawn.get(candidate.hash)
        drawn[candidate.hash] = trial.number
        if known is not None:  # as careful authors do: a candidate that comes again is not trained
            again = study.trials[known]
            if again.state != optuna.trial.TrialState.COMPLETE:
                raise optuna.TrialPruned
            return float(again.value or 0)
        with tempfile.TemporaryDirectory() as out:
            return usual.objective(trial, candidate, usual.pillow, 0, out)

    with tempfile.TemporaryDirectory() as folder:
        study = optuna.create_study(
            direction="maximize",
            storage=f"sqlite:///{folder}/optuna.db",
            sampler=optuna.samplers.TPESampler(seed=seed),
        )
        start = time.process_time()
        while len(drawn) < CANDIDATES:
            study.optimize(objective, n_trials=1)
        spent = time.process_time() - start
        return spent, set(drawn), space.candidate(optuna.trial.FixedTrial(study.best_params)).hash


def by_nas(seed: int) -> tuple[float, set[str], str]:
    """The same of `nas search` with one worker, all its processes counted."""
    with tempfile.TemporaryDirectory() as folder:
        url, number = f"sqlite:///{folder}/nas.db", CANDIDATES
        spent = 0.0
        while True:
            settings = ["search.pruner=halving", f"search.seed={seed}"]
            command = [Path(sys.executable).with_name("nas"), "search", SPACE, "--workers", "1"]
            command += ["--storage", url, "--out", folder, "--trials", str(number)]
            command += [word for setting in settings for word in ("--set", setting)]
            process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL)
            spent += followed(process)
            study = load_study(open_storage(url), "top_percent")
            texts = {trial.user_attrs["candidate"] for trial in study.get_trials()}
            drawn = {Candidate.from_json(text).hash for text in texts}
            if len(drawn) >= CANDIDATES:
                return spent, drawn, best_trials(study)[0].user_attrs["candidate_hash"]
            number += CANDIDATES - len(drawn)


def main() -> None:
    """Both with each seed, in turns."""
    table = Table.read().by_hash
    best = max(row["val_accuracy"][-1] for row in table.values())
    for seed in map(int, sys.argv[1:]):
        for name, search in (("nas", by_nas), ("usual script", by_usual_script)):
            spent, drawn, winner = search(seed)
            row = {
                "way": name,
                "seed": seed,
                "seconds": round(spent, 1),
                "candidates": len(drawn),
                "an hour": round(3600 * len(drawn) / spent),
                "regret": round(best - table[winner]["val_accuracy"][-1], 4),
            }
            print(row, flush=True)
            with RESULT.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")


if __name__ == "__main__":
    main()
