"""The layout of a network: the operations of every block, with all numbers in place."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import takewhile

from nas.model.architecture import MAX_CHANNELS, Architecture, BlockRecord
from nas.model.blocks import (
    ACTIVATIONS,
    BLOCKS,
    NORMS,
    ORDERS,
    SHORTCUTS,
    STEMS,
    Activation,
    Conv,
    Join,
    Layer,
    MaxPool,
    Norm,
    Op,
    Ops,
    Order,
    ZeroPad,
)
from nas.model.joins import JOINS, Place


@dataclass(frozen=True)
class Block:
    """after(join(shortcut(before(x)), branch(before(x)))); where the shortcut is None, it is
    after(branch(x)).
    """

    before: Ops
    branch: Ops
    shortcut: Ops | None
    after: Ops
    join: Join


@dataclass(frozen=True)
class Layout:
    """The whole network as operations; the head pools and classifies `features` channels."""

    stem: Ops
    blocks: tuple[Block, ...]
    final: Ops
    features: int


def lay_out(architecture: Architecture) -> Layout:
    """The layout of an architecture; ValueError for an unknown name or an impossible number."""
    check_choices(architecture)
    order = ORDERS[architecture.activation_order]()
    records = architecture.blocks()
    stem = STEMS[architecture.stem.name](architecture.image_shape[0], **architecture.stem.arguments)
    features = records[-1].out_channels
    final = leading_operations(order, features) if num_leading(order) else ()
    blocks = tuple(
        block(record, order, Place(record.out_channels, number, len(records)))
        for number, record in enumerate(records)
    )
    layout = Layout(stem, blocks, final, features)
    if norm_groups(architecture) is None:
        layout = strip_norms(layout)
    check(architecture, layout)
    return layout


def norm_groups(architecture: Architecture) -> int | None:
    """0 for batch norm, the number of channel groups, or None where nothing is normalised."""
    return NORMS[architecture.norm.name](**architecture.norm.arguments)


def activation_layer(architecture: Architecture) -> Layer:
    """The activation function."""
    return ACTIVATIONS[architecture.activation]()


def strip_norms(layout: Layout) -> Layout:
    """The same layout without norm operations."""
    blocks = tuple(
        Block(
            without_norm(block.before),
            without_norm(block.branch),
            None if block.shortcut is None else without_norm(block.shortcut),
            without_norm(block.after),
            block.join,
        )
        for block in layout.blocks
    )
    return Layout(without_norm(layout.stem), blocks, without_norm(layout.final), layout.features)


def block(record: BlockRecord, order: Order, place: Place) -> Block:
    """One block. First-unit rule: the stem has already activated the first block's input.

    A projection reads the activated signal, identity and zero_pad the raw one, as in the
    released code of He et al. 2016.
    """
    convs = BLOCKS[record.type.name](
        record.in_channels, record.out_channels, record.stride, **record.type.arguments
    )
    branch, after = interleave(order, convs)
    before: Ops = ()
    num_lead = num_leading(order)
    shortcut = SHORTCUTS[record.shortcut](record.in_channels, record.out_channels, record.stride)
    if place.block == 0:
        branch = branch[num_lead:]
    elif shortcut and isinstance(shortcut[0], Conv):
        before, branch = branch[:num_lead], branch[num_lead:]
    if shortcut and not ends_normalised(branch):
        shortcut = without_norm(shortcut)
    join = JOINS[record.join.name](place, **record.join.arguments)
    return Block(before, branch, shortcut, after, join)


def ends_normalised(branch: Ops) -> bool:
    """Whether a norm stands between the last convolution and the addition."""
    tail = takewhile(lambda op: not isinstance(op, Conv), reversed(branch))
    return any(isinstance(op, Norm) for op in tail)


def without_norm(ops: Ops) -> Ops:
    """The operations other than norms."""
    return tuple(op for op in ops if not isinstance(op, Norm))


def num_leading(order: Order) -> int:
    """How many operations stand before the first convolution."""
    return order.cycle.index("conv")


def leading_operations(order: Order, channels: int) -> Ops:
    """Those operations; after the last block of a network they stand once more."""
    table: dict[str, Op] = {"norm": Norm(channels), "act": Activation()}
    return tuple(table[name] for name in order.cycle[: num_leading(order)])


def interleave(order: Order, convs: tuple[Conv, ...]) -> tuple[Ops, Ops]:
    """Norms and activations between convolutions: the branch, and what follows the addition."""
    ops: list[Op] = []
    norm_first = order.cycle.index("norm") < order.cycle.index("conv")
    for conv in convs:
        channels = conv.in_channels if norm_first else conv.out_channels
        table: dict[str, Op] = {"conv": conv, "norm": Norm(channels), "act": Activation()}
        ops += [table[name] for name in order.cycle]
    cut = len(ops) - order.after_addition
    return tuple(ops[:cut]), tuple(ops[cut:])


def stride_of(op: Op) -> int:
    """By how much an operation shrinks height and width."""
    if isinstance(op, Conv | ZeroPad):
        return op.stride
    return 2 if isinstance(op, MaxPool) else 1


def iterate_operations(
    layout: Layout, image_shape: tuple[int, int, int]
) -> Iterator[tuple[str, Op, int, int]]:
    """Every operation as (part, operation, pixels in, pixels out) along the network.

    The part is "stem", "block 3", "shortcut 3" or "final"; sizes are height * width.
    """
    size = image_shape[1:]
    parts: list[tuple[str, Ops]] = [("stem", layout.stem)]
    for number, block in enumerate(layout.blocks):
        if block.shortcut is not None:
            parts.append((f"shortcut {number}", block.shortcut))
        join = () if block.shortcut is None else (block.join,)
        parts.append((f"block {number}", block.before + block.branch + join + block.after))
    parts.append(("final", layout.final))
    for part, ops in parts:
        here = size
        for op in ops:
            stride = stride_of(op)
            if stride > min(here):
                raise ValueError(
                    f"a stride of {stride} in {part} leaves less than one pixel "
                    f"of {here[0]}x{here[1]}."
                )
            smaller = (-(-here[0] // stride), -(-here[1] // stride))
            yield part, op, here[0] * here[1], smaller[0] * smaller[1]
            here = smaller
        size = size if part.startswith("shortcut") else here


def check_choices(architecture: Architecture) -> None:
    """Refuse an unknown activation, a network without stages, and sizes that are no counts."""
    activation_layer(architecture)
    if not architecture.stages:
        raise ValueError("a network needs at least one stage, found none.")
    architecture.check_sizes()


def check(architecture: Architecture, layout: Layout) -> None:
    """Refuse channel counts, group counts and strides that cannot be, in one sentence."""
    groups = norm_groups(architecture)
    for part, op, _, _ in iterate_operations(layout, architecture.image_shape):
        if isinstance(op, Conv):
            check_conv(part, op)
        if isinstance(op, Norm) and groups is not None and groups > 0 and op.channels % groups:
            raise ValueError(
                f"{groups} norm groups do not divide the {op.channels} channels of {part}."
            )
        if isinstance(op, Norm) and groups is not None and groups < 0:
            raise ValueError(f"the number of norm groups must be at least 1, found {groups}.")


def check_conv(part: str, conv: Conv) -> None:
    """Channels of at least one, and groups that divide both of their numbers."""
    if conv.groups < 1:
        raise ValueError(f"the number of groups must be at least 1, found {conv.groups}.")
    for channels in (conv.in_channels, conv.out_channels):
        if not 1 <= channels <= MAX_CHANNELS:
            raise ValueError(
                f"a convolution of {part} has {channels} channels: it can have 1 to "
                f"{MAX_CHANNELS:,}."
            )
        if channels % conv.groups:
            raise ValueError(
                f"{conv.groups} groups do not divide the {channels} channels "
                f"of a convolution of {part}."
            )
