"""What the training of one candidate gave, and the objectives that can be searched for."""

import math
from dataclasses import dataclass, field
from typing import Any, Literal

from nas.common.registry import Entry, Registry


@dataclass(kw_only=True)
class Result:
    """Measured numbers of one trained candidate.

    curve: one record for each epoch with epoch, train_loss, train_accuracy, val_loss, val_accuracy
    and val_balanced_accuracy, which is the mean of the classes' accuracies; where the target is a
    number, accuracies are R^2, and val_r2 and val_mae stand in place of the last. losses: [step,
    training loss], thinned. measures: train_error (clean, in eval mode) and those of
    nas.training.metrics from the run. probes: step -> measure -> value. finished: measures of the
    finished network, taken on request. initial_hash: of the weights as drawn, shortcuts left out:
    equal for twins.
    steps: made in the training, those before a resumption too; None in results of older versions.
    diverged: the accuracy stands as measured. seconds: wall-clock time of the training. latency:
    seconds of a forward pass of one picture.
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
    finished: dict[str, Any] = field(default_factory=dict)

    @property
    def final(self) -> dict[str, float]:
        """The record of the last epoch."""
        return self.curve[-1]


@dataclass(frozen=True, kw_only=True)
class Objective(Entry):
    """What the search optimises: how it is read from a result, and which way is better.

    each_epoch: it is a number of the records of all epochs, so that a pruner can use it. In figures
    it has the title `label (unit)` and is multiplied by `factor`.
    """

    direction: Literal["maximize", "minimize"]
    label: str
    unit: str = ""
    factor: float = 1.0
    is_log: bool = False
    each_epoch: bool = False

    def __call__(self, result: Result) -> float:
        """The value; what is not a number, stored as None, counts as the worst there is."""
        value = self.function(result)
        return self.worst if value is None or math.isnan(value) else float(value)

    @property
    def worst(self) -> float:
        """The worst value there is."""
        return -math.inf if self.direction == "maximize" else math.inf


OBJECTIVES: Registry[Objective] = Registry("objective", Objective)


@OBJECTIVES.register(
    "val_accuracy",
    direction="maximize",
    label="validation accuracy",
    unit="%",
    factor=100,
    each_epoch=True,
)
def val_accuracy(result: Result) -> float | None:
    """Share of the validation pictures classified rightly after the last epoch."""
    return result.final["val_accuracy"]


@OBJECTIVES.register(
    "val_balanced_accuracy",
    direction="maximize",
    label="balanced validation accuracy",
    unit="%",
    factor=100,
    each_epoch=True,
)
def val_balanced_accuracy(result: Result) -> float | None:
    """Mean over the classes of the share of their validation pictures classified rightly."""
    return result.final.get("val_balanced_accuracy")


@OBJECTIVES.register(
    "val_loss", direction="minimize", label="validation loss", unit="nats", each_epoch=True
)
def val_loss(result: Result) -> float | None:
    """Mean cross-entropy of the validation pictures after the last epoch; of numbers the mean
    square.
    """
    return result.final["val_loss"]


@OBJECTIVES.register(
    "train_loss", direction="minimize", label="training loss", unit="nats", each_epoch=True
)
def train_loss(result: Result) -> float | None:
    """Mean cross-entropy of the training batches of the last epoch."""
    return result.final["train_loss"]


@OBJECTIVES.register("val_r2", direction="maximize", label="validation R²", each_epoch=True)
def val_r2(result: Result) -> float | None:
    """Share of the variance of a target that is a number, explained on the validation rows."""
    return result.final.get("val_r2")


@OBJECTIVES.register(
    "val_mae", direction="minimize", label="mean absolute validation error", each_epoch=True
)
def val_mae(result: Result) -> float | None:
    """Mean size of what a target that is a number is missed by on the validation rows."""
    return result.final.get("val_mae")


@OBJECTIVES.register("parameters", direction="minimize", label="parameters", is_log=True)
def parameters(result: Result) -> float | None:
    """Numbers that the network learns."""
    return result.parameters


@OBJECTIVES.register(
    "multiply_adds", direction="minimize", label="multiply-adds of one picture", is_log=True
)
def multiply_adds(result: Result) -> float | None:
    """Multiply-adds of convolutions and classifier for one picture."""
    return result.multiply_adds


@OBJECTIVES.register(
    "latency", direction="minimize", label="latency of one picture", unit="ms", factor=1000
)
def latency(result: Result) -> float | None:
    """Seconds of a forward pass of one picture, the median of several."""
    return result.latency
