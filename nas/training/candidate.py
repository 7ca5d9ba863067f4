"""How a candidate is trained, as data."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

from nas.common.errors import UserError
from nas.common.later_keys import without_later
from nas.common.registry import unknown
from nas.data.catalog import Dataset
from nas.model.architecture import Architecture, Named, checked
from nas.model.cost import Cost, cost
from nas.model.layout import lay_out
from nas.training.optimizers import OPTIMIZERS, WEIGHT_DECAY_OF
from nas.training.schedules import SCHEDULES

#: how the classes are weighted in the loss: all alike, or the rarer the more
CLASS_WEIGHTS = ("none", "balanced")
#: numbers in which the products of a training step are computed
PRECISIONS = ("fp32", "bf16", "fp16")
#: keys of a training that came later, with their defaults
LATER_TRAINING_KEYS: dict[str, Any] = {
    "class_weights": "none",
    "weight_decay_of": "all",
    "weight_average": 0.0,
    "mixup": 0.0,
    "precision": "fp32",
    "fade_shortcuts": 0.0,
}
#: keys of a training that twins alone have, and no space
OF_TWINS = ("fade_shortcuts",)


@dataclass(frozen=True, kw_only=True)
class Training:
    """Epochs, pictures in a batch, and how the weights move.

    warmup: in epochs. weight_average: the share that the moving average of the weights keeps at
    each step; 0: none is taken. mixup: alpha of the Beta distribution of the shares in which two
    pictures are mixed; 0: none are. precision: of the products of a training step. fade_shortcuts:
    the share of the training, at its end, in whose first half shortcuts fall to nothing, and in
    whose second half there are none; 0: they stay. Twins alone have it, as the network that is left
    is another one than its architecture says.
    """

    epochs: int
    batch_size: int = 128
    optimizer: Named = Named("sgd")
    schedule: Named = Named("cosine")
    warmup: float = 0.0
    label_smoothing: float = 0.0
    gradient_clip: float = 0.0
    class_weights: str = "none"
    weight_decay_of: str = "all"
    weight_average: float = 0.0
    mixup: float = 0.0
    precision: str = "fp32"
    fade_shortcuts: float = 0.0

    def check(self) -> None:
        """ValueError where an optimiser, a schedule or an option of them is unknown."""
        OPTIMIZERS.check(self.optimizer.name, self.optimizer.options)
        SCHEDULES.check(self.schedule.name, self.schedule.options)
        if self.class_weights not in CLASS_WEIGHTS:
            raise ValueError(unknown("class weights", self.class_weights, list(CLASS_WEIGHTS)))
        if self.weight_decay_of not in WEIGHT_DECAY_OF:
            known = list(WEIGHT_DECAY_OF)
            raise ValueError(unknown("weights that decay", self.weight_decay_of, known))
        if self.precision not in PRECISIONS:
            raise ValueError(unknown("precision", self.precision, list(PRECISIONS)))
        self.check_betas()

    def check_betas(self) -> None:
        """ValueError where a running mean of an optimiser would never move."""
        for key in ("beta1", "beta2"):
            if self.optimizer.arguments.get(key, 0.0) >= 1:
                raise ValueError(f"{key} of {self.optimizer.name} must be below 1.")

    def check_sizes(self) -> None:
        """ValueError where a number is no count."""
        if self.epochs < 1 or self.batch_size < 2 or self.warmup < 0:
            raise ValueError("epochs, batch_size or warmup are too small.")
        if not 0 <= self.fade_shortcuts <= 1:
            raise ValueError("fade_shortcuts is no share of a training.")
        if not 0 <= self.weight_average < 1 or not self.mixup >= 0:
            raise ValueError("weight_average is no share below 1, or mixup below 0.")

    def written(self) -> dict[str, Any]:
        """As plain data."""
        parts = {"optimizer": self.optimizer.written(), "schedule": self.schedule.written()}
        found = asdict(self) | parts
        return without_later(found, LATER_TRAINING_KEYS)

    def factor(self, step: int, num_steps: int) -> float:
        """Factor of the learning rate at a step: linear warm-up, then the schedule."""
        warm = self.warmup / self.epochs * num_steps
        if step < warm:
            return (step + 1) / (warm + 1)
        progress = (step - warm) / max(1.0, num_steps - warm)
        return SCHEDULES[self.schedule.name](progress, **self.schedule.arguments)

    def shortcut_weight(self, step: int, num_steps: int) -> float:
        """Factor of what shortcuts give at a step."""
        if not self.fade_shortcuts:
            return 1.0
        begun = (step / num_steps - (1 - self.fade_shortcuts)) / self.fade_shortcuts
        return min(1.0, max(0.0, 1 - 2 * begun))


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """An architecture with all that decides its training but the seed."""

    architecture: Architecture
    training: Training
    dataset: Dataset

    @property
    def accuracy_name(self) -> str:
        """The objective that its stored `val_accuracy` is: R^2 where a number is predicted."""
        return "val_r2" if self.architecture.predicts_number else "val_accuracy"

    def cost(self) -> Cost:
        """What it costs to train."""
        training = self.training
        state_bytes = OPTIMIZERS[training.optimizer.name].state_bytes
        state_bytes += 4 * (training.weight_average > 0)
        return cost(self.architecture, batch_size=training.batch_size, state_bytes=state_bytes)

    def to_json(self) -> str:
        """Canonical JSON: equal candidates give equal text."""
        data = {
            "architecture": json.loads(self.architecture.to_json()),
            "training": self.training.written(),
            "dataset": json.loads(self.dataset.to_json()),
        }
        return json.dumps(data, sort_keys=True)

    @classmethod
    def from_json(cls, text: str, place: str = "a stored candidate") -> "Candidate":
        """The candidate `to_json` wrote, which can be built; UserError where the text is something
        else.
        """
        candidate = cls.read(text, place)
        with refused(place):
            candidate.training.check()
            candidate.dataset.check()
            lay_out(candidate.architecture)
        return candidate

    @classmethod
    def read(cls, text: str, place: str = "a stored candidate") -> "Candidate":
        """The candidate as written, to be described: it need not be one that can be built, as where
        the plugin of one of its parts is not imported. UserError where the text is something else.
        """
        with refused(place):
            data = json.loads(text)
            return cls(
                architecture=Architecture.from_json(json.dumps(data["architecture"])),
                training=written_training(json.dumps(data["training"])),
                dataset=written_dataset(json.dumps(data["dataset"])),
            )

    @property
    def hash(self) -> str:
        """Sixteen hexadecimal digits, equal for equal candidates."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()[:16]


@contextmanager
def refused(place: str) -> Iterator[None]:
    """A UserError that names the place, for whatever a wrong text leads to."""
    try:
        yield
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        why = str(error) if isinstance(error, ValueError) else repr(error)
        raise UserError(f"{place}: this is not the JSON of a candidate: {why}") from error


@lru_cache
def written_training(text: str) -> Training:
    """The training of a stored candidate; most candidates of a study share theirs."""
    data = json.loads(text)
    parts = {key: Named.parse(data[key]) for key in ("optimizer", "schedule")}
    training = checked(Training(**data | parts))
    training.check_sizes()
    return training


#: the same for data sets
written_dataset = lru_cache(Dataset.from_json)
