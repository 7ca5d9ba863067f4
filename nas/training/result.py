"""What the training of one candidate gave, and the objectives that can be searched for."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from nas.common.registry import Registry


@dataclass(kw_only=True)
class Result:
    """Measured numbers of one trained candidate.

    curve: one record for each epoch with epoch, train_loss, train_accuracy, val_loss, val_accuracy
    and val_balanced_accuracy, which is the mean of the classes' accuracies. losses: [step, training
    loss], thinned. measures: train_error (clean, in eval mode) and those of nas.training.metrics
    from the run. probes: step -> measure -> value. initial_hash: of the weights before training,
    shortcuts left out: equal for twins. steps: made in the training, those before a resumption too;
    None in results of older versions. diverged: the accuracy stands as measured. seconds: wall-
    clock time of the training. latency: seconds of a forward pass of one picture.
    """

    curve: list[dict[str, float]]
    parameters: int
    multiply_adds: int
    depth: int
    memory: int
    seed: int
    seconds: float
    diverged: bool = False
    pruned: bool = False
    latency: float | None = None
    initial_hash: str = ""
    steps: int | None = None
    losses: list[list[float]] = field(default_factory=list)
    measures: dict[str, Any] = field(default_factory=dict)
    probes: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def final(self) -> dict[str, float]:
        """The record of the last epoch."""
        return self.curve[-1]


OBJECTIVES: Registry["Objective"] = Registry("objective")


@dataclass(frozen=True)
class Objective:
    """What the search optimises: how it is read from a result, and which way is better."""

    direction: Literal["maximize", "minimize"]
    value: Callable[[Result], float | None]

    def __call__(self, result: Result) -> float:
        """The value; what is not a number, stored as None, counts as the worst there is."""
        value = self.value(result)
        worst = -math.inf if self.direction == "maximize" else math.inf
        return worst if value is None or math.isnan(value) else float(value)


OBJECTIVES.add("val_accuracy", Objective("maximize", lambda result: result.final["val_accuracy"]))
OBJECTIVES.add(
    "val_balanced_accuracy",
    Objective("maximize", lambda result: result.final.get("val_balanced_accuracy")),
)
OBJECTIVES.add("val_loss", Objective("minimize", lambda result: result.final["val_loss"]))
OBJECTIVES.add("train_loss", Objective("minimize", lambda result: result.final["train_loss"]))
OBJECTIVES.add("parameters", Objective("minimize", lambda result: result.parameters))
OBJECTIVES.add("multiply_adds", Objective("minimize", lambda result: result.multiply_adds))
OBJECTIVES.add("latency", Objective("minimize", lambda result: result.latency or math.nan))
#: objectives that are known after every epoch, so that a pruner can use them
LEARNED = ("val_accuracy", "val_balanced_accuracy", "val_loss", "train_loss")
