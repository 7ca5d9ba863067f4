"""Does TPE find as good candidates when it sees a window of a long study? No training.

    python -m experiments.speed.window [--seeds 20] [--trials 600]

A made-up score over the parameters of the space `cifar`, some of which exist only when others are
chosen, is searched with and without the window of `nas.search.samplers`, from the same seeds; told
is the true score of the candidate that looked best, through noise.
"""

import argparse
import json
import math
import warnings
import zlib
from functools import partial
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import numpy as np
import optuna

from nas.search.samplers.subsampled_tpe import SubsampledTPESampler
from nas.space.space import SearchSpace

#: TPE that sees all trials
PLAIN = partial(optuna.samplers.TPESampler, group=True, multivariate=True)
RESULT = Path(__file__).with_name("window.json")
SPACE = ["training.optimizer.lr={low: 0.005, high: 0.5, log: true}"]
NOISE = 0.01


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--trials", type=int, default=600)
    arguments = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
    space = SearchSpace.load("cifar", SPACE)
    marks = sorted({min(300, arguments.trials), arguments.trials})
    found: dict[str, list[list[float]]] = {"window": [], "all": []}
    for seed in range(arguments.seeds):
        for name, kind in (("window", SubsampledTPESampler), ("all", PLAIN)):
            best = search(space, kind, seed, arguments.trials)
            found[name].append([best[mark - 1] for mark in marks])
        text = json.dumps({"marks": marks, "best": found, "told": told(marks, found)}, indent=1)
        RESULT.write_text(text + "\n")
    print("\n".join(told(marks, found)))


def told(marks: list[int], found: dict[str, list[list[float]]]) -> list[str]:
    """One sentence for each number of trials."""
    lines = []
    for index, mark in enumerate(marks):
        own, full = ([row[index] for row in found[name]] for name in ("window", "all"))
        apart = [one - other for one, other in zip(own, full, strict=True)]
        error = stdev(apart) / math.sqrt(len(apart)) if len(apart) > 1 else math.nan
        lines.append(
            f"after {mark} trials: window {mean(own):.4f}, all {mean(full):.4f}, "
            f"difference {mean(apart):+.4f} ± {error:.4f} (standard error, {len(apart)} seeds)"
        )
    return lines


def search(space: SearchSpace, kind: Any, seed: int, trials: int) -> list[float]:
    """The true score of what looks best, after each trial."""
    study = optuna.create_study(direction="maximize")
    best, looks, truth = [], -math.inf, 0.0
    for number in range(trials):
        own = zlib.crc32(f"{seed}/{number}".encode())
        study.sampler = kind(seed=own)
        trial = study.ask()
        space.candidate(trial)
        value = score(trial.params)
        seen = value + NOISE * np.random.default_rng(own).normal()
        if seen > looks:
            looks, truth = seen, value
        best.append(truth)
        study.tell(trial, seen)
    return best


def score(params: dict[str, Any]) -> float:
    """Shortcuts, block, ratio, order, depth and learning rate, with interactions."""
    kinds = [params[f"stages.{index}.shortcut"] for index in range(3)]
    good = ("identity", "none", "projection")
    value = 0.04 * sum(one == wanted for one, wanted in zip(kinds, good, strict=True))
    plain = kinds.count("none")
    value -= 0.01 * plain * max(0, params["depth"] - 3)
    value += 0.05 if params.get("activation_order") == "pre_activation" and plain < 2 else 0.0
    value += 0.02 * (params["block"] == "bottleneck") * (1 + 2 * (params.get(RATIO) == 0.25))
    value -= 0.004 * (params["depth"] - 6) ** 2
    return 0.7 + value - 0.1 * math.log10(params["training.optimizer.sgd.lr"] / 0.06) ** 2


RATIO = "block.bottleneck.ratio"

if __name__ == "__main__":
    main()
