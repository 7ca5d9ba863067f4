"""How many candidates an hour decides: nas against the usual script, one core each.

    NAS_DATA_DIR=... python -m experiments.top_percent.decided 64 0 1 2

The first number is that of the epochs of a whole training, the others are seeds. All search the
space of decided.yaml with Optuna's TPE: the usual script with Optuna's default pruner, with
SuccessiveHalving and with Hyperband, nas with its halving and with everything that it measures by
default. nas and the two halving scripts are given four times as many trials. All processes count,
from the command to its end. The winners are trained again, whole, from other seeds: what is told
is their mean validation accuracy. Seconds of two machines cannot be compared: search each seed in
all ways on one. `incumbents` are [processor seconds, accuracy] of every better
trial, in the order they ended: what a search had to show after so long.

`python -m experiments.top_percent.decided table` prints what is recorded: how many times as many
candidates an hour nas decides as the others, and the two factors of that. One is time (processor
seconds for each epoch trained), the other is epochs (epochs trained for each candidate decided).
"""

import json
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from statistics import fmean, geometric_mean
from typing import Any

import torch
from optuna.trial import FrozenTrial, TrialState

from experiments.speed.searches import followed
from experiments.speed.table import processor
from experiments.top_percent.table import HERE
from experiments.top_percent.usual_search import CANDIDATE, SPACE
from nas.search.best_trials import best_trials
from nas.search.study import load_study
from nas.storage.open import open_storage
from nas.training.candidate import Candidate
from nas.training.lightning import train

RESULT = HERE / "decided.jsonl"
USUAL, OURS = "usual script", "nas"
#: way -> Optuna's pruner in the usual script, and the number of trials
WAYS = {
    USUAL: ("median", 40),
    "usual script, SuccessiveHalving": ("halving", 160),
    "usual script, Hyperband": ("hyperband", 160),
    OURS: ("", 160),
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
        "processor": processor(),
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
    """Print how nas compares with the other ways, over the seeds that both have on one kind of
    processor."""
    by_way = {
        way: {r["seed"]: r for r in recorded() if (r["way"], r["epochs"]) == (way, epochs)}
        for way in WAYS
    }
    print(HEAD)
    own = by_way.pop(OURS)
    for way, rows in by_way.items():
        both = [(own[seed], rows[seed]) for seed in sorted(set(rows) & set(own))]
        pairs = [(one, other) for one, other in both if one["processor"] == other["processor"]]
        if pairs:
            print(compared(way, pairs))


HEAD = """\
| nas over | seeds | candidates an hour, times | least and most | of it time | of it epochs \
| winners, nas | theirs | best shown when nas had ended, nas | theirs |
|---|---|---|---|---|---|---|---|---|---|"""


def compared(way: str, pairs: Sequence[tuple[dict[str, Any], dict[str, Any]]]) -> str:
    """A row: geometric means of ratios, and means of accuracies."""
    times = [per(other, *BOTH) / per(own, *BOTH) for own, other in pairs]
    seconds, epochs = (
        geometric_mean(per(other, *key) / per(own, *key) for own, other in pairs) for key in KEYS
    )
    accuracies = zip(*(accuracies_of(own, other) for own, other in pairs), strict=True)
    told = " | ".join(f"{fmean(column):.3f}" for column in accuracies)
    return (
        f"| {way} | {len(pairs)} | {geometric_mean(times):.2f} | {min(times):.2f}, "
        f"{max(times):.2f} | {seconds:.2f} | {epochs:.2f} | {told} |"
    )


def accuracies_of(own: dict[str, Any], other: dict[str, Any]) -> tuple[float, ...]:
    """Of the winners, and of the best that both had to show when the first had ended."""
    shown = (best_shown(row, own["seconds"]) for row in (own, other))
    return own["winner"], other["winner"], *shown


def best_shown(row: dict[str, Any], seconds: float) -> float:
    """The best validation accuracy that a search had found after so many processor seconds."""
    return max((value for when, value in row["incumbents"] if when <= seconds), default=0.0)


#: seconds for each epoch, epochs for each candidate, and both
KEYS = (("seconds", "epochs trained"), ("epochs trained", "candidates"))
BOTH = ("seconds", "candidates")


def per(row: dict[str, Any], of: str, each: str) -> float:
    """A ratio of a search."""
    return float(row[of] / row[each])


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
