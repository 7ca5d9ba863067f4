"""The sections of a search space and their keys."""

import json
import math
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from nas.common.plugins import MODULE, import_installed_plugins
from nas.common.registry import Registry
from nas.common.text import PATTERN, seconds_of
from nas.data.catalog import AUGMENTATIONS, CLASS_PATH, COLOUR, LAYOUTS, NAMES
from nas.model.architecture import MOST_BLOCKS, MOST_CHANNELS, MOST_CLASSES
from nas.model.blocks import (
    ACTIVATIONS,
    BLOCKS,
    NORMS,
    ORDERS,
    SHORTCUTS,
    STEMS,
    same_shape,
    transitions,
)
from nas.space.fields import (
    LARGEST,
    Section,
    ascending,
    component,
    component_type,
    distinct,
    name,
    number,
    one_of,
)
from nas.training.candidate import CLASS_WEIGHTS, OPTIMIZERS, SCHEDULES
from nas.training.result import OBJECTIVES

Size = Annotated[Any, number(int, 1, MOST_CHANNELS)]
Depth = Annotated[Any, number(int, 1, MOST_BLOCKS)]
Side = Annotated[int, Field(ge=1, le=4096)]
Blocks = Annotated[int, Field(ge=1, le=MOST_BLOCKS)]
Count = Annotated[int, Field(ge=1, le=1_000_000_000)]
Stride = Annotated[Any, number(int, 1, 64)]
Block = Annotated[Any, component(BLOCKS)]
#: tables from which the schema is built
REGISTRIES: tuple[Registry[Any], ...] = (
    *(BLOCKS, ORDERS, SHORTCUTS, STEMS, ACTIVATIONS, NORMS),
    *(OPTIMIZERS, SCHEDULES, OBJECTIVES),
)


class StageSection(Section):
    """One stage; a key left out here is taken from `architecture`."""

    depth: Depth | None = None
    width: Size | None = None
    stride: Stride | None = None
    block: Block | None = None
    shortcut: Annotated[Any, name(same_shape)] | None = None
    transition: Annotated[Any, name(transitions)] | None = None


class ArchitectureSection(Section):
    """The network; a key that stages share is one parameter for all of them."""

    stem: Annotated[Any, component(STEMS)] = "conv3x3"
    activation_order: Annotated[Any, name(lambda: ORDERS)] = "post_activation"
    activation: Annotated[Any, name(lambda: ACTIVATIONS)] = "relu"
    norm: Annotated[Any, component(NORMS)] = "batch"
    depth: Depth | None = None
    width: Size | None = None
    stride: Stride = 1
    block: Block = "basic"
    shortcut: Annotated[Any, name(same_shape)] = "identity"
    transition: Annotated[Any, name(transitions)] = "projection"
    stages: Annotated[list[StageSection], Field(min_length=1, max_length=64)]


class DatasetSection(Section):
    """The pictures. One of a known name, or any LightningDataModule by class_path."""

    name: Annotated[str, one_of(lambda: NAMES)] = "digits"
    path: Annotated[str, Field(max_length=4096)] | None = None
    layout: Annotated[str, one_of(lambda: LAYOUTS)] | None = None
    channels: Literal[1, 3] | None = None
    background: Annotated[str, Field(pattern=COLOUR)] | None = None
    unreadable: Literal["refuse", "skip"] | None = None
    class_path: Annotated[str, Field(pattern=CLASS_PATH)] | None = None
    init_args: dict[str, Any] = {}
    image_size: Side | None = None
    image_shape: Annotated[list[Side], Field(min_length=3, max_length=3)] | None = None
    num_classes: Annotated[int, Field(ge=2, le=MOST_CLASSES)] | None = None
    augment: Annotated[
        list[Annotated[str, one_of(lambda: AUGMENTATIONS)]], AfterValidator(distinct)
    ] = []
    train_size: Annotated[Count, Field(ge=2)] | None = None
    validation_size: Count | None = None
    split_seed: Annotated[int, Field(ge=0, le=2**32 - 1)] = 0


class TrainingSection(Section):
    """How every candidate is trained."""

    epochs: Annotated[Any, number(int, 1, 100_000)] = 10
    batch_size: Annotated[Any, number(int, 2, 65_536)] = 128
    optimizer: Annotated[Any, component(OPTIMIZERS)] = "sgd"
    schedule: Annotated[Any, name(lambda: SCHEDULES)] = "cosine"
    warmup: Annotated[Any, number(float, 0, LARGEST)] = 0.0
    label_smoothing: Annotated[Any, number(float, 0, 0.99)] = 0.0
    gradient_clip: Annotated[Any, number(float, 0, LARGEST)] = 0.0
    class_weights: Annotated[Any, name(lambda: CLASS_WEIGHTS)] = "none"


class Bound(Section):
    """A budget: candidates outside are not trained."""

    min: Annotated[float, Field(ge=0)] = 0.0
    max: Annotated[float, Field(ge=0)] = math.inf

    @model_validator(mode="after")
    def _not_empty(self) -> "Bound":
        if self.min > self.max:
            raise ValueError(f"nothing lies between min {self.min:g} and max {self.max:g}")
        return self


class ConstraintsSection(Section):
    """Budgets by measured cost; depth counts weighted layers, memory bytes."""

    parameters: Bound = Field(default_factory=Bound)
    multiply_adds: Bound = Field(default_factory=Bound)
    depth: Bound = Field(default_factory=Bound)
    memory: Bound = Field(default_factory=Bound)


