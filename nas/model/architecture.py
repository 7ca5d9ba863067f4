"""A candidate as data: frozen, the same after a trip through JSON, one record for each block."""

import hashlib
import json
import math
import operator
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import lru_cache
from itertools import groupby
from typing import Any, NamedTuple, TypeVar

from nas.common.errors import shown
from nas.common.later_keys import without_later
from nas.common.registry import MAX_OPTION
from nas.model.blocks import BLOCKS

Scalar = int | float | bool | str
T = TypeVar("T", bound=Any)

#: what a network has at most: more could not be counted in a second, nor trained
MAX_BLOCKS, MAX_CHANNELS, MAX_CLASSES, MAX_SIDE = 2_000, 100_000, 1_000_000, 4_096
#: keys of a stage that came later, as written in a space and in JSON, with their defaults
LATER_STAGE_KEYS: dict[str, Any] = {
    "join": "add",
    "placement": "all",
    "shortcuts": (),
    "width_from": 0,
}
#: the same of the whole network
LATER_NETWORK_KEYS: dict[str, Any] = {"initialisation": "he", "pooling": "mean"}
#: what the classifier reads: the mean of all places, or a place of its own beside those of tokens
POOLINGS = ("mean", "class_token")


@dataclass(frozen=True)
class Named:
    """A registered name with its options, written `name` or `{name: {option: value}}`."""

    name: str
    options: tuple[tuple[str, Scalar], ...] = ()

    @classmethod
    def of(cls, name: str, **options: Scalar) -> "Named":
        """Options in alphabetical order, so that equal ones compare equal."""
        return cls(name, tuple(sorted(options.items())))

    @classmethod
    def parse(cls, data: Any) -> "Named":
        """From its written form."""
        if isinstance(data, str):
            return cls(data)
        ((name, options),) = data.items()
        if not all(isinstance(option, Scalar) for option in options.values()):
            raise TypeError(f"the options of {name} must be numbers or words, found {options!r}")
        numbers = [option for option in options.values() if not isinstance(option, str)]
        if not all(abs(number) <= MAX_OPTION for number in numbers):  # also where it is NaN
            raise ValueError(f"the options of {name} are too large: {options!r}")
        return cls.of(name, **options)

    @property
    def arguments(self) -> dict[str, Any]:
        """The options as keyword arguments."""
        return dict(self.options)

    def written(self) -> Any:
        """The form `parse` reads."""
        return {self.name: dict(self.options)} if self.options else self.name

    def __str__(self) -> str:
        options = ", ".join(f"{key}={value}" for key, value in self.options)
        return f"{self.name}({options})" if options else self.name


def units_of(block: Named) -> tuple[Named, ...]:
    """The block types of the residual units of a block, with the options that each of them knows;
    one that is not registered here is a single unit.
    """
    return _units(block) if block.name in BLOCKS else (block,)


@lru_cache(maxsize=4096)
def _units(block: Named) -> tuple[Named, ...]:
    """Those of a registered block, which are asked for at every look at a stage."""
    return tuple(
        Named(name, tuple(one for one in block.options if one[0] in BLOCKS.options(name)))
        for name in BLOCKS[block.name].units
    ) or (block,)


#: the usual join, which JSON leaves out
ADD = Named("add")


