"""The sections of a search space and their keys."""

import math
from collections.abc import Callable
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from nas.common.class_paths import CLASS_PATH
from nas.common.plugins import MODULE
from nas.common.registry import MAX_OPTION, Registry, base_name, unknown
from nas.common.text import PATTERN, seconds_of
from nas.data.augment import AUGMENTATIONS
from nas.data.catalog import COLOUR, dataset_names
from nas.data.facts import DATASETS
from nas.data.tables.sources import TABLES
from nas.model.architecture import MAX_BLOCKS, MAX_CHANNELS, MAX_CLASSES, POOLINGS, Named
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
from nas.model.initialisations import INITIALISATIONS
from nas.model.joins import JOINS, Place
from nas.model.placements import PLACEMENTS, mask_of
from nas.space.fields import (
    OneOrMore,
    StrictSection,
    ascending,
    component,
    distinct,
    distinct_parts,
    fixed_component,
    flag_or_names,
    forget_types,
    listed,
    name,
    named_part,
    number,
    one_of,
    rising_number,
)
from nas.space.methods import PRUNERS, SAMPLERS
from nas.training.candidate import CLASS_WEIGHTS, PRECISIONS
from nas.training.metrics import MEASURES, finished_names, probe_names
from nas.training.optimizers import OPTIMIZERS, WEIGHT_DECAY_OF
from nas.training.result import OBJECTIVES
from nas.training.schedules import SCHEDULES

Size = Annotated[Any, rising_number(int, 1, MAX_CHANNELS)]
Depth = Annotated[Any, number(int, 1, MAX_BLOCKS)]
Side = Annotated[int, Field(ge=1, le=4096)]
Blocks = Annotated[int, Field(ge=1, le=MAX_BLOCKS)]
Count = Annotated[int, Field(ge=1, le=1_000_000_000)]
Column = Annotated[str, Field(max_length=1024)]
Stride = Annotated[Any, number(int, 1, 64)]
Block = Annotated[Any, component(BLOCKS)]
#: tables from which the schema is built
REGISTRIES: tuple[Registry[Any], ...] = (
    *(BLOCKS, ORDERS, SHORTCUTS, PLACEMENTS, JOINS, STEMS, ACTIVATIONS, NORMS, INITIALISATIONS),
    *(OPTIMIZERS, SCHEDULES, OBJECTIVES, SAMPLERS, PRUNERS, DATASETS, TABLES, AUGMENTATIONS),
    MEASURES,
)


class StageSection(StrictSection):
    """One stage; a key left out here is taken from `architecture`."""

    depth: Depth | None = None
    """Blocks in this stage."""
    width: Size | None = None
    """Channels of its blocks; `{from: 16, to: 32}` rises in equal steps from block to block."""
    stride: Stride | None = None
    """By how much its first block shrinks height and width."""
    block: Block | None = None
    """The type of its blocks."""
    shortcut: Annotated[Any, component(SHORTCUTS, same_shape)] | None = None
    """What x becomes on its way past the branch, in blocks that keep its shape."""
    transition: Annotated[Any, component(SHORTCUTS, transitions)] | None = None
    """The same in the block that changes its shape, the first one of the stage."""
    placement: Annotated[Any, component(PLACEMENTS, short=True)] | None = None
    """Which blocks of this stage have their shortcut; those left out have none."""
    join: Annotated[Any, component(JOINS)] | None = None
    """How shortcut and branch meet."""