def duration(text: str) -> str:
    """The text, if it is a length of time."""
    seconds_of(text)
    return text


Duration = Annotated[str, Field(pattern=PATTERN), AfterValidator(duration)]


class SearchSection(Section):
    """How the space is searched."""

    trials: Annotated[int, Field(ge=1, le=1_000_000)] = 50
    timeout: Duration | None = None
    trial_timeout: Duration | None = None
    sampler: Literal["tpe", "random", "grid", "nsga2", "gp", "cmaes"] = "tpe"
    pruner: Literal["halving", "hyperband", "asha", "median", "none"] = "median"
    rungs: (
        Annotated[
            list[Annotated[int, Field(ge=1)]],
            Field(min_length=1, max_length=16),
            AfterValidator(ascending),
        ]
        | None
    ) = None
    control: Annotated[float, Field(ge=0, le=1)] = 0.05
    objectives: Annotated[
        list[Annotated[str, one_of(lambda: OBJECTIVES)]],
        Field(min_length=1),
        AfterValidator(distinct),
    ] = ["val_accuracy"]
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] = 0
    workers: Annotated[int, Field(ge=1, le=1024)] | None = None
    baseline: Literal["random"] | None = None
    duplicates: Literal["reuse", "new_seed"] = "reuse"
    probes: bool = True
    hessian: bool = False


class PayoffSection(Section):
    """Which twins are trained after the search. What is left out here is decided, and all of it
    written down, before the first twin is trained.
    """

    model_config = ConfigDict(use_attribute_docstrings=True)

    top: Annotated[int, Field(ge=0, le=100)] = 1
    """Best candidates of the search whose twins are trained; 0 for the ladder of depths alone."""
    seeds: Annotated[int, Field(ge=1, le=1000)] | None = None
    """Pairs of each comparison. Left out: the fewest that resolve an effect of two standard
    deviations of a pair with 80% probability, given the number of primary comparisons."""
    vary: Literal["shortcut", "transition", "activation_order", "block"] = "shortcut"
    """The one choice in which twins differ."""
    arms: Annotated[list[Annotated[str, one_of(same_shape)]], AfterValidator(distinct)] | None = (
        None
    )
    """Kinds of shortcuts that are compared; left out, all of them."""
    depths: Annotated[list[Blocks], AfterValidator(distinct)] | None = None
    """The ladder: blocks in every stage; left out, up to twice those of the best candidate."""
    activation_orders: (
        Annotated[list[Annotated[str, one_of(lambda: ORDERS)]], AfterValidator(distinct)] | None
    ) = None
    """Activation orders of the ladder; left out, that of the best candidate."""
    blocks: Annotated[list[Annotated[str, one_of(lambda: BLOCKS)]], AfterValidator(distinct)] = []
    """Block types with which the ends of the ladder are repeated."""
    widths: Annotated[list[Annotated[int, Field(ge=2, le=64)]], AfterValidator(distinct)] = []
    """Factors of all widths with which the ends of the ladder are repeated."""
    lr_factors: Annotated[
        list[Annotated[float, Field(gt=0, le=LARGEST)]],
        Field(min_length=1, max_length=16),
        AfterValidator(distinct),
    ] = [0.1, 0.3, 1.0, 3.0]
    """Factors of the learning rate among which each arm's own best one is chosen, by its training
    error; a single one: the shared rate alone."""
    tuning_seeds: Annotated[int, Field(ge=1, le=1000)] = 2
    """Runs of each arm at each of these rates, on seeds that nothing else has."""
    budgets: Annotated[
        list[Annotated[int, Field(ge=1, le=1000)]],
        Field(min_length=1, max_length=16),
        AfterValidator(distinct),
    ] = [1]
    """Multiples of the epochs at which the ends of the ladder are trained, each with its own best
    learning rates."""
    stages: bool = True
    """Whether every combination of stages with and without shortcuts is trained."""
    smallest_effect: Annotated[float, Field(ge=0, le=100)] = 2.0
    """The smallest gain of interest, in points of training error."""


class SpaceSection(Section):
    """A search space."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
    plugins: Annotated[
        list[Annotated[str, Field(pattern=MODULE)]], Field(max_length=16), AfterValidator(distinct)
    ] = []
    dataset: DatasetSection = Field(default_factory=DatasetSection)
    architecture: ArchitectureSection
    training: TrainingSection = Field(default_factory=TrainingSection)
    constraints: ConstraintsSection = Field(default_factory=ConstraintsSection)
    search: SearchSection = Field(default_factory=SearchSection)
    payoff: PayoffSection | None = None


S = TypeVar("S", bound=Section)
#: the sections, each after those it holds
SECTIONS = (
    *(StageSection, ArchitectureSection, DatasetSection, TrainingSection),
    *(ConstraintsSection, SearchSection, PayoffSection, SpaceSection),
)
_built_from = [registry.parts() for registry in REGISTRIES]


def current(section: type[S]) -> type[S]:
    """The section as it is with all that is registered by now."""
    registered = [registry.parts() for registry in REGISTRIES]
    if registered != _built_from:
        _built_from[:] = registered
        component_type.cache_clear()
        for one in SECTIONS:
            one.model_rebuild(force=True)
    return section


def schema_text() -> str:
    """The JSON Schema of a search space, for editors."""
    import_installed_plugins()
    schema = current(SpaceSection).model_json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    finite = json.loads(json.dumps(schema), parse_constant=lambda constant: None)
    return json.dumps(finite, indent=2)
