"""Arms of networks on digits: each at its own best of four learning rates, then in pairs.

Trainings are kept in a file of lines of JSON; what is in it is not trained again. The rate of an
arm is that with the least of an outcome over two tuning seeds; six pairs are on seeds of their own.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

from nas.common.paths import DATA_DIR
from nas.statistics.answers import answers, p_words
from nas.statistics.hurdle import hurdle
from nas.statistics.paired import Effect, decision_p, twin_effect
from nas.training.candidate import Candidate
from nas.training.lightning import train
from nas.training.metrics.run import trains

TUNING_SEEDS, SEEDS = (100, 101), range(6)
SMALLEST_EFFECT = 2.0  # points of training error
BOUNDS = (-100.0, 100.0)

Arm = int | str
Runs = list[dict[str, Any]]


@dataclass(frozen=True)
class Arms:
    """What is trained, and where it is kept.

    candidate: the network of an arm at a learning rate. key: what tells arms apart in the file.
    names: the arms, of which the first one is the reference.
    """

    result: Path
    key: str
    names: tuple[Arm, ...]
    rates: tuple[float, ...]
    candidate: Callable[[Any, float], Candidate]

    def at_own_rates(self, outcome: str) -> dict[Arm, Runs]:
        """The pairs' runs of each arm, at its rate with the least of an outcome."""
        return {arm: self.runs(arm, self.best_rate(arm, outcome), SEEDS) for arm in self.names}

    def best_rate(self, arm: Arm, outcome: str) -> float:
        """The rate with the least of an outcome over the tuning seeds; of equals the least loss."""

        def found(lr: float) -> tuple[float, float]:
            runs = self.runs(arm, lr, TUNING_SEEDS)
            return mean(column(runs, outcome)), mean(column(runs, "mean_loss"))

        return min(self.rates, key=found)

    def runs(self, arm: Arm, lr: float, seeds: tuple[int, ...] | range) -> Runs:
        """An arm at a rate on these seeds; from the file, where they are there."""
        return [self.measured(arm, lr, seed) for seed in seeds]

    def measured(self, arm: Arm, lr: float, seed: int) -> dict[str, Any]:
        """One training, in points of error and nats; from the file, where it is there."""
        key = {self.key: arm, "lr": lr, "seed": seed}
        for one in self.kept():
            if one.items() >= key.items():
                return one
        result = train(self.candidate(arm, lr), seed=seed, data_dir=Path(DATA_DIR)).result
        found = key | {
            "train_error": 100 * result.measures["train_error"],
            "val_error": 100 * (1 - result.final["val_accuracy"]),
            "mean_loss": result.measures["loss_area"],
            "trains": trains(result.measures),
            "layers": result.depth,
            "parameters": result.parameters,
        }
        self.result.parent.mkdir(exist_ok=True)
        with self.result.open("a") as file:
            file.write(json.dumps(found) + "\n")
        return found

    def kept(self) -> Iterator[dict[str, Any]]:
        """The trainings in the file."""
        for line in self.result.read_text().splitlines() if self.result.exists() else ():
            yield json.loads(line)


def column(runs: Runs, key: str) -> list[Any]:
    """One number of each run."""
    return [one[key] for one in runs]


def told(effect: Effect, digits: int) -> str:
    """Mean and interval."""
    return f"{effect.mean:+.{digits}f} ({effect.low:+.{digits}f} to {effect.high:+.{digits}f})"


def print_table(head: str, runs: dict[Arm, Runs]) -> None:
    """The means of every arm, in their order."""
    print(f"| {head} | own rate | training error % | validation error % | mean training loss |")
    print("|---|---|---|---|---|")
    for arm, found in runs.items():
        keys = ("train_error", "val_error", "mean_loss")
        error, validation, loss = (mean(column(found, key)) for key in keys)
        print(f"| {arm} | {found[0]['lr']:g} | {error:.2f} | {validation:.1f} | {loss:.3f} |")


def of_errors(reference: Runs, runs: Runs, name: Arm) -> Effect:
    """What an arm gains in training error, with the two parts of a gain printed."""
    errors = column(reference, "train_error"), column(runs, "train_error")
    train = column(reference, "trains"), column(runs, "trains")
    effect = twin_effect(*errors, bounds=BOUNDS)
    parts = hurdle(*errors, *train, bounds=BOUNDS)
    among = told(parts.gain, 2) if parts.gain else "unknown"
    print(
        f"{name}: gain in training error {told(effect, 2)} points, among pairs that both "
        f"train {among}; {sum(train[1])} and {sum(train[0])} of {len(runs)} train."
    )
    return effect


def of_losses(reference: Runs, runs: Runs, name: Arm) -> Effect:
    """What an arm gains in mean training loss."""
    effect = twin_effect(column(reference, "mean_loss"), column(runs, "mean_loss"))
    p_value = decision_p(effect)[0]
    print(f"{name}: gain in mean training loss {told(effect, 3)} nats, p {p_value:.3f}.")
    return effect


def print_answers(effects: dict[str, Effect]) -> None:
    """Whether each gain in training error is decided, together."""
    for name, one in answers(effects, SMALLEST_EFFECT).items():
        print(f"{name}: {one.answer}, corrected p {p_words(one.p_adjusted)}.")
