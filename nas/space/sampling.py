"""Drawing a candidate: every key that is not fixed becomes a parameter of the Optuna trial."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Protocol

from nas.common.registry import Registry
from nas.model.architecture import Architecture, Named, Stage, takes_transition
from nas.model.blocks import BLOCKS, NORMS, STEMS
from nas.model.joins import JOINS
from nas.space.fields import Options, Range, component_name
from nas.space.schema import ArchitectureSection, StageSection, TrainingSection
from nas.training.candidate import OPTIMIZERS, Training


class Trial(Protocol):
    """What is needed of an `optuna.Trial`."""

    def suggest_categorical(self, name: str, choices: Any) -> Any: ...

    def suggest_int(
        self, name: str, low: int, high: int, *, step: int = 1, log: bool = False
    ) -> int: ...

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float: ...


def draw(trial: Trial, name: str, value: Any) -> Any:
    """A fixed value as it is; from a choice or a range what the trial suggests."""
    if isinstance(value, Range):
        if isinstance(value.low, int):
            return trial.suggest_int(
                name, value.low, value.high, step=value.step or 1, log=value.log
            )
        return trial.suggest_float(name, value.low, value.high, step=value.step, log=value.log)
    if not isinstance(value, list):
        return value
    if len(value) == 1:
        return value[0]
    if any(isinstance(one, Options) for one in value):
        labels = [component_name(one) for one in value]
        return value[labels.index(trial.suggest_categorical(name, labels))]
    return trial.suggest_categorical(name, value)


def draw_component(trial: Trial, name: str, value: Any, registry: Registry[Any]) -> Named:
    """A registered part with all its options; those of the parts not chosen do not exist."""
    one = draw(trial, name, value)
    chosen = component_name(one)
    given = {} if isinstance(one, str) else dict(getattr(one, chosen) or {})
    options = {
        key: draw(trial, f"{name}.{chosen}.{key}", value)
        for key, value in (registry.defaults(chosen) | given).items()
    }
    return Named.of(chosen, **options)


def given_component(value: Any, registry: Registry[Any]) -> Named:
    """A registered part of which nothing is searched, with those options that are given."""
    chosen = component_name(value)
    given = None if isinstance(value, str) else getattr(value, chosen)
    return Named.of(chosen, **(given.model_dump(exclude_unset=True) if given else {}))


class SharedKeys:
    """The keys that stages share: a stage has its own value, else the shared one, drawn once."""

    def __init__(self, shared: ArchitectureSection) -> None:
        self.shared = shared
        self.drawn: dict[str, Any] = {}

    def draw(
        self, stage: StageSection, index: int, key: str, how: Callable[[str, Any], Any]
    ) -> Any:
        """The value of a stage's key."""
        own = getattr(stage, key)
        if own is not None:
            return how(f"stages.{index}.{key}", own)
        if key not in self.drawn:
            self.drawn[key] = how(key, getattr(self.shared, key))
        return self.drawn[key]


def draw_architecture(
    trial: Trial, section: ArchitectureSection, image_shape: tuple[int, int, int], num_classes: int
) -> Architecture:
    """One architecture. What would change nothing is not drawn: a transition where no shape
    changes or nothing is added, a join and an activation order where no block has a shortcut."""
    stem = draw_component(trial, "stem", section.stem, STEMS)
    norm = draw_component(trial, "norm", section.norm, NORMS)
    activation = draw(trial, "activation", section.activation)
    shared, stages = SharedKeys(section), []
    in_channels = stem.arguments["width"]
    for index, stage in enumerate(section.stages):
        stages.append(draw_stage(trial, shared, stage, index, in_channels))
        in_channels = stages[-1].width
    if not stem.arguments["width"]:
        stem = Named.of(stem.name, **stem.arguments | {"width": stages[0].width})
    return Architecture(
        image_shape=image_shape,
        num_classes=num_classes,
        stem=stem,
        stages=tuple(stages),
        activation_order=draw_order(trial, section, stages),
        activation=activation,
        norm=norm,
    )


def draw_stage(
    trial: Trial, shared: SharedKeys, stage: StageSection, index: int, in_channels: int
) -> Stage:
    """One stage, in its one canonical form; in_channels is 0 where the stem follows its width."""

    def value(name: str, given: Any) -> Any:
        return draw(trial, name, given)

    def component(key: str, registry: Registry[Any]) -> Named:
        def one(name: str, given: Any) -> Named:
            return draw_component(trial, name, given, registry)

        chosen: Named = shared.draw(stage, index, key, one)
        return chosen

    width = shared.draw(stage, index, "width", value)
    stride = shared.draw(stage, index, "stride", value)
    block = component("block", BLOCKS)
    depth = shared.draw(stage, index, "depth", value)
    shortcut = shared.draw(stage, index, "shortcut", value)
    drawn = Stage(
        depth=depth,
        width=width,
        stride=stride,
        block=block,
        shortcut=shortcut,
        transition="none",
    )
    if takes_transition(drawn, in_channels or width):
        transition = shared.draw(stage, index, "transition", value)
        if depth == 1:
            shortcut = "none" if transition == "none" else "identity"
        drawn = replace(drawn, shortcut=shortcut, transition=transition)
    if drawn.shortcut == "none":
        return drawn
    return replace(drawn, join=component("join", JOINS))


def draw_order(trial: Trial, section: ArchitectureSection, stages: list[Stage]) -> str:
    """The activation order; a plain network is the same under all of them, so it has the first."""
    order = section.activation_order
    if isinstance(order, list) and all(stage.shortcut == "none" for stage in stages):
        return str(order[0])
    return str(draw(trial, "activation_order", order))


def draw_training(trial: Trial, section: TrainingSection) -> Training:
    """The settings of one training."""
    optimizer = draw_component(trial, "training.optimizer", section.optimizer, OPTIMIZERS)
    keys = [key for key in TrainingSection.model_fields if key != "optimizer"]
    values = {key: draw(trial, f"training.{key}", getattr(section, key)) for key in keys}
    return Training(optimizer=optimizer, **values)