@dataclass(frozen=True, kw_only=True)
class Stage:
    """Blocks of equal width, or of widths that rise in equal steps from `width_from`, which is that
    before the first one, to `width`; the first one may stride. A join that grows decides both
    widths (`grown`).

    shortcut and transition: the kind in blocks that keep the shape of their input, and in those
    that change it. shortcuts: the kind of each block, where these two do not say it all. A block
    type of several residual units counts as so many blocks, but in `depth`.
    """

    depth: int
    width: int
    stride: int = 1
    block: Named = Named("basic")
    shortcut: str = "identity"
    transition: str = "projection"
    join: Named = ADD
    shortcuts: tuple[str, ...] = ()
    width_from: int = 0

    @property
    def units(self) -> tuple[Named, ...]:
        """The type of each block: one for each residual unit."""
        return units_of(self.block) * self.depth

    @property
    def num_units(self) -> int:
        """The number of residual units."""
        return self.depth * len(units_of(self.block))

    @property
    def widths(self) -> list[int]:
        """The channels of each block."""
        start, rise = self.width_from or self.width, self.width - (self.width_from or self.width)
        count = self.num_units
        return [round(start + rise * number / count) for number in range(1, count + 1)]

    @property
    def growth(self) -> int:
        """The channels that each block puts beside those of x: the option `growth` of the join, 0
        where it has none and the branch has as many channels as the block.
        """
        growth = self.join.arguments.get("growth", 0)
        return growth if type(growth) is int else 0

    @property
    def streams(self) -> int:
        """The streams that x becomes: the option `streams` of the join, 0 where it has none."""
        streams = self.join.arguments.get("streams", 0)
        return streams if type(streams) is int else 0

    @property
    def width_text(self) -> str:
        """The channels, or the least and the most."""
        least, most = min(self.widths), max(self.widths)
        return str(self.width) if least == most else f"{self.widths[0]} to {self.width}"

    @property
    def shortcut_text(self) -> str:
        """The kind of the blocks that keep their shape, or runs of kinds: `1 identity + 2 none`, of
        runs that repeat `3 x (1 identity + 1 none)`.
        """
        runs = [f"{len(list(run))} {kind}" for kind, run in groupby(self.shortcuts)]
        for length in range(2, len(runs) // 2 + 1):
            times, rest = divmod(len(runs), length)
            if not rest and runs == times * runs[:length]:
                return f"{times} x ({' + '.join(runs[:length])})"
        return " + ".join(runs) or self.shortcut

    def written(self) -> dict[str, Any]:
        """As plain data, without what came later and stands at its default."""
        parts = {"block": self.block.written(), "join": self.join.written()}
        return without_later(asdict(self) | parts, LATER_STAGE_KEYS)

    @classmethod
    def parse(cls, data: dict[str, Any]) -> "Stage":
        """From its written form."""
        kinds = data.get("shortcuts", [])
        if not isinstance(kinds, list) or not all(isinstance(kind, str) for kind in kinds):
            raise TypeError(f"shortcuts must be a list of names, found {shown(kinds)}")
        parts: dict[str, Any] = {"block": Named.parse(data["block"]), "shortcuts": tuple(kinds)}
        parts["join"] = Named.parse(data.get("join", "add"))
        return cls(**data | parts)


class BlockRecord(NamedTuple):
    """One block: its type, its shape, the kind of its shortcut and how that joins the branch.

    beside: the channels of x that stand beside those of the branch in its output; 0 where both have
    all channels of the block.
    """

    stage: int
    type: Named
    in_channels: int
    out_channels: int
    stride: int
    shortcut: str
    join: Named = ADD
    beside: int = 0

    @property
    def branch_shape(self) -> tuple[int, int, int]:
        """Channels that the branch gets and gives, and its stride."""
        if self.beside:
            return self.beside, self.out_channels - self.beside, 1
        return self.in_channels, self.out_channels, self.stride

    @property
    def shortcut_shape(self) -> tuple[int, int, int]:
        """The same of the shortcut."""
        if self.beside:
            return self.beside, self.beside, 1
        return self.in_channels, self.out_channels, self.stride

    @property
    def changes_shape(self) -> bool:
        """Whether its shortcut has another shape behind it than before it."""
        before, behind, stride = self.shortcut_shape
        return stride != 1 or before != behind


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """A candidate network for pictures of `image_shape` (channels, height, width), or for rows of a
    table, (features, 1, 1).
    """

    image_shape: tuple[int, int, int]
    num_classes: int
    stem: Named
    stages: tuple[Stage, ...]
    activation_order: str = "post_activation"
    activation: str = "relu"
    norm: Named = Named("batch")
    initialisation: str = "he"
    pooling: str = "mean"

    @property
    def is_of_rows(self) -> bool:
        """Whether the input is rows of a table: pictures of one pixel, with a channel for each
        feature.
        """
        return self.image_shape[1:] == (1, 1)

    @property
    def predicts_number(self) -> bool:
        """Whether the network has one output, a number, in place of classes."""
        return self.num_classes == 1

    def blocks(self) -> list[BlockRecord]:
        """One record for each block, or residual unit of it, in the order of the network."""
        records = []
        in_channels = self.stem.arguments["width"]
        for index, stage in enumerate(self.stages):
            kinds = shortcut_kinds(stage, in_channels)
            units = zip(kinds, stage.widths, stage.units, strict=True)
            for number, (kind, width, block) in enumerate(units):
                stride = stage.stride if number == 0 else 1
                join, beside = stage.join, width - stage.growth if stage.growth else 0
                if kind == "none":
                    join, beside = ADD, 0
                if stage.streams and kind != "identity":
                    join = ADD
                shape = in_channels, width, stride
                records.append(BlockRecord(index, block, *shape, kind, join, beside))
                in_channels = width
        return records

    @property
    def join_text(self) -> str:
        """How shortcut and branch meet, `a / b` where not in all stages the same; empty without
        shortcuts.
        """
        with_shortcut = [one for one in self.blocks() if one.shortcut != "none"]
        return " / ".join(dict.fromkeys(str(one.join) for one in with_shortcut))

    @property
    def start_text(self) -> str:
        """What the weights start as, behind a comma; empty where that is the usual."""
        start = self.initialisation
        return "" if start == LATER_NETWORK_KEYS["initialisation"] else f", initialisation {start}"

    @property
    def placement_text(self) -> str:
        """How many of the blocks have a shortcut."""
        blocks = self.blocks()
        count = sum(one.shortcut != "none" for one in blocks)
        return f"{count} of {len(blocks)} block{'s' * (len(blocks) != 1)}"

    def to_json(self) -> str:
        """Canonical JSON: equal architectures give equal text."""
        data = without_later(asdict(self), LATER_NETWORK_KEYS)
        data |= {"stem": self.stem.written(), "norm": self.norm.written()}
        data["stages"] = [stage.written() for stage in self.stages]
        return json.dumps(data, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> "Architecture":
        """The architecture `to_json` wrote; ValueError where the text is something else."""
        try:
            architecture = cls._from_data(json.loads(text))
        except (TypeError, KeyError, AttributeError, RecursionError) as error:
            why = shown(error)
            raise ValueError(f"this is not the JSON of an architecture: {why}.") from error
        architecture.check_sizes()
        architecture.check_shortcuts()
        return architecture

    def check_sizes(self) -> None:
        """ValueError where a size is no count, or larger than a network can be."""
        sizes = {"stem.width": (self.stem.arguments.get("width"), MAX_CHANNELS)}
        sizes["num_classes"] = (self.num_classes, MAX_CLASSES)
        for index, side in enumerate(self.image_shape):
            sizes[f"image_shape.{index}"] = (side, MAX_SIDE)
        for index, stage in enumerate(self.stages):
            for key, most in (("depth", MAX_BLOCKS), ("width", MAX_CHANNELS), ("stride", 64)):
                sizes[f"stages.{index}.{key}"] = (getattr(stage, key), most)
            if stage.width_from != 0:
                sizes[f"stages.{index}.width_from"] = (stage.width_from, MAX_CHANNELS)
        for name, (size, most) in sizes.items():
            if type(size) is not int or not 1 <= size <= most:
                raise ValueError(
                    f"{name} must be a whole number from 1 to {most:,}, found {shown(size)}."
                )
        check_blocks(sum(stage.num_units for stage in self.stages))
        self.check_growth()

    def check_growth(self) -> None:
        """ValueError where the widths of a stage are not those that its join makes."""
        in_channels = self.stem.arguments["width"]
        for index, stage in enumerate(self.stages):
            made = grown(stage, in_channels)
            if stage != made:
                raise ValueError(
                    f"stages.{index}: {stage.num_units} blocks with the join {made.join} have "
                    f"widths from {made.width_from} to {made.width} here, found from "
                    f"{stage.width_from} to {stage.width} with the join {stage.join}."
                )
            in_channels = stage.width

    def check_shortcuts(self) -> None:
        """ValueError where the shortcuts of single blocks are not said in the one way they can be:
        equal networks are equal data.
        """
        in_channels = self.stem.arguments["width"]
        for index, stage in enumerate(self.stages):
            kinds = stage.shortcuts
            canonical = stage == with_shortcuts(stage, kinds, in_channels)
            if kinds and not (canonical and len(kinds) == stage.num_units):
                raise ValueError(
                    f"stages.{index}.shortcuts must name a kind for each of its {stage.num_units} "
                    "blocks, and differ from what shortcut and transition say, found "
                    f"{shown(list(kinds))}."
                )
            in_channels = stage.width

    @classmethod
    def _from_data(cls, data: dict[str, Any]) -> "Architecture":
        stages = tuple(checked(Stage.parse(stage)) for stage in data["stages"])
        channels, height, width = map(operator.index, data["image_shape"])
        return checked(
            cls(
                **data
                | {
                    "image_shape": (channels, height, width),
                    "stem": Named.parse(data["stem"]),
                    "norm": Named.parse(data["norm"]),
                    "stages": stages,
                }
            )
        )

    @property
    def hash(self) -> str:
        """Sixteen hexadecimal digits, equal for equal architectures."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()[:16]


def check_blocks(count: int) -> None:
    """ValueError for more blocks than a network can have."""
    if count > MAX_BLOCKS:
        raise ValueError(f"{count:,} blocks are too many: a network has {MAX_BLOCKS:,} at most.")


def checked(record: T) -> T:
    """The record; TypeError where a number or a word of it is something else."""
    for field in fields(record):
        value = getattr(record, field.name)
        wrong = field.type in (int, str) and type(value) is not field.type
        if wrong or (field.type is float and not is_number(value)):
            raise TypeError(f"{field.name} cannot be {shown(value)}")
    return record


def changes_shape(stride: int, in_channels: int, width: int) -> bool:
    """Whether a block gives its pictures another size or another number of channels."""
    return stride != 1 or in_channels != width


def grown(stage: Stage, in_channels: int) -> Stage:
    """The stage with the widths that its join makes, if it grows: each block adds `growth`
    channels to those that the stage starts with. These are the ones it gets, or where it strides
    the share `compression` of them, rounded down; where it does not, the join has no such option,
    so that equal networks are equal data.
    """
    if not stage.growth:
        return stage
    start, options = in_channels, stage.join.arguments
    share = options.pop("compression", 1.0)
    if stage.stride != 1:
        start = max(1, math.floor(round(in_channels * share, 6)))
        options = stage.join.arguments
    width = start + stage.growth * stage.num_units
    join = Named.of(stage.join.name, **options)
    return replace(stage, width_from=start, width=width, join=join)


def joining(stage: Stage, in_channels: int) -> Stage:
    """The stage with `add` where no block of it takes its join: one that joins streams is taken by
    identity shortcuts only.
    """
    taken = stage.shortcut != "none"
    if stage.streams:
        taken = "identity" in shortcut_kinds(stage, in_channels)
    return stage if taken else replace(stage, join=ADD)


def changing(stage: Stage, in_channels: int) -> list[bool]:
    """Whether each block of a stage changes the shape of its input, so that its shortcut must; one
    that puts channels beside those of x does not.
    """
    if stage.growth:
        return [False] * stage.num_units
    if not stage.width_from:
        first = changes_shape(stage.stride, in_channels, stage.width)
        return [first, *[False] * (stage.num_units - 1)]
    widths = stage.widths
    strides = [stage.stride, *[1] * (stage.num_units - 1)]
    return [
        changes_shape(stride, before, width)
        for stride, before, width in zip(strides, [in_channels, *widths], widths, strict=False)
    ]


def takes_transition(stage: Stage, in_channels: int) -> bool:
    """Whether a block of the stage has a transition; where none has, the stage says `none`, so that
    equal networks are equal data.
    """
    return stage.shortcut != "none" and any(changing(stage, in_channels))


def is_number(value: Any) -> bool:
    """Whether it is a number between those an option can be."""
    return type(value) in (int, float) and abs(value) <= MAX_OPTION


def shortcut_kinds(stage: Stage, in_channels: int) -> tuple[str, ...]:
    """What is added in each block of a stage: the transition where the shape changes."""
    if stage.shortcuts:
        return stage.shortcuts
    changed = stage.transition if stage.shortcut != "none" else "none"
    return tuple(changed if one else stage.shortcut for one in changing(stage, in_channels))


def with_shortcuts(stage: Stage, kinds: Sequence[str], in_channels: int) -> Stage:
    """The stage with a kind of shortcut for each of its blocks, in its one canonical form: only
    kinds that `shortcut` and `transition` cannot say are written out.
    """
    changes = changing(stage, in_channels)
    kept = [kind for kind, change in zip(kinds, changes, strict=False) if not change]
    changed = [kind for kind, change in zip(kinds, changes, strict=False) if change]
    shortcut = first_kind(kept, "identity" if {*kinds} - {"none"} else "none")
    transition = first_kind(changed, "none")
    is_uniform = {*kept} <= {shortcut} and {*changed} <= {transition}
    placed = replace(
        stage,
        shortcut=shortcut,
        transition=transition,
        shortcuts=() if is_uniform and len(kinds) == stage.num_units else tuple(kinds),
    )
    return joining(placed, in_channels)


def first_kind(kinds: Sequence[str], otherwise: str) -> str:
    """The first of some kinds that is a shortcut."""
    return next((kind for kind in kinds if kind != "none"), otherwise)


def masked(stage: Stage, mask: Sequence[bool], in_channels: int) -> Stage:
    """The stage with the shortcuts of some of its blocks left out."""
    kinds = shortcut_kinds(stage, in_channels)
    some = [kind if has else "none" for kind, has in zip(kinds, mask, strict=True)]
    return with_shortcuts(stage, some, in_channels)
