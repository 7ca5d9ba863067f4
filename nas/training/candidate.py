"""How a candidate is trained, as data, and the optimisers and schedules it can name."""

import hashlib
import json
import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

from nas.common.errors import UserError
from nas.common.later_keys import without_later
from nas.common.registry import Entry, Registry, unknown
from nas.data.catalog import Dataset
from nas.model.architecture import Architecture, Named, checked
from nas.model.cost import Cost, cost
from nas.model.layout import lay_out


@dataclass(frozen=True, kw_only=True)
class Optimizer(Entry):
    """A function from parameters and options to a torch optimiser, and the bytes that it keeps
    for each parameter.
    """

    state_bytes: int


OPTIMIZERS: Registry[Optimizer] = Registry("optimizer", Optimizer)
SCHEDULES: Registry[Callable[..., float]] = Registry("schedule")


@OPTIMIZERS.register("sgd", state_bytes=4)
def sgd(
    parameters: Iterable[Any],
    *,
    lr: float = 0.1,
    momentum: float = 0.9,
    weight_decay: float = 1e-4,
    nesterov: bool = False,
) -> Any:
    """Stochastic gradient descent with momentum.

    lr: the learning rate.
    momentum: share of the last step that the next one keeps.
    weight_decay: share of each weight that is added to its gradient.
    nesterov: the gradient is taken after the momentum's step.
    """
    from torch.optim import SGD

    return SGD(
        parameters,
        lr=lr,
        momentum=momentum,
        weight_decay=weight_decay,
        nesterov=nesterov and momentum > 0,  # without momentum it is the same
        fused=True,
    )


@OPTIMIZERS.register("adam", state_bytes=8)
def adam(parameters: Iterable[Any], *, lr: float = 1e-3, weight_decay: float = 0.0) -> Any:
    """Adam (Kingma and Ba 2015).

    lr: the learning rate.
    weight_decay: share of each weight that is added to its gradient.
    """
    from torch.optim import Adam

    return Adam(parameters, lr=lr, weight_decay=weight_decay, fused=True)


@OPTIMIZERS.register("adamw", state_bytes=8)
def adamw(parameters: Iterable[Any], *, lr: float = 1e-3, weight_decay: float = 1e-2) -> Any:
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019).

    lr: the learning rate.
    weight_decay: share of each weight, times the learning rate, that a step takes from it.
    """
    from torch.optim import AdamW

    return AdamW(parameters, lr=lr, weight_decay=weight_decay, fused=True)


# Schedules: progress of the training, 0 to 1 -> factor of the learning rate.


@SCHEDULES.register("cosine")
def cosine(progress: float) -> float:
    """Half a cosine from 1 to 0 (Loshchilov and Hutter 2017)."""
    return 0.5 * (1 + math.cos(math.pi * progress))


@SCHEDULES.register("linear")
def linear(progress: float) -> float:
    """Straight from 1 to 0."""
    return 1 - progress


@SCHEDULES.register("step")
def step(progress: float) -> float:
    """A tenth after a half, a hundredth after three quarters (He et al. 2015, section 4.2)."""
    return 1.0 if progress < 0.5 else 0.1 if progress < 0.75 else 0.01


@SCHEDULES.register("constant")
def constant(progress: float) -> float:
    """The whole learning rate throughout."""
    return 1.0


#: how the classes are weighted in the loss: all alike, or the rarer the more
CLASS_WEIGHTS = ("none", "balanced")
#: keys of a training that came later, with their defaults
LATER_TRAINING_KEYS: dict[str, Any] = {"class_weights": "none"}


@dataclass(frozen=True, kw_only=True)
class Training:
    """Epochs, pictures in a batch, and how the weights move; warmup in epochs."""

    epochs: int
    batch_size: int = 128
    optimizer: Named = Named("sgd")
    schedule: Named = Named("cosine")
    warmup: float = 0.0
    label_smoothing: float = 0.0
    gradient_clip: float = 0.0
    class_weights: str = "none"

    def check(self) -> None:
        """ValueError where an optimiser, a schedule or an option of them is unknown."""
        OPTIMIZERS.check(self.optimizer.name, self.optimizer.options)
        SCHEDULES.check(self.schedule.name, self.schedule.options)
        if self.class_weights not in CLASS_WEIGHTS:
            raise ValueError(unknown("class weights", self.class_weights, list(CLASS_WEIGHTS)))

    def check_sizes(self) -> None:
        """ValueError where a number is no count."""
        if self.epochs < 1 or self.batch_size < 2 or self.warmup < 0:
            raise ValueError("epochs, batch_size or warmup are too small.")

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


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """An architecture with all that decides its training but the seed."""

    architecture: Architecture
    training: Training
    dataset: Dataset

    def cost(self) -> Cost:
        """What it costs to train."""
        training = self.training
        state_bytes = OPTIMIZERS[training.optimizer.name].state_bytes
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
