"""The layout of a network: the operations of every block, with all numbers in place."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from itertools import takewhile

from nas.model.architecture import (
    MAX_CHANNELS,
    Architecture,
    BlockRecord,
    Named,
    Stage,
    changing,
    shortcut_kinds,
    with_shortcuts,
)
from nas.model.blocks import (
    ACTIVATIONS,
    BLOCKS,
    NORMS,
    ORDERS,
    SHORTCUTS,
    STEMS,
    Activation,
    Around,
    Attention,
    AvgPool,
    ClassToken,
    Conv,
    Dropout,
    FirstPlace,
    GlobalPool,
    Identity,
    Join,
    Layer,
    Layers,
    MaxPool,
    Norm,
    NormLayer,
    Op,
    Ops,
    Order,
    Positions,
    SpaceToDepth,
    Times,
    ZeroPad,
    last_convolution,
    modified,
    unstrided,
)
from nas.model.initialisations import INITIALISATIONS, Start
from nas.model.joins import JOINS, Place

#: the largest distance of places that a kernel sees
MAX_DILATION = 64


@dataclass(frozen=True)
class Block:
    """after(join(shortcut(before(x)), branch(before(x)))); where the shortcut is None, it is
    after(branch(x)). Before both stands what makes x smaller, where a join grows, and what they
    share of the branch. Where the join has streams: whether they are opened at its input and closed
    at its output. entry: what stands in front of the block, where tokens begin.
    """

    before: Ops
    branch: Ops
    shortcut: Ops | None
    after: Ops
    join: Join
    opens: bool = False
    closes: bool = False
    entry: Ops = ()


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
    last = last_convolution(layers_of(records[-1]))
    if architecture.is_of_rows:  # whose classifier reads what is activated, as in Gorishniy et al.
        last = replace(last, linear=False)
    if is_tokens(records[-1]):
        final = final_of_tokens(order, features, architecture.pooling)
    else:
        final = final_operations(order, features, after=last)
    is_bare = isinstance(stem[-1], Conv)
    scales = scales_of(order, sum(map(is_tokens, records)))
    blocks = tuple(
        block(record, order, Place(record.out_channels, number, len(records)), is_bare, scales)
        for number, record in enumerate(records)
    )
    if any(map(is_tokens, records)):
        blocks = tuple(
            replace(one, entry=entry(architecture, stem, records[: number + 1]))
            for number, one in enumerate(blocks)
        )
    layout = Layout(stem, connected(blocks), final, features)
    if norm_groups(architecture) is None:
        layout = strip_norms(layout)
    check(architecture, layout)
    return layout


def norm_groups(architecture: Architecture) -> int | None:
    """The number of channel groups, 0 for batch norm and where the norm is another layer, or None
    where nothing is normalised.
    """
    found = NORMS[architecture.norm.name](**architecture.norm.arguments)
    return 0 if isinstance(found, NormLayer) else found


def norm_layer(architecture: Architecture) -> NormLayer | None:
    """The norm, where it is another layer than batch and group norm."""
    found = NORMS[architecture.norm.name](**architecture.norm.arguments)
    return found if isinstance(found, NormLayer) else None


def activation_layer(architecture: Architecture) -> Layer:
    """The activation function."""
    return ACTIVATIONS[architecture.activation]()


def start_of(architecture: Architecture) -> Callable[[int], Start]:
    """What the weights of a branch start as, by how many convolutions it has."""
    num_branches = sum(record.shortcut != "none" for record in architecture.blocks())
    return partial(INITIALISATIONS[architecture.initialisation], num_branches)


def is_tokens(record: BlockRecord) -> bool:
    """Whether a block is one of tokens."""
    return BLOCKS[record.type.name].tokens


def scales_of(order: Order, num_units: int) -> tuple[float, float]:
    """The factors of the shortcut and of the first weights in so many token blocks."""
    scales = order.tokens and order.tokens.scales
    return scales(num_units) if scales and num_units else (1.0, 1.0)


def entry(architecture: Architecture, stem: Ops, records: Sequence[BlockRecord]) -> Ops:
    """What stands in front of the last of some blocks: where tokens begin learned positions, behind
    the class token where there is one.
    """
    *before, record = records
    if not is_tokens(record) or (before and is_tokens(before[-1])):
        return ()
    height, width = architecture.image_shape[1:]
    for stride in (*map(stride_of, stem), *(one.stride for one in before)):
        height, width = -(-height // stride), -(-width // stride)
    channels = record.in_channels
    if architecture.pooling == "class_token":
        return ClassToken(channels), Positions(channels, 1, 1 + height * width)
    return (Positions(channels, height, width),)


def last_scaled(branch: Ops) -> int:
    """The place in a branch of the norm behind its last convolution, or of that one where no norm
    follows it.
    """
    places = [place for place, op in enumerate(branch) if isinstance(op, Conv | Norm)]
    return places[-1]


def strip_norms(layout: Layout) -> Layout:
    """The same layout without norm operations."""
    blocks = tuple(
        replace(
            block,
            before=without_norm(block.before),
            branch=without_norm(block.branch),
            shortcut=None if block.shortcut is None else without_norm(block.shortcut),
            after=without_norm(block.after),
        )
        for block in layout.blocks
    )
    return Layout(without_norm(layout.stem), blocks, without_norm(layout.final), layout.features)


def block(
    record: BlockRecord, order: Order, place: Place, is_bare: bool, scales: tuple[float, float]
) -> Block:
    """One block. First-unit rule: the stem has already activated the first block's input, unless it
    is a bare convolution, or the block one of tokens.

    A projection reads the activated signal, identity and zero_pad the raw one, as in the
    released code of He et al. 2016.
    """
    around = order.tokens if is_tokens(record) else None
    branch, after = woven(order, record, layers_of(record))
    before = entrance(record, order)
    num_lead = around.cycle.index("branch") if around else num_leading(order)
    shortcut = SHORTCUTS[record.shortcut](*record.shortcut_shape)
    is_activated = place.block == 0 and not is_bare and around is None
    if is_activated and not before:
        branch = branch[num_lead:]
    else:
        before = before[num_lead:] if is_activated else before
        if any(isinstance(op, Conv) for op in shortcut or ()):
            before, branch = before + branch[:num_lead], branch[num_lead:]
    if shortcut and not ends_normalised(branch):
        shortcut = without_norm(shortcut)
    if around and shortcut is not None and scales[0] != 1:
        shortcut = *shortcut, Times(scales[0])
    join = JOINS[record.join.name](place, **record.join.arguments)
    after = tuple(Norm(record.out_channels) if isinstance(op, Norm) else op for op in after)
    return Block(before, branch, shortcut, after, join)


def connected(blocks: Sequence[Block]) -> tuple[Block, ...]:
    """The blocks, streams opened and closed where the neighbour has not as many, or where tokens
    begin.
    """
    counts = [0, *(block.join.streams for block in blocks), 0]
    begins = [*(bool(block.entry) for block in blocks), False]
    return tuple(
        replace(
            block,
            opens=counts[number] != block.join.streams or begins[number],
            closes=counts[number + 2] != block.join.streams or begins[number + 1],
        )
        if block.join.streams
        else block
        for number, block in enumerate(blocks)
    )


def entrance(record: BlockRecord, order: Order) -> Ops:
    """What makes x smaller before branch and shortcut of a block that puts channels beside those of
    x: a 1x1 convolution in the order of the branch, and means over squares as large as the stride.
    """
    if not record.beside or (record.in_channels, 1) == (record.beside, record.stride):
        return ()
    branch, after = woven(order, record, (Conv(record.in_channels, record.beside, 1),))
    pool = (AvgPool(record.stride),) if record.stride != 1 else ()
    return *branch, *after, *pool


def ends_normalised(branch: Ops) -> bool:
    """Whether a norm stands between the last convolution and the addition."""
    tail = takewhile(lambda op: not isinstance(op, Conv), reversed(branch))
    return any(isinstance(op, Norm) for op in tail)


def without_norm(ops: Ops) -> Ops:
    """The operations other than norms, also than those left out."""
    return tuple(op for op in ops if not isinstance(op, Norm) and op != Identity(norm=True))


def num_leading(order: Order) -> int:
    """How many operations stand before the first convolution."""
    return order.cycle.index("conv")


def final_operations(order: Order, channels: int, *, after: Conv) -> Ops:
    """What follows the last block: those operations once more. Where nothing has normalised what
    the blocks add up, an order that starts with a norm has norm and activation here, others a norm
    of the means of the channels (Liu et al. 2022).
    """
    lead = order.cycle[: num_leading(order)]
    if after.bare:
        return (Norm(channels), Activation()) if "norm" in lead else (GlobalPool(), Norm(channels))
    table: dict[str, Op] = {"norm": Norm(channels), "act": activation_after(after)}
    return tuple(table[name] for name in lead)


def final_of_tokens(order: Order, channels: int, pooling: str) -> Ops:
    """What follows the last block of tokens: the class token alone, or the mean of all, and a norm
    unless one stands behind the addition.
    """
    pool: Ops = (FirstPlace(),) if pooling == "class_token" else (GlobalPool(),)
    around = order.tokens
    is_normalised = around is not None and "norm" in behind_addition(around)
    return pool if is_normalised else (*pool, Norm(channels))


def norm_after(conv: Conv, channels: int) -> Op:
    """What stands in the place of the norm between a convolution and the next one."""
    return Identity(norm=True) if conv.bare else Norm(channels)


def activation_after(conv: Conv) -> Op:
    """What stands in the place of the activation between a convolution and the next one."""
    return Identity() if conv.linear else Activation()


def layers_of(record: BlockRecord) -> Layers:
    """The convolutions of a block and what stands between them, without norms and activations.
    ValueError where they are not a branch of its shape.
    """
    return branch_layers(record.type, *record.branch_shape)


def branch_layers(type: Named, in_channels: int, out_channels: int, stride: int) -> Layers:
    """The same, of a block type with its options."""
    BLOCKS.check(type.name, type.options)
    own_names = BLOCKS.own_options(type.name)
    own = {key: value for key, value in type.arguments.items() if key in own_names}
    shared = {key: value for key, value in type.arguments.items() if key not in own_names}
    layers = BLOCKS[type.name](in_channels, out_channels, stride, **own)
    if not layers or not isinstance(layers[0], Conv | Norm):
        raise ValueError(f"block type {type.name!r} must begin with a convolution or a norm.")
    return modified(layers, **shared)


def order_matters(stages: Sequence[Stage], *, of_rows: bool = False) -> bool:
    """Whether networks of these stages differ under different activation orders even without
    shortcuts. They do where a branch ends in something else than a convolution, where some blocks
    end without an activation or a norm and others with one, where the last one does, and where
    there are tokens. Those of rows do, as their stem has neither.
    """
    if any(BLOCKS[unit.name].tokens for stage in stages for unit in stage.units):
        return True
    ends = [branch_layers(stage.block, stage.width, stage.width, 1) for stage in stages]
    last = [last_convolution(layers) for layers in ends]
    kinds = {(conv.linear, conv.bare) for conv in last}
    others = any(not isinstance(layers[-1], Conv) for layers in ends)
    return len(kinds) > 1 or others or last[-1].bare or of_rows


def settled(stage: Stage, in_channels: int) -> Stage:
    """The stage with one name for transitions that compute the same where nothing is strided: that
    of the block that strides, or else the first one. Equal networks are equal data.
    """
    if all(unstrided(kind) == kind for kind in (stage.transition, *stage.shortcuts)):
        return stage
    kinds = shortcut_kinds(stage, in_channels)
    first = kinds[0] if stage.stride != 1 else ""

    def name(kind: str) -> str:
        known = unstrided(kind)
        return first if first and unstrided(first) == known else known

    changes = changing(stage, in_channels)
    moved = [change and (number > 0 or not first) for number, change in enumerate(changes)]
    same = tuple(name(kind) if one else kind for kind, one in zip(kinds, moved, strict=True))
    return stage if same == kinds else with_shortcuts(stage, same, in_channels)


def woven(order: Order, record: BlockRecord, layers: Layers) -> tuple[Ops, Ops]:
    """The branch of a block of these layers with the norms and activations of an order, and what
    follows the addition. ValueError where the order does not say how they stand in such a block.
    """
    if not is_tokens(record):
        return interleave(order, layers)
    if order.tokens is None:
        raise ValueError(
            "the activation order does not say where the norms of token blocks such as "
            f"{record.type.name} stand: take one of {', '.join(token_orders())}."
        )
    return surround(order.tokens, layers)


def token_orders() -> list[str]:
    """The activation orders of networks with token blocks."""
    return [name for name in ORDERS if ORDERS[name]().tokens]


def behind_addition(around: Around) -> tuple[str, ...]:
    """What of an order stands behind the addition of a token block."""
    return around.cycle[len(around.cycle) - around.after_addition :]


def surround(around: Around, layers: Layers) -> tuple[Ops, Ops]:
    """The layers of a token block, behind each convolution that is not linear an activation, with
    norms around them: the branch, and what follows the addition.
    """
    inside: list[Op] = []
    for layer in layers:
        inside += [layer, Activation()] if takes_activation(layer) else [layer]
    convs = [layer for layer in layers if isinstance(layer, Conv)]
    place = around.cycle.index("branch")
    lead = (Norm(convs[0].in_channels),) * place
    tail = (Norm(convs[-1].out_channels),) * (len(around.cycle) - place - 1)
    cut = len(tail) - around.after_addition
    return (*lead, *inside, *tail[:cut]), tail[cut:]


def takes_activation(op: Op) -> bool:
    """Whether an activation stands behind it in a token block."""
    return isinstance(op, Conv) and not op.linear


@lru_cache(maxsize=1024)  # blocks of a network, and networks of a space, have many in common
def interleave(order: Order, layers: Layers) -> tuple[Ops, Ops]:
    """Norms and activations between convolutions: the branch, and what follows the addition.

    Other layers stand right before the next convolution, or before the addition. Where the
    activation comes before the convolution, that of the first one is left out if it would be
    behind the last one.
    """
    ops: list[Op] = []
    others: list[Op] = []
    norm_first = order.cycle.index("norm") < order.cycle.index("conv")
    act_first = order.cycle.index("act") < order.cycle.index("conv")
    before = last_convolution(layers)
    for layer in layers:
        if not isinstance(layer, Conv):
            others.append(layer)
            continue
        channels = layer.in_channels if norm_first else layer.out_channels
        act = activation_after(before if act_first else layer)
        norm = norm_after(before if norm_first else layer, channels)
        table: dict[str, Ops] = {"norm": (norm,), "act": (act,)}
        table["conv"] = (*others, layer)
        ops += [op for name in order.cycle for op in table[name]]
        others, before = [], layer
    cut = len(ops) - order.after_addition
    return (*ops[:cut], *others), tuple(ops[cut:])


def stride_of(op: Op) -> int:
    """By how much an operation shrinks height and width."""
    match op:
        case Conv() | ZeroPad() | SpaceToDepth():
            return op.stride
        case AvgPool(size):
            return size
        case MaxPool():
            return 2
    return 1


def iterate_operations(
    layout: Layout, image_shape: tuple[int, int, int]
) -> Iterator[tuple[str, Op, int, int]]:
    """Every operation as (part, operation, pixels in, pixels out) along the network.

    The part is "stem", "block 3", "shortcut 3" or "final"; sizes are height * width.
    """
    size = image_shape[1:]
    parts: list[tuple[str, Ops]] = [("stem", layout.stem)]
    for number, block in enumerate(layout.blocks):
        parts.append((f"block {number}", block.entry + block.before))
        if block.shortcut is not None:
            parts.append((f"shortcut {number}", block.shortcut))
        join = () if block.shortcut is None else (block.join,)
        parts.append((f"block {number}", block.branch + join + block.after))
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
            if isinstance(op, GlobalPool | FirstPlace):
                smaller = 1, 1
            if isinstance(op, ClassToken):
                smaller = 1, 1 + here[0] * here[1]
            yield part, op, here[0] * here[1], smaller[0] * smaller[1]
            here = smaller
        size = size if part.startswith("shortcut") else here


def check_choices(architecture: Architecture) -> None:
    """Refuse an unknown activation, a network without stages, and sizes that are no counts."""
    activation_layer(architecture)
    start_of(architecture)
    if not architecture.stages:
        raise ValueError("a network needs at least one stage, found none.")
    architecture.check_sizes()
    for stage in architecture.stages:
        unsaid = JOINS.options(stage.join.name).keys() - stage.join.arguments.keys()
        for key in {"growth", "streams"} & unsaid:
            raise ValueError(f"the join {stage.join.name} must say its {key}, found none.")


def check(architecture: Architecture, layout: Layout) -> None:
    """Refuse channel counts, group counts and strides that cannot be, in one sentence."""
    check_start(architecture, layout)
    check_streams(architecture, layout)
    check_tokens(architecture)
    groups = norm_groups(architecture)
    for part, op, _, _ in iterate_operations(layout, architecture.image_shape):
        if isinstance(op, Conv):
            check_conv(part, op)
        if architecture.is_of_rows:
            check_row(part, op)
        if isinstance(op, Attention) and (op.heads < 1 or op.channels % op.heads):
            raise ValueError(
                f"{op.heads} heads cannot share the {op.channels} channels of {part}: their number "
                "must be at least 1 and divide that of the channels."
            )
        if isinstance(op, Dropout) and not 0 <= op.rate < 1:
            raise ValueError(f"dropout must be at least 0 and below 1, found {op.rate:g}.")
        if isinstance(op, Norm) and groups is not None and groups > 0 and op.channels % groups:
            raise ValueError(
                f"{groups} norm groups do not divide the {op.channels} channels of {part}."
            )
        if isinstance(op, Norm) and groups is not None and groups < 0:
            raise ValueError(f"the number of norm groups must be at least 1, found {groups}.")


def check_row(part: str, op: Op) -> None:
    """Refuse what looks at neighbours, which the features of a row have not."""
    seen = op.kernel_size if isinstance(op, Conv) else 3 if isinstance(op, MaxPool) else 1
    if seen > 1:
        raise ValueError(
            f"{part} looks at {seen}x{seen} pixels, and a row of a table has features without "
            "neighbours: take stem: linear with block: mlp, or kernels of 1."
        )


def check_start(architecture: Architecture, layout: Layout) -> None:
    """Refuse branches that would stay at zero: an activation such as ReLU has no gradient there."""
    start = start_of(architecture)
    for number, block in enumerate(layout.blocks):
        behind = block.branch[last_scaled(block.branch) :]
        dead = block.shortcut is not None and any(isinstance(op, Activation) for op in behind)
        if dead and start(2).last == 0:
            raise ValueError(
                f"initialisation {architecture.initialisation} starts branches as zero, and block "
                f"{number} has one that ends in an activation, behind which it would stay zero: "
                "take another activation order, or initialisation he."
            )


def check_streams(architecture: Architecture, layout: Layout) -> None:
    """Refuse norms behind the addition of several streams: each stream would need its own."""
    if not any(block.join.streams for block in layout.blocks):
        return
    for record, block in zip(architecture.blocks(), layout.blocks, strict=True):
        if block.join.streams and any(isinstance(op, Norm) for op in block.after):
            raise ValueError(
                f"activation order {architecture.activation_order} has a norm behind the addition, "
                f"and the join {record.join} {block.join.streams} streams to be normalised there: "
                "take another activation order, or another join."
            )


def check_tokens(architecture: Architecture) -> None:
    """Refuse an activation order of token blocks where there are none, and a class token that would
    not reach the classifier.
    """
    records = architecture.blocks()
    first = next((number for number, one in enumerate(records) if is_tokens(one)), None)
    if first is None and ORDERS[architecture.activation_order]().tokens:
        others = [name for name in ORDERS if name not in token_orders()]
        raise ValueError(
            f"activation order {architecture.activation_order} is one of token blocks, and there "
            f"are none: take one of {', '.join(others)}."
        )
    if architecture.pooling == "class_token":
        behind = [] if first is None else records[first:]
        if not behind or any(one.stride != 1 or not is_tokens(one) for one in behind):
            raise ValueError(
                "pooling class_token: the class token needs token blocks that keep their places, "
                "as transformer with stride 1, up to the last block."
            )


def check_conv(part: str, conv: Conv) -> None:
    """Channels of at least one, and groups that divide both of their numbers."""
    if conv.groups < 1:
        raise ValueError(f"the number of groups must be at least 1, found {conv.groups}.")
    if not 1 <= conv.dilation <= MAX_DILATION:
        raise ValueError(f"dilation must be from 1 to {MAX_DILATION}, found {conv.dilation}.")
    if conv.kernel_size % 2 == 0 and (conv.stride, conv.dilation) != (conv.kernel_size, 1):
        raise ValueError(
            f"a convolution of {part} has a kernel of {conv.kernel_size}: an even one sees "
            f"patches, so its stride must be {conv.kernel_size}, found {conv.stride}."
        )
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
