"""Drawing a candidate: every key that is not fixed becomes a parameter of the Optuna trial."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial
from typing import Any, Protocol

from nas.common.registry import Registry
from nas.model.architecture import (
    ADD,
    Architecture,
    Named,
    Scalar,
    Stage,
    changing,
    grown,
    joining,
    masked,
    units_of,
    with_shortcuts,
)
from nas.model.blocks import ACTIVATIONS, BLOCKS, NORMS, ORDERS, SHORTCUTS, STEMS, unstrided
from nas.model.initialisations import INITIALISATIONS, starts_plain
from nas.model.joins import JOINS
from nas.model.layout import order_matters, settled
from nas.model.placements import PLACEMENTS, Mask, mask_of
from nas.space.fields import Options, Range, Rise, component_name
from nas.space.schema import ArchitectureSection, StageSection, TrainingSection
from nas.training.candidate import OF_TWINS, Training
from nas.training.optimizers import OPTIMIZERS
from nas.training.schedules import SCHEDULES


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
    if isinstance(value, Scalar):
        return value
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
    given = None if isinstance(one, str) else getattr(one, chosen)
    if given is None:
        return default_component(registry, chosen)
    options = {
        key: draw(trial, f"{name}.{chosen}.{key}", value)
        for key, value in (registry.defaults(chosen) | dict(given)).items()
    }
    return Named.of(chosen, **registry.written(chosen, options))


@cache
def default_component(registry: Registry[Any], name: str) -> Named:
    """A registered part with the defaults of its options; kept, as an enumeration asks often."""
    return Named.of(name, **registry.written(name, registry.defaults(name)))


def draw_text(trial: Trial, name: str, value: Any, registry: Registry[Any]) -> str:
    """The same as text: the name alone where a part has no options."""
    return str(draw_component(trial, name, value, registry))


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
        """The value of a stage's key, the same however often it is asked for."""
        own = getattr(stage, key)
        name = key if own is None else f"stages.{index}.{key}"
        if name not in self.drawn:
            self.drawn[name] = how(name, getattr(self.shared, key) if own is None else own)
        return self.drawn[name]

    def given(self, stage: StageSection, key: str) -> Any:
        """What is written for a stage's key."""
        own = getattr(stage, key)
        return getattr(self.shared, key) if own is None else own


def draw_architecture(
    trial: Trial, section: ArchitectureSection, image_shape: tuple[int, int, int], num_classes: int
) -> Architecture:
    """One architecture. What would change nothing is not drawn: a transition where no shape
    changes or nothing is added, a join, an activation order and an initialisation where no block
    has a shortcut."""
    stem = draw_component(trial, "stem", section.stem, STEMS)
    norm = draw_component(trial, "norm", section.norm, NORMS)
    activation = draw_text(trial, "activation", section.activation, ACTIVATIONS)
    shared, stages = SharedKeys(section), []
    masks = draw_masks(trial, shared, section.stages)
    if not stem.arguments["width"]:
        width = first_width(trial, shared, section.stages[0])
        stem = Named.of(stem.name, **stem.arguments | {"width": width})
    in_channels = stem.arguments["width"]
    for index, stage in enumerate(section.stages):
        stages.append(draw_stage(trial, shared, stage, index, in_channels, masks[index]))
        in_channels = stages[-1].width
    return Architecture(
        image_shape=image_shape,
        num_classes=num_classes,
        stem=stem,
        stages=tuple(stages),
        activation_order=draw_order(trial, section, stages, of_rows=image_shape[1:] == (1, 1)),
        activation=activation,
        norm=norm,
        initialisation=draw_initialisation(trial, section, stages),
        pooling=draw(trial, "pooling", section.pooling),
    )


def first_width(trial: Trial, shared: SharedKeys, stage: StageSection) -> int:
    """The channels of a stem that has no width of its own: those that the first stage starts with,
    or twice its growth (Huang et al. 2017, section 3).
    """
    growing = draw_growth(trial, shared, stage, 0)
    if growing:
        return 2 * int(growing.arguments["growth"])
    width_from, width = draw_width(trial, shared, stage, 0)
    return width_from or width


#: the mask of a stage in which every block has its shortcut, of whatever depth
ALL: Mask = ()


