"""The search space a person declares in YAML."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cache, cached_property, partial
from itertools import islice
from pathlib import Path
from typing import Any

from nas.common.class_paths import Code
from nas.common.errors import SpaceError, shown
from nas.common.later_keys import without_later, without_later_parts
from nas.common.registry import Registry
from nas.common.text import counted, seconds_of
from nas.data.augment import AUGMENTATIONS, shortened
from nas.data.catalog import (
    FROM_CODE,
    FROM_PATH,
    LATER_DATASET_KEYS,
    TABLE,
    Dataset,
    check_enough,
    known_train_size,
    shape,
)
from nas.model.architecture import (
    LATER_NETWORK_KEYS,
    LATER_STAGE_KEYS,
    Architecture,
    Named,
    Stage,
    check_blocks,
    units_of,
)
from nas.model.blocks import BLOCKS, NORMS, STEMS
from nas.model.cost import Cost, cost
from nas.model.joins import JOINS, Place
from nas.model.layout import lay_out
from nas.model.placements import PLACEMENTS, mask_of
from nas.space.enumeration import (
    CountingTrial,
    EnumeratingTrial,
    Values,
    all_draws,
    all_values,
    coordinate_ascent,
    corner_values,
    found_parameters,
    parameter_values,
    placed_values,
    sample_or_all,
    shape_values,
    stage_form_values,
    start_values,
)
from nas.space.errors import blamed, import_named_plugins, placed, read_section
from nas.space.fields import component_name, highest, lowest
from nas.space.methods import PRUNERS, SAMPLERS
from nas.space.sampling import (
    Trial,
    draw_architecture,
    draw_component,
    draw_training,
    given_component,
    has_option,
    parts_of,
)
from nas.space.schema import StageSection
from nas.space.yaml import DataSource, Source, bundled_spaces, find
from nas.training.candidate import LATER_TRAINING_KEYS, Candidate, Training
from nas.training.metrics import finished_measures
from nas.training.optimizers import OPTIMIZERS
from nas.training.schedules import SCHEDULES
from nas.training.watchers import Watchers, codes

__all__ = ["SearchSpace", "SpaceError", "bundled_spaces", "differences", "find"]

#: stages drawn before a count is given up as too long
MAX_ENUMERATED = 10_000
#: stages drawn and laid out for a check of all stages; where there are more, some at random
MAX_CHECKED = 4_000
#: objectives of one kind of target alone
OF_CLASSES = ("val_accuracy", "val_balanced_accuracy")
OF_NUMBERS = ("val_r2", "val_mae")
#: what is said of a width that no block would have
GROWN = "width: the join gives each block its channels, by its growth: leave width out."
#: stages of which `nas payoff` trains all combinations
MAX_FACTORIAL_STAGES = 8
#: key -> its registry, and the parts whose names are in the hash of every space that gives options
#: to one of them; those that came later, also from a plugin, are there where they are chosen
FIRST_PARTS: dict[str, tuple[Registry[Any], tuple[str, ...]]] = {
    "stem": (STEMS, ("conv3x3", "conv7x7_pool")),
    "block": (BLOCKS, ("basic", "bottleneck")),
    "norm": (NORMS, ("batch", "group", "layer", "none")),
    "optimizer": (OPTIMIZERS, ("sgd", "adam", "adamw")),
    "schedule": (SCHEDULES, ("cosine", "linear", "step", "constant")),
}


class SearchSpace:
    """A checked search space: draws candidates and knows what can be drawn."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.section = read_section(source)
        self.name = self.section.name
        self.search = self.section.search
        self._check_stages()
        self._check_size()
        self.dataset = self._read_dataset()
        self._shape = self._read_shape()
        self._check_stem()
        self._check_placements()
        self._check_shapes()
        self._check_orders()
        self._check_training()
        self._check_class_weights()
        self._check_task()
        self._check_sampler()
        self._check_halving()

    @classmethod
    def load(
        cls, path: str | Path, settings: Iterable[str] = (), plugins: Iterable[str] = ()
    ) -> "SearchSpace":
        """From a file or the name of a bundled space, with `key=value` settings on top.

        The plugins it names are imported, and those given here, which it names from then on.
        SpaceError says `file:line:column` of every fault.
        """
        file, _ = find(str(path))
        source = Source.load(file, str(path) if file == Path(path) else file.name)
        return cls.parse(source, settings, plugins, trusted=True)

    @classmethod
    def from_yaml(
        cls, text: str, settings: Iterable[str] = (), plugins: Iterable[str] = ()
    ) -> "SearchSpace":
        """From YAML text, with `key=value` settings on top; SpaceError says `text:line:column` of
        every fault."""
        return cls.parse(Source("text", text), settings, plugins, trusted=True)

    @classmethod
    def from_dict(
        cls, data: Mapping[str, Any], settings: Iterable[str] = (), plugins: Iterable[str] = ()
    ) -> "SearchSpace":
        """From nested mappings, lists and plain values, as YAML has them, with `key=value` settings
        on top; SpaceError names the key of every fault."""
        return cls.parse(DataSource("dict", data), settings, plugins, trusted=True)

    @classmethod
    def parse(
        cls,
        source: Source,
        settings: Iterable[str] = (),
        plugins: Iterable[str] = (),
        *,
        trusted: bool = False,
    ) -> "SearchSpace":
        """From YAML text already read; its plugins are imported if it is trusted."""
        settings = list(settings)
        if not isinstance(source.data, dict):
            found = shown(source.data)
            raise SpaceError(f"{source.place(())}: a search space is a mapping, found {found}.")
        for setting in settings:
            source.assign(setting)
        source.name_plugins(plugins)
        if trusted:
            import_named_plugins(source)
        try:
            return cls(source)
        except SpaceError as error:
            raise blamed(error, settings, lambda: cls(source.again())) from error

    def __repr__(self) -> str:
        head, *lines = [self.summary(), *(f"  {key}: {v}" for key, v in self.parameters().items())]
        return "\n".join([f"SearchSpace({head})", *lines])

    def _repr_html_(self) -> str:
        """The searched parameters as a table, in a notebook."""
        from html import escape

        rows = "".join(
            f"<tr><td>{escape(key)}</td><td>{escape(str(values))}</td></tr>"
            for key, values in self.parameters().items()
        )
        return f"<table><caption>{escape(self.summary())}</caption>{rows}</table>"

    def summary(self) -> str:
        """Name, parameters and architectures in a line."""
        count, exact = self.num_architectures()
        number = (
            "infinitely many"
            if count == float("inf")
            else f"{'' if exact else 'at least '}{count:,.0f}"
        )
        parameters = counted(len(self.parameters()), "searched parameter")
        word = "architecture" if exact and count == 1 else "architectures"
        return f"{self.name}: {parameters}, {number} distinct {word}"

    def sample(self, trial: Trial) -> Architecture:
        """Draw an architecture from an Optuna trial."""
        return draw_architecture(trial, self.section.architecture, *self._shape)

    def candidate(self, trial: Trial) -> Candidate:
        """Draw an architecture and the settings of its training."""
        return Candidate(
            architecture=self.sample(trial),
            training=self.sample_training(trial),
            dataset=self.dataset,
        )

    def sample_training(self, trial: Trial) -> Training:
        """Draw the settings of a training."""
        return draw_training(trial, self.section.training)

    def excess(self, candidate: Candidate) -> dict[str, float]:
        """Constraint -> by what share of its bound a candidate breaks it; 0 or less keeps it."""
        spent, excess = candidate.cost(), {}
        for name, bound in self.section.constraints:
            if name in self.section.constraints.model_fields_set:
                value = getattr(spent, name)
                over, under = value / max(bound.max, 1) - 1, 1 - value / max(bound.min, 1)
                excess[name] = max(over, under if bound.min else over)
        return excess

    def parameters(self) -> dict[str, Values]:
        """Every searched parameter with its values, those that exist only sometimes included."""
        return dict(self._found_parameters)

    @cached_property
    def _found_parameters(self) -> dict[str, Values]:
        if self._has_placements or not self._counted[1]:
            branches = parameter_values if self._has_placements else shape_values
            found = found_parameters(sample_or_all(self.sample, branches, self._most // 4))
        else:
            found = self._counted[2]
        trainings = sample_or_all(self.sample_training, shape_values, MAX_ENUMERATED)
        return found | found_parameters(trainings)

    def num_architectures(self) -> tuple[float, bool]:
        """The number of distinct architectures, and whether it is exact or only a lower bound."""
        return self._counted[:2]

    @cached_property
    def _counted(self) -> tuple[float, bool, dict[str, Values]]:
        """The number, whether it is exact, and the parameters that came up in counting."""
        seen: dict[Architecture, float] = {}
        found: dict[str, Values] = {}
        branches = placed_values if self._has_placements else shape_values
        stages = len(self.section.architecture.stages)
        most = min(self._most, 16 * MAX_ENUMERATED // stages**2)  # of many, each takes long
        kind = CountingTrial if self._placements <= {"all", "per_block"} else EnumeratingTrial
        for count, (trial, architecture) in enumerate(all_draws(self.sample, branches, kind)):
            seen[architecture] = max(seen.get(architecture, 0), trial.weight)
            found |= trial.parameters
            if count >= most:
                return sum(seen.values()), False, found
        return sum(seen.values()), True, found

    def grid(self, most: int) -> list[dict[str, Any]]:
        """All assignments of the parameters, at most so many."""
        return [trial.values for trial, _ in islice(all_draws(self.candidate, all_values), most)]

    def extremes(self) -> tuple[tuple[Architecture, Cost], tuple[Architecture, Cost]]:
        """The architectures of the fewest and of the most multiply-adds, with their costs."""
        return self._extremes

    @cached_property
    def _extremes(self) -> tuple[tuple[Architecture, Cost], tuple[Architecture, Cost]]:
        batch_size = max(training.batch_size for training in self.trainings())

        @cache  # corners that are reached in several ways
        def size(architecture: Architecture) -> tuple[int, int]:
            spent = cost(architecture, batch_size=batch_size)
            return spent.multiply_adds, spent.parameters

        found = {architecture for _, architecture in sample_or_all(self.sample, corner_values, 200)}
        found.add(coordinate_ascent(self.sample, size))
        found.add(coordinate_ascent(self.sample, lambda one: tuple(-value for value in size(one))))
        ordered = sorted(found, key=size)
        ends_of = (ordered[0], ordered[-1])
        small, large = ((one, cost(one, batch_size=batch_size)) for one in ends_of)
        return small, large

    def trainings(self) -> list[Training]:
        """Settings of training at the corners of the space."""
        return [
            training
            for _, training in sample_or_all(self.sample_training, corner_values, MAX_ENUMERATED)
        ]

    @property
    def largest_batch(self) -> int:
        """The most pictures that a batch can have."""
        return max(training.batch_size for training in self.trainings())

    @property
    def trial_timeout(self) -> float | None:
        """Seconds a trial may take."""
        limit = self.search.trial_timeout
        return seconds_of(limit) if limit else None

    @property
    def timeout(self) -> float | None:
        """Seconds the search may take."""
        limit = self.search.timeout
        return seconds_of(limit) if limit else None

    @property
    def hash(self) -> str:
        """Equal for spaces from which the same candidates can be drawn."""
        return hashlib.sha256(json.dumps(self.drawn, sort_keys=True).encode()).hexdigest()[:16]

    @property
    def drawn(self) -> dict[str, Any]:
        """The sections that decide which candidates can be drawn, every default filled in."""
        drawn = self.section.model_dump(
            mode="json", include={"dataset", "architecture", "training", "constraints"}
        )
        drawn["dataset"] = without_later(drawn["dataset"], LATER_DATASET_KEYS)
        later = LATER_TRAINING_KEYS | {"callbacks": []}
        drawn["training"] = without_later(drawn["training"], later)
        del drawn["training"]["logger"]
        network = without_later(drawn["architecture"], LATER_STAGE_KEYS | LATER_NETWORK_KEYS)
        left_out = dict.fromkeys(LATER_STAGE_KEYS)
        network["stages"] = [without_later(stage, left_out) for stage in network["stages"]]
        for section in (drawn["training"], network, *network["stages"]):
            for key in section.keys() & FIRST_PARTS.keys():
                section[key] = without_later_parts(section[key], *FIRST_PARTS[key])
        return drawn | {"architecture": network}

    def _read_dataset(self) -> Dataset:
        given = self.section.dataset.model_dump()
        given["init_args"] = json.dumps(given["init_args"], sort_keys=True)
        given["augment"] = tuple(
            shortened(given_component(one, AUGMENTATIONS)) for one in self.section.dataset.augment
        )
        if given["drop"]:
            given["drop"] = tuple(given["drop"])
        if given["image_shape"]:
            given["image_shape"] = tuple(given["image_shape"])
        if given["class_path"]:
            given["name"] = "module"
        with placed(self.source, ("dataset",)):
            dataset = Dataset(**given)
            dataset.check()
            return dataset

    def _read_shape(self) -> tuple[tuple[int, int, int], int]:
        from_path = self.dataset.name in FROM_PATH
        with placed(self.source, ("dataset", "path") if from_path else ("dataset",)):
            found = shape(self.dataset)
            if found is None:
                raise ValueError("the size of the pictures is not known: give image_size.")
            return found

    def _check_class_weights(self) -> None:
        """Refuse balanced class weights where nobody knows how many pictures a class has."""
        given = self.section.training.class_weights
        if "balanced" in (given if isinstance(given, list) else [given]):
            with placed(self.source, ("training", "class_weights")):
                if self.dataset.name in FROM_CODE:
                    raise ValueError(
                        "class_weights: a data module does not tell its classes' sizes."
                    )

    def _check_task(self) -> None:
        """Refuse what is of classes where the target is a number, and the reverse."""
        is_number = self._shape[1] == 1
        wrong = OF_CLASSES if is_number else OF_NUMBERS
        instead = "val_r2, val_mae or val_loss" if is_number else "val_accuracy or val_loss"
        kind = "a number" if is_number else "classes"
        for name in self.search.objectives:
            if name in wrong:
                with placed(self.source, ("search", "objectives")):
                    raise ValueError(
                        f"objectives: {name} is none of a target that is {kind}: write {instead}."
                    )
        self._check_after_training(is_number)
        for training in self.trainings() if is_number else ():
            if training.label_smoothing or training.class_weights != "none":
                with placed(self.source, ("training",)):
                    raise ValueError(
                        "label_smoothing and class_weights are of classes, and the target is a "
                        "number: leave them out."
                    )

    def _check_after_training(self, is_number: bool) -> None:
        """Refuse measures of classes of numbers, and of pictures of rows."""
        payoff = self.section.payoff
        asked = payoff.after_training if payoff else []
        if payoff and payoff.after_training_split == "test" and payoff.until:
            with placed(self.source, ("payoff", "after_training_split")):
                raise ValueError(
                    "after_training_split: with `until` twins are looked at again and again, and a "
                    "test split is read once: write validation, or leave `until` out."
                )
        with placed(self.source, ("payoff", "after_training")):
            if asked and is_number:
                raise ValueError("after_training: these measures are of classes: leave it out.")
            wrong = [name for name in asked if finished_measures()[name].of_pictures]
            if wrong and self.dataset.name == TABLE:
                raise ValueError(
                    f"after_training: {wrong[0]} is of pictures, not of rows: leave it out."
                )

    def _check_stages(self) -> None:
        shared = self.section.architecture
        grown = [self._check_growth(index, stage) for index, stage in enumerate(shared.stages)]
        if all(grown) and shared.width is not None:
            with placed(self.source, ("architecture", "width")):
                raise ValueError(GROWN)
        for index, (stage, is_grown) in enumerate(zip(shared.stages, grown, strict=True)):
            for key in ("depth",) if is_grown else ("depth", "width"):
                if getattr(stage, key) is None and getattr(shared, key) is None:
                    where = self.source.place(("architecture", "stages", index))
                    raise SpaceError(
                        f"{where}: the stage has no {key}: give it here or under architecture."
                    )

    def _check_growth(self, index: int, stage: StageSection) -> bool:
        """Whether the join decides the widths of a stage; refuse a width beside it, and numbers
        that it cannot have.
        """
        own: tuple[str | int, ...] = () if stage.join is None else ("stages", index)
        given = self.section.architecture.join if stage.join is None else stage.join
        growing = [join for join in parts_of(given) if has_option(join, "growth")]
        run = partial(draw_component, name="", value=growing, registry=JOINS)
        for _, join in sample_or_all(run, corner_values, MAX_CHECKED) if growing else ():
            with placed(self.source, ("architecture", *own, "join")):
                JOINS[join.name](Place(1, 0, 1), **join.arguments)
        is_grown = len(growing) == len(parts_of(given))
        if is_grown and stage.width is not None:
            with placed(self.source, ("architecture", "stages", index, "width")):
                raise ValueError(GROWN)
        return is_grown

    def _check_size(self) -> None:
        """Refuse networks of more blocks, and factorials of more stages, than can be counted."""
        shared, payoff = self.section.architecture, self.section.payoff
        num_stages = len(shared.stages)
        deepest = sum(
            highest(stage.depth or shared.depth) * most_units(stage.block or shared.block)
            for stage in shared.stages
        )
        with placed(self.source, ("architecture", "stages")):
            check_blocks(deepest)
        if payoff is not None:
            with placed(self.source, ("payoff", "depths")):
                check_blocks(num_stages * max(payoff.depths or [1]))
            if payoff.stages and payoff.vary == "shortcut" and num_stages > MAX_FACTORIAL_STAGES:
                raise SpaceError(
                    f"{self.source.place(('payoff', 'stages'))}: {num_stages} stages with and "
                    f"without shortcuts are too many combinations: write `stages: false`."
                )

    def _check_shapes(self) -> None:
        """Lay out shallow networks with each stage in all its forms: none may be impossible."""
        num_stages = len(self.section.architecture.stages)
        for index in range(num_stages):
            branches, most = partial(stage_form_values, index), MAX_CHECKED // num_stages**2
            for trial, architecture in sample_or_all(self.sample, branches, max(1, most)):
                with placed(self.source, ("architecture", "stages", index)):
                    check_layout(shallow(architecture, index + 1), trial.values)

    def _check_orders(self) -> None:
        """Refuse weights that would start as zero for good, and streams that would be normalised,
        under any activation order.
        """
        section = self.section.architecture
        joins = [section.join, *(stage.join or [] for stage in section.stages)]
        has_streams = any(has_option(one, "streams") for some in joins for one in parts_of(some))
        if section.initialisation == "he" and not has_streams:
            return
        key = "join" if section.initialisation == "he" else "initialisation"
        twins = (self.section.payoff and self.section.payoff.activation_orders) or []
        for trial, architecture in sample_or_all(self.sample, start_values, MAX_CHECKED // 10):
            small = shallow(architecture, len(architecture.stages))
            for order in (small.activation_order, *twins):
                with placed(self.source, ("architecture", key)):
                    check_layout(replace(small, activation_order=order), trial.values)

    def _check_stem(self) -> None:
        """Refuse a width of 0 that is written down: the stem follows the first stage without."""
        given = self.section.architecture.stem
        for one in given if isinstance(given, list) else [given]:
            options: Any = None if isinstance(one, str) else getattr(one, component_name(one))
            if "width" in getattr(options, "model_fields_set", ()) and lowest(options.width) < 1:
                with placed(self.source, ("architecture", "stem")):
                    raise ValueError(
                        "width: a stem has 1 channel or more: leave width out, and it has those "
                        "of the first stage."
                    )

    def _check_placements(self) -> None:
        """Refuse placements that do not say yes or no for each block."""
        section = self.section.architecture
        given: list[tuple[tuple[str | int, ...], Any]] = [((), section.placement)]
        given += [(("stages", i), stage.placement) for i, stage in enumerate(section.stages)]
        for place, one in given:
            if one is not None:
                run = partial(draw_component, name="", value=one, registry=PLACEMENTS)
                for _, placement in sample_or_all(run, corner_values, MAX_CHECKED):
                    with placed(self.source, ("architecture", *place, "placement")):
                        mask_of(placement, 2)

    def _check_training(self) -> None:
        """Refuse warm-ups that do not end, means that do not move, and training sets that cannot
        be trained on.
        """
        for training in self.trainings():
            with placed(self.source, ("training", "optimizer")):
                training.check_betas()
            with placed(self.source, ("training", "warmup")):
                check_warmup(training)
        train_size = known_train_size(self.dataset)
        if train_size is not None:
            with placed(self.source, ()):
                check_enough(
                    self.dataset,
                    train_size,
                    num_classes=self._shape[1],
                    batch_size=self.largest_batch,
                )

    def _check_sampler(self) -> None:
        """Refuse a sampler that has nothing to work on."""
        name, entry = self.sampler.name, SAMPLERS[self.sampler.name]
        with placed(self.source, ("search", "sampler")):
            if entry.enumerates:
                for parameter, values in self.parameters().items():
                    if values.size != len(values.items):
                        raise ValueError(f"sampler {name}: {parameter} needs a step or a choice.")
            if entry.one_objective and len(self.search.objectives) > 1:
                raise ValueError(f"sampler {name} knows one objective only: take tpe or nsga2.")
            least = entry.fewest_ranges
            if least and sum(v.ranged for v in self.parameters().values()) < least:
                raise ValueError(
                    f"sampler {name} searches ranges {{low, high}}, {least} at least, and draws "
                    "the rest at random: take tpe."
                )

    def _check_halving(self) -> None:
        """Refuse rungs where nothing can rest."""
        search = self.search
        with placed(self.source, ("search", "rungs")):
            if search.rungs and not PRUNERS[self.pruner.name].has_rungs:
                raise ValueError(f"pruner {self.pruner.name} knows no rungs: take pruner: halving.")
            if search.rungs and search.rungs[-1] >= self.epochs:
                raise ValueError(
                    f"{search.rungs[-1]} is no epoch to rest after: trainings have {self.epochs}."
                )

    @property
    def watchers(self) -> Watchers:
        """The loggers and callbacks of every training."""
        training = self.section.training
        return Watchers(codes(training.logger), codes(training.callbacks))

    @property
    def code(self) -> frozenset[Code]:
        """The classes that a search of this space imports and runs, with their arguments."""
        return self.dataset.code | self.watchers.code

    @property
    def sampler(self) -> Named:
        """The sampler with the options that are given."""
        return given_component(self.search.sampler, SAMPLERS)

    @property
    def pruner(self) -> Named:
        """The pruner with the options that are given."""
        return given_component(self.search.pruner, PRUNERS)

    @property
    def epochs(self) -> int:
        """The most epochs that a candidate is trained for."""
        return max(training.epochs for training in self.trainings())

    @property
    def _placements(self) -> set[str]:
        """The names of all placements that there can be."""
        section = self.section.architecture
        given = [section.placement, *(stage.placement or [] for stage in section.stages)]
        return {
            component_name(one)
            for some in given
            for one in (some if isinstance(some, list) else [some])
        }

    @property
    def _has_placements(self) -> bool:
        """Whether any block can be without the shortcut of its stage."""
        return self._placements != {"all"}

    @property
    def _most(self) -> int:
        return MAX_ENUMERATED // len(self.section.architecture.stages)


def shallow(architecture: Architecture, num_stages: int) -> Architecture:
    """Its first stages, of two blocks at most: in more of them no other shape comes up, but where
    the width rises from block to block.
    """
    stages = [
        stage if stage.width_from else with_depth(stage, min(stage.depth, 2))
        for stage in architecture.stages
    ]
    return replace(architecture, stages=tuple(stages[:num_stages]))


def with_depth(stage: Stage, depth: int) -> Stage:
    """The first blocks of a stage."""
    shorter = replace(stage, depth=depth)
    return replace(shorter, shortcuts=stage.shortcuts[: shorter.num_units])


def most_units(given: Any) -> int:
    """The most residual units of a block, as its type is written."""
    return max(len(units_of(Named(component_name(one)))) for one in parts_of(given))


def check_layout(architecture: Architecture, values: dict[str, Any]) -> None:
    """ValueError naming the drawn values with which a network cannot be built."""
    try:
        lay_out(architecture)
    except ValueError as error:
        drawn = ", ".join(f"{name} = {value}" for name, value in values.items())
        raise ValueError(f"{error}" + (f" This happens with {drawn}." if drawn else "")) from error


def check_warmup(training: Training) -> None:
    """ValueError where the warm-up is longer than the training."""
    if training.warmup > training.epochs:
        raise ValueError(
            f"warmup: {training.warmup:g} epochs of warm-up are more than a training of "
            f"{training.epochs} has: lower warmup, or raise epochs."
        )


def differences(old: SearchSpace, new: SearchSpace) -> list[str]:
    """What changed from one space to another, as `training.epochs was 12, is 15`."""
    before, after = dict(leaves(old.drawn)), dict(leaves(new.drawn))
    return [
        f"{key} was {before.get(key, 'not there')}, is {after.get(key, 'not there')}"
        for key in dict.fromkeys([*before, *after])
        if before.get(key) != after.get(key)
    ]


def leaves(data: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    """`architecture.stages.0.width` and the like, each with its value or choice."""
    if isinstance(data, dict):
        items: Iterable[tuple[Any, Any]] = data.items()
    elif isinstance(data, list) and any(isinstance(item, dict) for item in data):
        items = enumerate(data)
    else:
        yield place, data
        return
    for key, value in items:
        yield from leaves(value, f"{place}.{key}" if place else str(key))
