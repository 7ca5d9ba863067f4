"""What a search space may say: sections, keys, and for each key a value, a choice or a range."""

import inspect
import json
import math
from functools import cache
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    create_model,
    model_validator,
)
from pydantic_core import PydanticCustomError

from nas.blocks import ACTIVATIONS, BLOCKS, NORMS, ORDERS, SAME_SHAPE, STEMS, TRANSITIONS
from nas.data.catalog import AUGMENTATIONS, NAMES
from nas.registry import Registry, unknown
from nas.result import OBJECTIVES
from nas.settings import OPTIMIZERS, SCHEDULES

N = TypeVar("N", int, float)


class Section(BaseModel):
    """A mapping with fixed keys; an unknown one is refused with those it may have."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, data: Any) -> Any:
        for key in data if isinstance(data, dict) else ():
            if key not in cls.model_fields:
                sentence = unknown("key", key, list(cls.model_fields))
                raise PydanticCustomError("unknown_key", "{sentence}", {"sentence": sentence, "key": key})
        return data


class Range(Section, Generic[N]):
    """Every number from low to high, in steps or evenly in the logarithm."""

    low: N
    high: N
    step: N | None = None
    log: bool = False

    @model_validator(mode="after")
    def _not_empty(self) -> "Range[N]":
        if self.low >= self.high:
            raise ValueError(f"the range from {self.low} to {self.high} is empty: low must be below high")
        if self.step is not None and not 0 < self.step <= self.high - self.low:
            raise ValueError(f"a step of {self.step} does not fit between {self.low} and {self.high}")
        if self.log and (self.low <= 0 or self.step is not None):
            raise ValueError("a logarithmic range starts above 0 and has no step")
        return self


def written_as(value: Any) -> str:
    """How a searched value is written: a plain value, a list to choose from, or a range."""
    if isinstance(value, list):
        return "choice"
    return "range" if isinstance(value, dict | Range) else "value"


@cache
def number(kind: type, low: float | None, high: float | None, *, above: bool = False) -> Any:
    """A number within bounds, a choice of such numbers, or a range of them."""
    bounds = {"gt" if above else "ge": low, "le": high}
    one = Annotated[kind, Field(**{k: v for k, v in bounds.items() if v is not None})]
    return Annotated[
        Annotated[one, Tag("value")]
        | Annotated[choice(one), Tag("choice")]
        | Annotated[Range[one], Tag("range")],  # type: ignore[valid-type]
        Discriminator(written_as),
    ]


def choice(one: Any) -> Any:
    """A list of distinct values, at least one."""
    return Annotated[list[one], Field(min_length=1), AfterValidator(distinct)]


def distinct(values: list[Any]) -> list[Any]:
    """ValueError for a value that stands twice in a choice."""
    for index, value in enumerate(values):
        if any(value == other and type(value) is type(other) for other in values[:index]):
            raise ValueError(f"{value!r} stands twice in this choice")
    return values


def name(names: Any) -> Any:
    """One of some names, or a choice of them."""
    one = Literal[tuple(names)]
    return Annotated[
        Annotated[one, Tag("value")] | Annotated[choice(one), Tag("choice")], Discriminator(written_as)
    ]


class Options(Section):
    """`{name: {option: value}}`: exactly one name with its options."""

    @model_validator(mode="after")
    def _one_name(self) -> "Options":
        if len(self.model_fields_set) != 1:
            raise ValueError(f"exactly one name is needed here, found {len(self.model_fields_set)}")
        return self


@cache
def part(registry: Registry[Any]) -> Any:
    """A registered name, alone or with options, or a choice of such."""
    options = {key: (option_model(registry, key) | None, None) for key in registry}
    with_options = create_model(f"{registry.kind} with options", __base__=Options, **options)  # type: ignore[call-overload]
    plain = Literal[tuple(registry)]

    def form(value: Any) -> str:
        return "options" if isinstance(value, dict | Options) else "value"

    one = Annotated[Annotated[plain, Tag("value")] | Annotated[with_options, Tag("options")], Discriminator(form)]

    one = Annotated[one, BeforeValidator(nested)]

    def form_of_all(value: Any) -> str:
        return "choice" if isinstance(value, list) else "one"

    return Annotated[
        Annotated[one, Tag("one")] | Annotated[choice(one), Tag("choice")], Discriminator(form_of_all)
    ]


def nested(value: Any) -> Any:
    """`{name: sgd, lr: 0.1}` read as `{sgd: {lr: 0.1}}`."""
    if isinstance(value, dict) and isinstance(value.get("name"), str):
        return {value["name"]: {key: option for key, option in value.items() if key != "name"}}
    return value


def option_model(registry: Registry[Any], key: str) -> Any:
    """The options of one name, from the signature of the registered part."""
    fields = {k: (option_type(p), p.default) for k, p in registry.options(key).items()}
    return create_model(f"{key} options", __base__=Section, **fields)  # type: ignore[call-overload]


def option_type(parameter: inspect.Parameter) -> Any:
    """Numbers may be searched in ranges, the rest in choices."""
    if parameter.annotation in (int, float):
        return number(parameter.annotation, 0, None)
    return name((True, False))


Size = number(int, 1, 100_000)


class StageSection(Section):
    """One stage; a key left out here is taken from `architecture`."""

    depth: Size | None = None
    width: Size | None = None
    stride: number(int, 1, 64) | None = None  # type: ignore[valid-type]
    block: part(BLOCKS) | None = None  # type: ignore[valid-type]
    shortcut: name(SAME_SHAPE) | None = None  # type: ignore[valid-type]
    transition: name(TRANSITIONS) | None = None  # type: ignore[valid-type]


class ArchitectureSection(Section):
    """The network; a key that stages share is one parameter for all of them."""

    stem: part(STEMS) = "conv3x3"  # type: ignore[valid-type]
    activation_order: name(ORDERS) = "post_activation"  # type: ignore[valid-type]
    activation: name(ACTIVATIONS) = "relu"  # type: ignore[valid-type]
    norm: part(NORMS) = "batch"  # type: ignore[valid-type]
    depth: Size | None = None
    width: Size | None = None
    stride: number(int, 1, 64) = 1  # type: ignore[valid-type]
    block: part(BLOCKS) = "basic"  # type: ignore[valid-type]
    shortcut: name(SAME_SHAPE) = "identity"  # type: ignore[valid-type]
    transition: name(TRANSITIONS) = "projection"  # type: ignore[valid-type]
    stages: Annotated[list[StageSection], Field(min_length=1, max_length=64)]


class DatasetSection(Section):
    """The pictures. One of a known name, or any LightningDataModule by class_path."""

    name: Literal[NAMES] = "digits"  # type: ignore[valid-type]
    path: str | None = None
    class_path: str | None = None
    init_args: dict[str, Any] = {}
    image_size: Annotated[int, Field(ge=1, le=4096)] | None = None
    image_shape: Annotated[list[Annotated[int, Field(ge=1)]], Field(min_length=3, max_length=3)] | None = None
    num_classes: Annotated[int, Field(ge=2)] | None = None
    augment: Annotated[list[Literal[AUGMENTATIONS]], AfterValidator(distinct)] = []  # type: ignore[valid-type]
    train_size: Annotated[int, Field(ge=2)] | None = None
    validation_size: Annotated[int, Field(ge=1)] | None = None
    split_seed: Annotated[int, Field(ge=0)] = 0


class TrainingSection(Section):
    """How every candidate is trained."""

    epochs: number(int, 1, 100_000) = 10  # type: ignore[valid-type]
    batch_size: number(int, 2, 65_536) = 128  # type: ignore[valid-type]
    optimizer: part(OPTIMIZERS) = "sgd"  # type: ignore[valid-type]
    schedule: name(SCHEDULES) = "cosine"  # type: ignore[valid-type]
    warmup: number(float, 0, None) = 0.0  # type: ignore[valid-type]
    label_smoothing: number(float, 0, 0.99) = 0.0  # type: ignore[valid-type]
    gradient_clip: number(float, 0, None) = 0.0  # type: ignore[valid-type]


class Bound(Section):
    """A budget: candidates outside are not trained."""

    min: Annotated[float, Field(ge=0)] = 0.0
    max: Annotated[float, Field(ge=0)] = math.inf


class ConstraintsSection(Section):
    """Budgets by measured cost; depth counts weighted layers, memory bytes."""

    parameters: Bound = Bound()
    multiply_adds: Bound = Bound()
    depth: Bound = Bound()
    memory: Bound = Bound()


class SearchSection(Section):
    """How the space is searched."""

    trials: Annotated[int, Field(ge=1, le=1_000_000)] = 50
    timeout: str | None = None
    sampler: Literal["tpe", "random", "grid", "nsga2", "gp", "cmaes"] = "tpe"
    pruner: Literal["hyperband", "asha", "median", "none"] = "median"
    objectives: Annotated[
        list[Literal[tuple(OBJECTIVES)]],  # type: ignore[valid-type]
        Field(min_length=1),
        AfterValidator(distinct),
    ] = ["val_accuracy"]
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] = 0
    workers: Annotated[int, Field(ge=1, le=1024)] | None = None
    duplicates: Literal["reuse", "new_seed"] = "reuse"
    probes: bool = True
    hessian: bool = False


class PayoffSection(Section):
    """Which twins are trained after the search. Depths are blocks in every stage."""

    top: Annotated[int, Field(ge=0, le=100)] = 3
    seeds: Annotated[int, Field(ge=1, le=1000)] = 3
    vary: Literal["shortcut", "transition", "activation_order", "block"] = "shortcut"
    depths: Annotated[list[Annotated[int, Field(ge=1)]], AfterValidator(distinct)] | None = None
    activation_orders: (
        Annotated[list[Literal[tuple(ORDERS)]], AfterValidator(distinct)] | None  # type: ignore[valid-type]
    ) = None
    lr_factors: Annotated[
        list[Annotated[float, Field(gt=0)]], Field(min_length=1), AfterValidator(distinct)
    ] = [0.3, 1.0]
    budgets: Annotated[
        list[Annotated[int, Field(ge=1)]], Field(min_length=1), AfterValidator(distinct)
    ] = [1]
    stages: bool = True
    smallest_effect: Annotated[float, Field(ge=0, le=100)] = 2.0


class SpaceSection(Section):
    """A search space."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
    dataset: DatasetSection = DatasetSection()
    architecture: ArchitectureSection
    training: TrainingSection = TrainingSection()
    constraints: ConstraintsSection = ConstraintsSection()
    search: SearchSection = SearchSection()
    payoff: PayoffSection | None = None


def schema_text() -> str:
    """The JSON Schema of a search space, for editors."""
    schema = SpaceSection.model_json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    return json.dumps(schema, indent=2)