def draw_masks(trial: Trial, shared: SharedKeys, stages: list[StageSection]) -> list[Mask | None]:
    """Which blocks of each stage have their shortcut; None where each has a choice of its own. A
    placement that stages share goes through the blocks of all of them.
    """

    value = partial(draw, trial)

    def placement(name: str, given: Any) -> Named:
        return draw_component(trial, name, given, PLACEMENTS)

    def num_units(index: int) -> int:
        given = parts_of(shared.given(stages[index], "block"))
        if not any(BLOCKS[component_name(one)].units for one in given):
            return 1
        return len(units_of(draw_block(trial, shared, stages[index], index)))

    def masks(indices: list[int]) -> list[Mask | None]:
        drawn = shared.draw(stages[indices[0]], indices[0], "placement", placement)
        if drawn == Named("all"):
            return [ALL] * len(indices)
        depths = [shared.draw(stages[i], i, "depth", value) * num_units(i) for i in indices]
        mask = mask_of(drawn, sum(depths))
        starts = [sum(depths[:number]) for number in range(len(depths))]
        return [
            mask if mask is None else mask[start : start + depth]
            for start, depth in zip(starts, depths, strict=True)
        ]

    sharing = [index for index, stage in enumerate(stages) if stage.placement is None]
    groups = [[index] for index in range(len(stages)) if index not in sharing]
    found: dict[int, Mask | None] = {}
    for group in sorted([*groups, sharing] if sharing else groups):
        found |= dict(zip(group, masks(group), strict=True))
    return [found[index] for index in range(len(stages))]


def draw_stage(
    trial: Trial,
    shared: SharedKeys,
    stage: StageSection,
    index: int,
    in_channels: int,
    mask: Mask | None = ALL,
) -> Stage:
    """One stage, in its one canonical form."""

    value = partial(draw, trial)

    def component(key: str, registry: Registry[Any]) -> Named:
        def one(name: str, given: Any) -> Named:
            return draw_component(trial, name, given, registry)

        chosen: Named = shared.draw(stage, index, key, one)
        return chosen

    growing = draw_growth(trial, shared, stage, index)
    width_from, width = (0, 1) if growing else draw_width(trial, shared, stage, index)
    stride = shared.draw(stage, index, "stride", value)
    block = draw_block(trial, shared, stage, index)
    depth = shared.draw(stage, index, "depth", value)
    drawn = Stage(
        depth=depth,
        width=width,
        width_from=width_from if width_from != width else 0,
        stride=stride,
        block=block,
        shortcut="none",
        transition="none",
        join=growing or ADD,
    )
    if growing:
        drawn = grown(drawn, in_channels)
    if mask is None:
        drawn = draw_each(trial, shared, stage, index, drawn, in_channels)
    elif any(mask) or mask == ALL:
        drawn = draw_kinds(trial, shared, stage, index, drawn, in_channels, mask)
    if drawn.shortcut == "none":
        return replace(drawn, join=ADD) if growing else drawn
    if not growing and (join := component("join", JOINS)) != ADD:
        drawn = joining(replace(drawn, join=join), in_channels)
    return settled(drawn, in_channels)


def draw_block(trial: Trial, shared: SharedKeys, stage: StageSection, index: int) -> Named:
    """The block type of a stage."""

    def block(name: str, given: Any) -> Named:
        return draw_component(trial, name, given, BLOCKS)

    found: Named = shared.draw(stage, index, "block", block)
    return found


def draw_growth(trial: Trial, shared: SharedKeys, stage: StageSection, index: int) -> Named | None:
    """The join of a stage, where that decides its widths; None where it does not."""
    if not any(has_option(one, "growth") for one in parts_of(shared.given(stage, "join"))):
        return None

    def join(name: str, given: Any) -> Named:
        return draw_component(trial, name, given, JOINS)

    found: Named = shared.draw(stage, index, "join", join)
    return found if "growth" in found.arguments else None


def has_option(join: Any, option: str) -> bool:
    """Whether a join, as it is written, has an option of that name."""
    return option in JOINS.options(component_name(join))


def parts_of(given: Any) -> list[Any]:
    """What a part can be: those of a choice, or the one."""
    return given if isinstance(given, list) else [given]


def draw_width(
    trial: Trial, shared: SharedKeys, stage: StageSection, index: int
) -> tuple[int, int]:
    """The width before the first block of a stage, 0 where all blocks have the same, and that of
    the last one. A rise that stages share goes through the blocks of all of them.
    """

    def ends(name: str, given: Any) -> tuple[int, int]:
        if not isinstance(given, Rise):
            return 0, draw(trial, name, given)
        low, high = (draw(trial, f"{name}.{key}", getattr(given, key)) for key in ("from", "to"))
        return low, high

    low, high = shared.draw(stage, index, "width", ends)
    if low == 0 or stage.width is not None:
        return low, high
    sharing = [i for i, one in enumerate(shared.shared.stages) if one.width is None]
    stages = shared.shared.stages
    depths = [shared.draw(stages[i], i, "depth", partial(draw, trial)) for i in sharing]
    place = sharing.index(index)
    first, last = (
        round(low + (high - low) * sum(depths[:count]) / sum(depths))
        for count in (place, place + 1)
    )
    return first, last


