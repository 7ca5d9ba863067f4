"""What share of the epochs do pruners leave to be trained, as nas sets them up?

    python -m experiments.top_percent.pruned

Replays on the table: architectures in a random order, each reporting its recorded accuracies until
one of Optuna's pruners stops it, or its losses until it rests at a rung of halving. Shorter
trainings are the first epochs of the recorded ones.
"""

import json

import numpy as np
import optuna
from optuna.trial import FixedTrial, TrialState

from experiments.top_percent.replay import Replay, Table
from experiments.top_percent.table import HERE, SPACE, rows
from nas.search.pruners.registry import pruner_of
from nas.search.pruners.stopping import StoppingPruner
from nas.space.space import SearchSpace

REPLAYS = 100
EPOCHS, TRIALS = (4, 8, 16), (12, 30, 100)
PRUNERS = ("median", "asha", "hyperband", "halving")


def share_of(space: SearchSpace, curves: list[list[float]], seed: int) -> float:
    """The share of the epochs that a search trains, of those candidates that it trains at all."""
    if space.search.pruner == "halving":
        replay = Replay(table_of(space), space, seed)
        replay.run()
        return replay.spent / (len(replay.seen) * space.epochs)
    return share_trained(curves, space, space.search.trials, seed)


def table_of(space: SearchSpace) -> Table:
    """The first epochs of the table, each of which takes one second; nothing is searched for."""
    epochs = space.epochs
    found = {
        space.candidate(FixedTrial(row["params"])).hash: {
            "train_loss": row["train_loss"][:epochs],
            "val_accuracy": row["val_accuracy"][:epochs],
            "seconds": epochs,
        }
        for row in rows(0)
    }
    return Table(found, top=0.0)


def share_trained(curves: list[list[float]], space: SearchSpace, trials: int, seed: int) -> float:
    """The share of the epochs that a search of so many trials trains with a pruner of Optuna's."""
    pruner = pruner_of(space)
    assert isinstance(pruner, StoppingPruner)
    name = f"replay {seed}"  # Hyperband draws brackets by it
    study = optuna.create_study(study_name=name, direction="maximize", pruner=pruner.of_optuna)
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
            for trials in TRIALS:
                space = space_of(name, epochs, trials)
                shares = [share_of(space, curves, seed) for seed in range(REPLAYS)]
                told = [round(float(one)) / 100 for one in 100 * summary(shares)]
                found.setdefault(name, {})[f"{trials} trials of {epochs} epochs"] = told
                print(name, trials, epochs, told, flush=True)
    text = json.dumps({"replays": REPLAYS, "mean and 95% quantile": found}, indent=1)
    (HERE / "pruned.json").write_text(text + "\n", encoding="utf-8")


def space_of(pruner: str, epochs: int, trials: int) -> SearchSpace:
    """The space of the table with another pruner and length."""
    settings = {"pruner": pruner, "trials": trials, "rungs": "null", "sampler": "random"}
    changes = [f"search.{key}={value}" for key, value in settings.items()]
    return SearchSpace.load(SPACE, [*changes, f"training.epochs={epochs}"])


def summary(shares: list[float]) -> np.ndarray:
    """Mean and 95% quantile."""
    return np.array([np.mean(shares), np.quantile(shares, 0.95)])


if __name__ == "__main__":
    main()
