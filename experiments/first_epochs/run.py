"""Does validation in the first epochs judge networks, or the lag of batch norm's running averages?

    python -m experiments.first_epochs.run

Trains 24 candidates on digits, each with running averages of ten steps from the start (torch's
momentum .1) and with those of nas, which lengthen over the first 100 steps. Both trainings have the
same weights at every step, as training uses the statistics of its batch; only the validation after
an epoch differs. Then 500 searches with Optuna's median pruner are replayed on either set of
curves, each over the 24 candidates in an order of its own: judged from the first epoch on, and from
the third on, as `search.pruner: median` does it with 15 epochs.
Curves are kept in curves.jsonl; what is in it is not trained again.
"""

import json
import random
from collections.abc import Iterator
from pathlib import Path
from statistics import fmean
from typing import Any
from unittest.mock import patch

import optuna
import torch
from optuna.pruners import MedianPruner
from optuna.trial import TrialState
from scipy.stats import spearmanr

from nas.common.paths import DATA_DIR
from nas.space.space import SearchSpace
from nas.training import classifier_module, lightning
from nas.training.candidate import Candidate

CURVES = Path(__file__).with_name("curves.jsonl")
RESULT = Path(__file__).with_name("result.json")
EPOCHS, REPLAYS = 15, 500
#: the pruner of nas judges from a quarter of the epochs on
JUDGED_FROM = (1, EPOCHS // 4)
WAYS = ("ten steps", "lengthening")
SPACE = Path(__file__).with_name("first_epochs.yaml")


def candidates() -> Iterator[tuple[dict[str, Any], Candidate]]:
    """8, 20, 32 and 56 layers, with shortcuts and without, at three learning rates."""
    space = SearchSpace.load(SPACE)
    for values in space.grid(100):
        one = space.candidate(optuna.trial.FixedTrial(values))
        stage = one.architecture.stages[0]
        lr = one.training.optimizer.arguments["lr"]
        yield {"layers": 6 * stage.depth + 2, "shortcut": stage.shortcut, "lr": lr}, one


def curve(one: Candidate, way: str) -> list[float]:
    """Validation accuracy after each epoch."""
    steps = 0 if way == "ten steps" else classifier_module.MOMENTUM_WARMUP_STEPS
    with patch.object(classifier_module, "MOMENTUM_WARMUP_STEPS", steps):
        trained = lightning.train(one, seed=0, data_dir=DATA_DIR)
    return [epoch["val_accuracy"] for epoch in trained.result.curve]


def rows() -> list[dict[str, Any]]:
    """What is kept."""
    text = CURVES.read_text(encoding="utf-8") if CURVES.exists() else ""
    return [json.loads(line) for line in text.splitlines()]


def train_missing() -> None:
    """Fill the file of curves."""
    known = {(row["layers"], row["shortcut"], row["lr"], row["way"]) for row in rows()}
    for named, one in candidates():
        for way in WAYS:
            if (*named.values(), way) not in known:
                found = [round(value, 5) for value in curve(one, way)]
                with CURVES.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(named | {"way": way, "val_accuracy": found}) + "\n")


def replay(curves: list[list[float]], order: list[int], first: int) -> set[int]:
    """Which of the candidates are trained to their end; the pruner judges from epoch `first` on."""
    pruner = MedianPruner(n_warmup_steps=first)
    study, ended = optuna.create_study(direction="maximize", pruner=pruner), set()
    for number in order:
        trial, state = study.ask(), TrialState.COMPLETE
        for epoch, value in enumerate(curves[number], start=1):
            trial.report(value, epoch)
            if epoch < EPOCHS and trial.should_prune():
                state = TrialState.PRUNED
                break
        study.tell(trial, value if state == TrialState.COMPLETE else None, state=state)
        ended |= {number} if state == TrialState.COMPLETE else set()
    return ended


def agreement(own: list[dict[str, Any]]) -> dict[int, float]:
    """Rank correlation of early epochs with the last one."""
    curves = [row["val_accuracy"] for row in own]
    ends = [curve[-1] for curve in curves]
    return {
        epoch: round(float(spearmanr([curve[epoch - 1] for curve in curves], ends)[0]), 2)
        for epoch in (1, 2, 4)
    }


def pruning(own: list[dict[str, Any]], first: int) -> dict[str, Any]:
    """What the replays did: per cent of searches that found the best, and of networks pruned."""
    curves = [row["val_accuracy"] for row in own]
    best = max(range(len(own)), key=lambda number: curves[number][-1])
    ends = []
    for seed in range(REPLAYS):
        order = list(range(len(own)))
        random.Random(seed).shuffle(order)
        ends.append(replay(curves, order, first))
    return {
        "best candidate trained to its end": share(best in ended for ended in ends),
        "best value found": round(fmean(max(curves[n][-1] for n in ended) for ended in ends), 4),
        "pruned": {
            f"{shortcut}, {layers} layers": share(
                number not in ended
                for ended in ends
                for number, row in enumerate(own)
                if (row["shortcut"], row["layers"]) == (shortcut, layers)
            )
            for shortcut in ("identity", "none")
            for layers in (8, 20, 32, 56)
        },
    }


def share(answers: Any) -> float:
    """Per cent that are true."""
    return round(100 * fmean(answers), 1)


def main() -> None:
    """Train, replay, and print."""
    torch.set_num_threads(1)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    train_missing()
    result = {}
    for way in WAYS:
        own = [row for row in rows() if row["way"] == way]
        judged = {f"judged from epoch {first} on": pruning(own, first) for first in JUDGED_FROM}
        result[way] = {"rank agreement with the end": agreement(own)} | judged
    RESULT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