class ArchitectureSection(StrictSection):
    """The network; a key that stages share is one parameter for all of them."""

    stem: Annotated[Any, component(STEMS)] = "conv3x3"
    """The layers before the first block."""
    activation_order: Annotated[Any, component(ORDERS)] = "post_activation"
    """How norms and activations stand between the convolutions and around the addition."""
    activation: Annotated[Any, component(ACTIVATIONS)] = "relu"
    """The activation function."""
    norm: Annotated[Any, component(NORMS)] = "batch"
    """The normalisation."""
    initialisation: Annotated[Any, component(INITIALISATIONS)] = "he"
    """What the weights of branches with a shortcut start as."""
    pooling: Annotated[Any, name(POOLINGS)] = "mean"
    """What the classifier reads: the mean of all places, or a class token beside those of token
    blocks."""
    depth: Depth | None = None
    """Blocks in each stage."""
    width: Size | None = None
    """Channels of the blocks of each stage; `{from: 16, to: 64}` rises in equal steps through all
    stages without a width of their own."""
    stride: Stride = 1
    """By how much the first block of each stage shrinks height and width."""
    block: Block = "basic"
    """The type of the blocks."""
    shortcut: Annotated[Any, component(SHORTCUTS, same_shape)] = "identity"
    """What x becomes on its way past the branch, in blocks that keep its shape; none: in all."""
    transition: Annotated[Any, component(SHORTCUTS, transitions)] = "projection"
    """The same in blocks that change its shape."""
    placement: Annotated[Any, component(PLACEMENTS, short=True)] = "all"
    """Which blocks have their shortcut, counted through all stages without a placement of their
    own; those left out have none."""
    join: Annotated[Any, component(JOINS)] = "add"
    """How shortcut and branch meet."""
    stages: Annotated[list[StageSection], Field(min_length=1, max_length=64)]
    """The stages from input to output; a key in one of them is its own."""


class DatasetSection(StrictSection):
    """The pictures, or the rows of a table. One of a known name, or any LightningDataModule by
    class_path."""

    name: Annotated[str, one_of(DATASETS, dataset_names)] = "digits"
    path: Annotated[str, Field(max_length=4096)] | None = None
    source: Annotated[str, one_of(TABLES)] | None = None
    target: Column | None = None
    task: Literal["classification", "regression"] | None = None
    groups: Column | None = None
    drop: Annotated[list[Column], Field(min_length=1), AfterValidator(distinct)] | None = None
    layout: Literal["NCHW", "NHWC"] | None = None
    channels: Literal[1, 3] | None = None
    background: Annotated[str, Field(pattern=COLOUR)] | None = None
    unreadable: Literal["refuse", "skip"] | None = None
    class_path: Annotated[str, Field(pattern=CLASS_PATH)] | None = None
    init_args: dict[str, Any] = {}
    image_size: Side | None = None
    image_shape: Annotated[list[Side], Field(min_length=3, max_length=3)] | None = None
    num_classes: Annotated[int, Field(ge=2, le=MAX_CLASSES)] | None = None
    augment: Annotated[
        list[Annotated[Any, fixed_component(AUGMENTATIONS)]], AfterValidator(distinct_parts)
    ] = []
    train_size: Annotated[Count, Field(ge=2)] | None = None
    validation_size: Count | None = None
    split_seed: Annotated[int, Field(ge=0, le=2**32 - 1)] = 0


class CodeSection(StrictSection):
    """A class of your own or of a package; its name alone may stand for it."""

    class_path: Annotated[str, Field(pattern=CLASS_PATH)]
    """The class, as `package.module.Class`."""
    init_args: dict[str, Any] = {}
    """What it is made with."""


Codes = Annotated[list[CodeSection], BeforeValidator(listed), Field(max_length=16), OneOrMore()]


class TrainingSection(StrictSection):
    """How every candidate is trained."""

    epochs: Annotated[Any, number(int, 1, 100_000)] = 10
    """Passes over the training pictures."""
    batch_size: Annotated[Any, number(int, 2, 65_536)] = 128
    """Pictures in a batch."""
    optimizer: Annotated[Any, component(OPTIMIZERS)] = "sgd"
    """How the weights move."""
    schedule: Annotated[Any, component(SCHEDULES)] = "cosine"
    """The factor of the learning rate over the training."""
    warmup: Annotated[Any, number(float, 0, MAX_OPTION)] = 0.0
    """Epochs over which the learning rate rises at first."""
    label_smoothing: Annotated[Any, number(float, 0, 0.99)] = 0.0
    """Share of the target that is spread over all classes."""
    gradient_clip: Annotated[Any, number(float, 0, MAX_OPTION)] = 0.0
    """The largest norm of the gradient; 0 leaves it."""
    class_weights: Annotated[Any, name(CLASS_WEIGHTS)] = "none"
    """Whether rare classes weigh more in the loss."""
    weight_decay_of: Annotated[Any, name(WEIGHT_DECAY_OF)] = "all"
    """What decays: all parameters, or the weights of convolutions and linear layers alone, and not
    those of norms, biases and joins."""
    weight_average: Annotated[Any, number(float, 0, 0.999999)] = 0.0
    """Share that a moving average of the weights keeps at each step, as 0.999; validation, errors
    and the exported network are those of the average. 0: none is taken."""
    mixup: Annotated[Any, number(float, 0, 1000)] = 0.0
    """Pictures of a batch are mixed in pairs, and so is the loss, in shares drawn from
    Beta(alpha, alpha): this is alpha. 0: they are not."""
    precision: Annotated[Any, name(PRECISIONS)] = "fp32"
    """Numbers in which the products of a training step are computed; weights, norms and loss stay
    in 32 bits, and all errors are measured in 32. bf16 and fp16 pay on GPUs and on processors that
    have such products."""
    logger: Codes = []
    """Loggers of Lightning, which have the numbers of each epoch: a class or several, as
    `lightning.pytorch.loggers.TensorBoardLogger`. They change nothing of a study."""
    callbacks: Codes = []
    """Callbacks of Lightning for every training, a class or several."""


