"""A search by the usual script: Optuna's TPE and one of its pruners.

    python -m experiments.top_percent.usual_search STORAGE EPOCHS SEED TRIALS PRUNER

NAS_DATA_DIR is the folder with CIFAR-10. As careful authors do, a candidate that comes again is
not trained again.
"""

import sys
import tempfile
from pathlib import Path

import optuna
import torch

from experiments.speed import usual
from nas.space.space import SearchSpace

SPACE = Path(__file__).with_name("decided.yaml")
CANDIDATE = "candidate"


def pruner(name: str, epochs: int) -> optuna.pruners.BasePruner:
    """Median is Optuna's default; the others as its documentation sets them up, by epochs."""
    if name == "halving":
        return optuna.pruners.SuccessiveHalvingPruner()
    if name == "hyperband":
        return optuna.pruners.HyperbandPruner(min_resource=1, max_resource=epochs)
    return optuna.pruners.MedianPruner()


def main() -> None:
    """The study."""
    storage, epochs, seed, trials = sys.argv[1], *map(int, sys.argv[2:5])
    torch.set_num_threads(1)
    space = SearchSpace.load(SPACE, [f"training.epochs={epochs}"])
    study = optuna.create_study(
        direction="maximize",
        storage=storage,
        sampler=optuna.samplers.TPESampler(seed=seed),
        pruner=pruner(sys.argv[5], epochs),
    )
    first: dict[str, int] = {}

    def objective(trial: optuna.Trial) -> float:
        candidate = space.candidate(trial)
        known = first.setdefault(candidate.hash, trial.number)
        if known != trial.number:
            again = study.trials[known]
            if again.state != optuna.trial.TrialState.COMPLETE:
                raise optuna.TrialPruned
            return float(again.value or 0)
        trial.set_user_attr(CANDIDATE, candidate.to_json())
        with tempfile.TemporaryDirectory() as out:
            return usual.objective(trial, candidate, usual.pillow, 0, out)

    study.optimize(objective, n_trials=trials)


if __name__ == "__main__":
    main()
