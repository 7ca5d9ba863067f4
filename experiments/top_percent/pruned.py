"""What share of the epochs do Optuna's pruners leave to be trained, as nas sets them up?

    python -m experiments.top_percent.pruned

Replays on the table: architectures in a random order, each reporting its recorded accuracies until
the pruner stops it. Shorter trainings are the first epochs of the recorded ones.
"""

import json

import numpy as np
import optuna
from optuna.trial import TrialState

from experiments.top_percent.table import HERE, SPACE, rows
from nas.search.pruners.registry import pruner_of
from nas.search.pruners.stopping import StoppingPruner
from nas.space.space import SearchSpace

REPLAYS = 100
EPOCHS, TRIALS = (4, 8, 16), (12, 30, 100)
PRUNERS = ("median", "asha", "hyperband")


def share_trained(curves: list[list[float]], space: SearchSpace, trials: int, seed: int) -> float:
    """The share of the epochs that a search of so many trials trains."""
    pruner = pruner_of(space)
    assert isinstance(pruner, StoppingPruner)
    study = optuna.create_study(direction="maximize", pruner=pruner.of_optuna)
    order = np.random.default_rng(seed).permutation(len(curves))[:trials]
    trained = sum(epochs_of(study, curves[one][: space.epochs]) for one in order)
    return trained / (trials * space.epochs)


def epochs_of(study: optuna.Study, curve: list[float]) -> int:
    """Epochs of a trial until it is stopped, or ends."""
    trial = study.ask()
    for epoch, value in enumerate(curve, 1):
        trial.report(value, epoch)
        if epoch < len(curve) and trial.should_prune():
            study.tell(trial, state=TrialState.PRUNED)
            return epoch
    study.tell(trial, curve[-1])
    return len(curve)


def main() -> None:
    """Replay all, and write mean and 95% quantile."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    curves = [row["val_accuracy"] for row in rows(0)]
    found: dict[str, dict[str, list[float]]] = {}
    for name in PRUNERS:
        for epochs in EPOCHS:
            space = SearchSpace.load(
                SPACE, [f"search.pruner={name}", f"training.epochs={epochs}", "search.rungs=null"]
            )
            for trials in TRIALS:
                shares = [share_trained(curves, space, trials, seed) for seed in range(REPLAYS)]
                told = [round(float(one)) / 100 for one in 100 * summary(shares)]
                found.setdefault(name, {})[f"{trials} trials of {epochs} epochs"] = told
                print(name, trials, epochs, told, flush=True)
    text = json.dumps({"replays": REPLAYS, "mean and 95% quantile": found}, indent=1)
    (HERE / "pruned.json").write_text(text + "\n", encoding="utf-8")


def summary(shares: list[float]) -> np.ndarray:
    """Mean and 95% quantile."""
    return np.array([np.mean(shares), np.quantile(shares, 0.95)])


if __name__ == "__main__":
    main()