class Bound(StrictSection):
    """A budget: candidates outside are not trained."""

    min: Annotated[float, Field(ge=0)] = 0.0
    """The smallest value that is trained."""
    max: Annotated[float, Field(ge=0)] = math.inf
    """The largest value that is trained."""

    @model_validator(mode="after")
    def _not_empty(self) -> "Bound":
        if self.min > self.max:
            raise ValueError(f"nothing lies between min {self.min:g} and max {self.max:g}")
        return self


class ConstraintsSection(StrictSection):
    """Budgets by measured cost; depth counts weighted layers, memory bytes."""

    parameters: Bound = Field(default_factory=Bound)
    """Numbers that the network learns."""
    multiply_adds: Bound = Field(default_factory=Bound)
    """Multiply-adds for one picture."""
    depth: Bound = Field(default_factory=Bound)
    """Weighted layers from input to output, shortcuts left out."""
    memory: Bound = Field(default_factory=Bound)
    """Bytes of a training step, as estimated."""


def duration(text: str) -> str:
    """The text, if it is a length of time."""
    seconds_of(text)
    return text


Duration = Annotated[str, Field(pattern=PATTERN), AfterValidator(duration)]


class SearchSection(StrictSection):
    """How the space is searched."""

    trials: Annotated[int, Field(ge=1, le=1_000_000)] = 50
    """Number of trials in the study; candidates that the constraints reject do not count."""
    timeout: Duration | None = None
    """When the search stops, as 90s, 20m or 2h after its start."""
    trial_timeout: Duration | None = None
    """The longest time of one trial, which fails then."""
    sampler: Annotated[Any, fixed_component(SAMPLERS)] = "tpe"
    """How candidates are drawn."""
    pruner: Annotated[Any, fixed_component(PRUNERS)] = "median"
    """Which trials are stopped early."""
    rungs: (
        Annotated[
            list[Annotated[int, Field(ge=1)]],
            Field(min_length=1, max_length=16),
            AfterValidator(ascending),
        ]
        | None
    ) = None
    """pruner halving: the epochs after which candidates pause; left out, 1, 2, 4 and so on."""
    control: Annotated[float, Field(ge=0, le=1)] = 0.05
    """pruner halving: share of the candidates that go on in any case."""
    objectives: Annotated[
        list[Annotated[str, one_of(OBJECTIVES)]],
        Field(min_length=1),
        AfterValidator(distinct),
    ] = ["val_accuracy"]
    """What is optimised: one objective, or several for a Pareto front."""
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] = 0
    """Seed of sampler, weights and batches."""
    workers: Annotated[int, Field(ge=1, le=1024)] | None = None
    """Worker processes; left out, one for each GPU, else each core."""
    baseline: Literal["random"] | None = None
    """random: random search with as many trials, to compare with."""
    duplicates: Literal["reuse", "new_seed"] = "reuse"
    """A candidate drawn again takes over the numbers (reuse) or has another seed (new_seed)."""
    probes: Annotated[Any, flag_or_names(MEASURES, probe_names)] | None = None
    """Whether gradients, responses and Jacobians are measured on the way, and at the end of what is
    trained to its end; or which measures are. Left out, of twins alone."""
    budget: Duration | None = None
    """What --budget was, which filled this time with pictures, epochs and trials; it is told, and
    decides nothing any more."""
    hessian: bool = False
    """Whether the largest eigenvalue of the Hessian is measured as well, which takes long; of
    candidates where `probes` is given."""