def draw_kinds(
    trial: Trial,
    shared: SharedKeys,
    stage: StageSection,
    index: int,
    drawn: Stage,
    in_channels: int,
    mask: Mask,
) -> Stage:
    """The stage with one kind of shortcut, and one where the shape changes, in the blocks of the
    mask.
    """
    kind = partial(draw_text, trial, registry=SHORTCUTS)
    shortcut, transition = shared.draw(stage, index, "shortcut", kind), drawn.transition
    changes = changing(drawn, in_channels)
    matched = [change for change, has in zip(changes, mask or changes, strict=True) if has]
    if shortcut != "none" and any(matched):
        transition = shared.draw(stage, index, "transition", kind)
        if all(changes):
            shortcut = "none" if transition == "none" else "identity"
    drawn = replace(drawn, shortcut=shortcut, transition=transition)
    return drawn if mask == ALL else masked(drawn, mask, in_channels)


def draw_each(
    trial: Trial,
    shared: SharedKeys,
    stage: StageSection,
    index: int,
    drawn: Stage,
    in_channels: int,
) -> Stage:
    """The stage with a shortcut drawn for each of its blocks: among the kinds where a list of them
    is given, else that kind or none. Options of a kind are drawn once for all blocks of the stage.
    """

    def kinds(key: str, numbers: list[int]) -> list[str]:
        given = shared.given(stage, key)
        parts = given if isinstance(given, list) else [given, "none"]
        named = {component_name(part): part for part in parts}
        names = {f"stages.{index}.blocks.{number}.{key}": list(named) for number in numbers}
        found = suggest_each(trial, names, is_strided=numbers == strided)
        where = key if getattr(stage, key) is None else f"stages.{index}.{key}"
        texts = {
            name: draw_text(trial, where, named[name], SHORTCUTS) for name in dict.fromkeys(found)
        }
        return [texts[name] for name in found]

    strided = [0] if drawn.stride != 1 else []
    changes = changing(drawn, in_channels)
    moved = [n for n, change in enumerate(changes) if change]
    changed = iter(
        kinds("transition", [n for n in moved if n in strided])
        + kinds("transition", [n for n in moved if n not in strided])
    )
    kept = iter(kinds("shortcut", [n for n, change in enumerate(changes) if not change]))
    return with_shortcuts(drawn, [next(changed if one else kept) for one in changes], in_channels)


def suggest_each(trial: Trial, choices: dict[str, list[str]], *, is_strided: bool) -> list[str]:
    """A value for each name, one after the other where the trial does not know a shorter way. That
    counts networks: kinds that are the same where nothing strides are one.
    """
    together = getattr(trial, "suggest_each", None)
    if together and choices:
        for name, kinds in () if is_strided else choices.items():
            choices[name] = list({unstrided(kind): kind for kind in reversed(kinds)}.values())
        return list(together(choices))
    return [draw(trial, name, choice) for name, choice in choices.items()]


def draw_order(
    trial: Trial, section: ArchitectureSection, stages: list[Stage], *, of_rows: bool
) -> str:
    """The activation order; a plain network that is the same under all of them has the first."""
    order = section.activation_order
    is_plain = all(stage.shortcut == "none" for stage in stages)
    if isinstance(order, list) and is_plain and not order_matters(stages, of_rows=of_rows):
        order = order[0]
    return draw_text(trial, "activation_order", order, ORDERS)


def draw_initialisation(trial: Trial, section: ArchitectureSection, stages: list[Stage]) -> str:
    """What the weights start as; plain networks as ever, if one of the choices would start them as
    zero.
    """
    is_plain = all(stage.shortcut == "none" for stage in stages)
    if is_plain and not all(map(starts_plain, parts_of(section.initialisation))):
        return "he"
    return draw_text(trial, "initialisation", section.initialisation, INITIALISATIONS)


def draw_training(trial: Trial, section: TrainingSection) -> Training:
    """The settings of one training."""
    optimizer = draw_component(trial, "training.optimizer", section.optimizer, OPTIMIZERS)
    values: dict[str, Any] = {}
    for key in Training.__dataclass_fields__:
        if key == "schedule":
            values[key] = draw_component(trial, "training.schedule", section.schedule, SCHEDULES)
        elif key not in ("optimizer", *OF_TWINS):
            values[key] = draw(trial, f"training.{key}", getattr(section, key))
    return Training(optimizer=optimizer, **values)