def fixed_placements() -> list[str]:
    """The placements that say for every block whether it has its shortcut."""
    return [name for name in PLACEMENTS if mask_of(Named(name), 1) is not None]


def every_arm() -> list[str]:
    """What the arms of a comparison can be called."""
    registries = (PLACEMENTS, JOINS, INITIALISATIONS, BLOCKS)
    names = dict.fromkeys(
        (*same_shape(), *transitions(), *(name for one in registries for name in one))
    )
    return [name for name in names if name != "per_block"]


#: parts that can be arms with options of theirs, and which
PARTS_AS_ARMS: dict[Registry[Any], Callable[[], list[str]]] = {
    PLACEMENTS: fixed_placements,
    JOINS: lambda: list(JOINS),
}


class PayoffSection(StrictSection):
    """Which twins are trained after the search. What is left out here is decided, and all of it
    written down, before the first twin is trained.
    """

    top: Annotated[int, Field(ge=0, le=100)] = 1
    """Best candidates of the search whose twins are trained; 0 for the ladder of depths alone."""
    seeds: Annotated[int, Field(ge=1, le=1000)] | None = None
    """Pairs of each comparison. Left out: the fewest that resolve an effect of two standard
    deviations of a pair with 80% probability, given the number of primary comparisons."""
    until: Literal["resolved"] | None = None
    """Whether pairs are added to the primary comparisons until each is decided, by a rule that
    holds at every look; `seeds` are then the pairs of all else."""
    max_seeds: Annotated[int, Field(ge=2, le=1000)] = 20
    """Pairs of a primary comparison at most, with `until: resolved`."""
    vary: Literal[
        "shortcut",
        "transition",
        "placement",
        "join",
        "initialisation",
        "activation_order",
        "block",
    ] = "shortcut"
    """The one choice in which twins differ."""
    arms: (
        Annotated[
            list[Annotated[Any, named_part(PARTS_AS_ARMS, every_arm)]],
            AfterValidator(distinct),
        ]
        | None
    ) = None
    """Kinds of shortcuts, or with `vary: transition`, `placement`, `join`, `initialisation` or
    `block` of those, that are compared, placements and joins also with options, as `{every: 3}`;
    left out, all but those seldom asked for: of transitions projection, zero_pad and none, of
    placements all, every, first_half, last_half and none, of joins add, scaled, skip_init and
    drop_path, of initialisations he, zero_last and fixup, of blocks basic, bottleneck, separable
    and inverted, one's own parts, and what the candidate has."""
    depths: Annotated[list[Blocks], AfterValidator(distinct)] | None = None
    """The ladder: blocks in every stage; left out, up to twice those of the best candidate."""
    activation_orders: (
        Annotated[list[Annotated[str, one_of(ORDERS)]], AfterValidator(distinct)] | None
    ) = None
    """Activation orders of the ladder; left out, that of the best candidate."""
    blocks: Annotated[list[Annotated[str, one_of(BLOCKS)]], AfterValidator(distinct)] = []
    """Block types with which the ends of the ladder are repeated."""
    widths: Annotated[list[Annotated[int, Field(ge=2, le=64)]], AfterValidator(distinct)] = []
    """Factors of all widths with which the ends of the ladder are repeated."""
    lr_factors: Annotated[
        list[Annotated[float, Field(gt=0, le=MAX_OPTION)]],
        Field(min_length=1, max_length=16),
        AfterValidator(distinct),
    ] = [0.1, 0.3, 1.0, 3.0]
    """Factors of the learning rate among which each arm's own best one is chosen, by its training
    error; a single one: the shared rate alone."""
    tuning_seeds: Annotated[int, Field(ge=1, le=1000)] = 2
    """Runs of each arm at each of these rates, on seeds that nothing else has."""
    tuning_budget: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Share of the epochs that these runs have. Shorter ones cost less, and may find another rate
    than the whole training has."""
    budgets: Annotated[
        list[Annotated[int, Field(ge=1, le=1000)]],
        Field(min_length=1, max_length=16),
        AfterValidator(distinct),
    ] = [1]
    """Multiples of the epochs at which the ends of the ladder are trained, each with its own best
    learning rates."""
    stages: bool = True
    """Whether every combination of stages with and without shortcuts is trained."""
    block_masks: Annotated[int, Field(ge=0, le=10_000)] = 0
    """Random masks over the blocks of the deepest network of the ladder, each trained as a twin:
    which block gains by its shortcut. It takes some more of them than it has blocks."""
    block_orders: Annotated[int, Field(ge=0, le=1000)] = 0
    """Random orders in which the shortcuts of that network are added one by one, each step trained
    as a twin: sampled Shapley values of the blocks."""
    after_training: Annotated[
        list[Annotated[str, one_of(MEASURES, finished_names)]], AfterValidator(distinct)
    ] = []
    """What is measured of each finished twin on validation pictures, in seconds: what it stands,
    and what it rests on."""
    after_training_split: Literal["validation", "test"] = "validation"
    """The split that this is measured on. Each twin then reads the test split once, when its
    training has ended, and nothing is chosen by it."""
    rivals: Annotated[
        list[Literal["warmup", "initialisation", "norm", "skip_init", "fade"]],
        AfterValidator(distinct),
    ] = []
    """Rival explanations of what shortcuts give, each trained beside the deepest networks: plain
    ones with a warm-up over a fifth of the epochs, with orthogonal weights at the start, or with
    another norm; those with shortcuts with branches that start at zero (skip_init), or whose
    shortcuts fade out in the last third of the training."""
    smallest_effect: Annotated[float, Field(ge=0, le=100)] = 2.0
    """The smallest gain of interest, in points of training error."""

    @model_validator(mode="after")
    def _arms_of_what_varies(self) -> "PayoffSection":
        known = {
            "transition": [*dict.fromkeys((*transitions(), *same_shape()))],
            "block": [*BLOCKS, *same_shape()],
            "join": list(JOINS),
            "initialisation": list(INITIALISATIONS),
            "placement": fixed_placements(),
        }
        kind = self.vary if self.vary in known else "shortcut"
        names = known.get(kind, same_shape())
        for arm in self.arms or []:
            if base_name(arm) not in names:
                raise ValueError(f"arms: {unknown(kind, arm, names)}")
            if kind == "placement":
                mask_of(Named(arm), 2)
            elif kind == "join":
                JOINS[arm](Place(1, 0, 1))
        return self

    @model_validator(mode="after")
    def _rivals_of_shortcuts(self) -> "PayoffSection":
        arms = self.arms or same_shape()
        if self.rivals and (self.vary != "shortcut" or "none" not in arms or len(arms) < 2):
            raise ValueError(
                "rivals: they stand beside networks with shortcuts and without, so vary must be "
                "shortcut, and arms name none and a kind of shortcut."
            )
        return self


class SpaceSection(StrictSection):
    """A search space."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
    """Name of the space, and of its study."""
    plugins: Annotated[
        list[Annotated[str, Field(pattern=MODULE)]], Field(max_length=16), AfterValidator(distinct)
    ] = []
    """Modules of your own that register parts, as package.module."""
    dataset: DatasetSection = Field(default_factory=DatasetSection)
    """The pictures."""
    architecture: ArchitectureSection
    """The networks."""
    training: TrainingSection = Field(default_factory=TrainingSection)
    """How every candidate is trained."""
    constraints: ConstraintsSection = Field(default_factory=ConstraintsSection)
    """Budgets: candidates outside are not trained."""
    search: SearchSection = Field(default_factory=SearchSection)
    """How the space is searched."""
    payoff: PayoffSection | None = None
    """The twins that are trained after the search."""


S = TypeVar("S", bound=StrictSection)
#: the sections, each after those it holds
SECTIONS = (
    *(StageSection, ArchitectureSection, DatasetSection, CodeSection, TrainingSection, Bound),
    *(ConstraintsSection, SearchSection, PayoffSection, SpaceSection),
)
_built_from = [registry.parts() for registry in REGISTRIES]


def current(section: type[S]) -> type[S]:
    """The section as it is with all that is registered by now."""
    registered = [registry.parts() for registry in REGISTRIES]
    if registered != _built_from:
        _built_from[:] = registered
        forget_types()
    return section
