"""The parts of an exported module: the functions and classes that its network is made of.

Block types are copied from nas/model/blocks.py and block classes from nas/model/network.py; the
rest is written from the layout.
"""

import inspect
import math
from collections.abc import Iterator
from typing import Any

from nas.common.registry import base_name
from nas.export.conv_source import CONV_CLASSES, OPTIONS, conv_source
from nas.export.copying import Copier
from nas.export.formatting import (
    SourceText,
    fitted,
    literal,
    numbers,
    options,
    shared_options,
    without,
    wrapped,
)
from nas.export.operations import Operations
from nas.export.shortcut_source import SHAPE, function_names, general_shortcuts
from nas.export.weaving import Surrounding, Weaving
from nas.model import block_layers, blocks, network
from nas.model.architecture import Architecture, BlockRecord, Stage, units_of
from nas.model.blocks import (
    BLOCKS,
    ORDERS,
    SHORTCUTS,
    Activation,
    Attention,
    ClassToken,
    Conv,
    FirstPlace,
    GlobalPool,
    Join,
    Layers,
    Norm,
    Op,
    Ops,
    Pool,
    Positions,
    SpaceToDepth,
    SqueezeExcite,
    Times,
    ZeroPad,
)
from nas.model.layout import (
    Block,
    is_tokens,
    iterate_operations,
    lay_out,
    layers_of,
    stride_of,
    takes_activation,
)

DILATED = '''\
def dilated(convs, dilation):
    """Kernels larger than 1x1 see places at this distance (Yu and Koltun 2016)."""
    for layer in convs:
        if isinstance(layer, nn.Conv2d) and layer.kernel_size[0] in (3, 5, 7):
            layer.dilation = (dilation, dilation)
            layer.padding = (layer.kernel_size[0] // 2 * dilation,) * 2
    return convs'''
DROPPED = '''\
def dropped(convs, rate):
    """Dropout before each convolution but the first (Zagoruyko and Komodakis 2016)."""
    layers = []
    for layer in convs:
        if isinstance(layer, nn.Conv2d) and any(isinstance(one, nn.Conv2d) for one in layers):
            layers.append(Dropout(rate))
        layers.append(layer)
    return layers'''
#: operations of shortcuts -> their classes
RESHAPING: dict[type, type] = {
    ZeroPad: network.ZeroPad,
    SpaceToDepth: block_layers.SpaceToDepth,
    Times: block_layers.Times,
}
#: operations in front of blocks, and behind the last one -> their classes
BESIDE: dict[type, type] = {
    ClassToken: block_layers.ClassToken,
    Positions: block_layers.Positions,
    FirstPlace: block_layers.FirstPlace,
    GlobalPool: block_layers.GlobalPool,
}
#: the join that is written as a sum
ADDITION = Join("Add")
#: the functions that make blocks: those with "plain" in their names have no shortcut
BLOCK_FUNCTIONS = {
    "block": "A branch of these convolutions with a shortcut around it.",
    "plain_block": "These convolutions without a shortcut.",
    "first_block": "The stem has activated x already: the branch starts with a convolution.",
    "first_plain_block": "The stem has activated x already: the block starts with a convolution.",
    "shared_block": "Branch and shortcut both read the activated x.",
    "stream_block": "A branch of these convolutions between streams.",
    "first_stream_block": "The same behind the stem, which has activated x already.",
    "token_block": "A branch of these layers with a shortcut around it.",
    "plain_token_block": "These layers without a shortcut.",
    "shared_token_block": "Branch and shortcut both read the normalised x.",
    "stream_token_block": "A branch of these layers between streams.",
}
#: those that fill another class than Residual
PARTS: dict[str, type] = {
    **dict.fromkeys(("plain_block", "plain_token_block"), network.Plain),
    **dict.fromkeys(("stream_block", "stream_token_block"), network.Streamed),
}
NETWORK = '''\
class Network(nn.Module):
    """Input (N, {shape}) float, output (N, {classes}) logits."""

    def __init__(self):
        super().__init__()
{stem}
        self.stages = nn.Sequential(
{stages}
        )
{final}        self.head = nn.Linear({features}, {classes})

    def forward(self, x):
        x = self.stages(self.stem(x))
        return self.head({last}.mean((2, 3)))'''


class Writer(Operations):
    """Writes the parts of one network."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__(architecture)
        self.architecture = architecture
        self.copier = Copier()
        self.layout = lay_out(architecture)
        self.blocks = list(zip(architecture.blocks(), self.layout.blocks, strict=True))
        self.order = ORDERS[architecture.activation_order]()
        self.order_name = base_name(architecture.activation_order)
        self.convs = [(r, b) for r, b in self.blocks if not is_tokens(r)]
        self.tokens = [(r, b) for r, b in self.blocks if is_tokens(r)]
        self.tokens_name = f"{self.order_name}_tokens" if self.convs else self.order_name
        self.joins = [b.join for b in self.layout.blocks if b.shortcut is not None]
        self.joined = any(join != ADDITION for join in self.joins)
        self.shortcuts = general_shortcuts(self.blocks)
        self.functions = function_names(self.shortcuts)
        types = [unit for s in architecture.stages for unit in units_of(s.block)]
        self.options = {unit.name: options(unit) for unit in reversed(types)}

    def parts(self) -> Iterator[tuple[str, str]]:
        """Name and source of everything the network uses, in the order of use; some come twice."""
        yield from self.convolutions()
        yield from self.norm_class()
        yield from self.block_types()
        yield from self.modifiers()
        if isinstance(self.activation.kind, type):
            yield from self.copier.kind(self.activation.kind)
        for kind in dict.fromkeys(join.kind for join in self.joins if self.joined):
            yield from self.copier.kind(network.join_class(kind))
        yield from self.orders()
        for name in dict.fromkeys(record.shortcut for record, _ in self.blocks):
            yield from self.shortcut_parts(name)
        yield from self.block_functions()
        yield from self.beside_blocks()
        yield "Network", self.network()

    def block_types(self) -> Iterator[tuple[str, str]]:
        """The functions of all block types, after the class of attention where that is used."""
        if any(isinstance(op, Attention) for record, _ in self.tokens for op in layers_of(record)):
            yield from self.copier.kind(block_layers.Attention)
        for name in dict.fromkeys(record.type.name for record, _ in self.blocks):
            yield from self.block_type(name, self.copier)

    def orders(self) -> Iterator[tuple[str, str]]:
        """The functions of the activation order, for convolutions and for tokens."""
        if self.convs:
            yield self.order_name, self.interleave()
        if self.tokens:
            yield self.tokens_name, self.surround()

    def beside_blocks(self) -> Iterator[tuple[str, str]]:
        """The classes of what stands in front of blocks and behind the last one."""
        entries = [op for block in self.layout.blocks for op in block.entry]
        for kind in dict.fromkeys(map(type, (*entries, *self.layout.final))):
            if kind in BESIDE:
                yield from self.copier.kind(BESIDE[kind])

    def block_functions(self) -> Iterator[tuple[str, str]]:
        """The functions that make blocks, each after the class that it fills."""
        used = {self.block_function(record, block) for record, block in self.blocks}
        for name in filter(used.__contains__, BLOCK_FUNCTIONS):
            part = PARTS.get(name.removeprefix("first_"), network.Residual)
            if part is network.Streamed:
                yield from self.copier.kind(part)
            else:
                yield part.__name__, self.block_class(part)
            yield name, self.function(name, part.__name__)
        if used & {network.Residual.__name__}:
            yield network.Residual.__name__, self.block_class(network.Residual)

    def norm_class(self) -> Iterator[tuple[str, str]]:
        """The class of norms that are not torch's."""
        if self.norm_layer is not None:
            yield from self.copier.kind(network.norm_class(self.norm_layer.kind))

    def shortcut_parts(self, name: str) -> Iterator[tuple[str, str]]:
        """The classes that a kind of shortcut needs, and its function."""
        layouts = [b.shortcut for r, b in self.blocks if r.shortcut == name]
        kinds = {type(op) for layout in layouts for op in layout or ()}
        for kind in filter(kinds.__contains__, RESHAPING):
            yield from self.copier.kind(RESHAPING[kind])
        if name in self.shortcuts:
            yield self.functions[name], self.shortcut_function(name, self.shortcuts[name])

    def convolutions(self) -> Iterator[tuple[str, str]]:
        """The function that makes convolutions, after the classes of those that are not torch's."""
        ops = [op for op, _ in self.operations() if isinstance(op, Conv)]
        of_rows = self.architecture.is_of_rows
        found = {network.conv_class(op, of_rows=of_rows) for op in ops}
        classes = [kind for kind in CONV_CLASSES if kind in found]
        for kind in classes:
            yield from self.copier.kind(kind)
        options = [key for key in OPTIONS if self.uses_of(key)]
        yield "conv", conv_source(options, classes, has_norms=self.groups is not None)

    def uses_of(self, argument: str) -> bool:
        """Whether a block type or a convolution of stem and shortcuts gives it."""
        parts = [part for name in self.options for part in self.block_type(name, Copier())]
        rest = [*self.layout.stem, *(op for b in self.layout.blocks for op in b.shortcut or ())]
        usual = getattr(Conv(1, 1, 1), argument)
        given = [getattr(op, argument) for op in rest if isinstance(op, Conv)]
        is_written = any(f"{argument}=" in source for _, source in parts)
        return is_written or any(value != usual for value in given)

    def block_type(self, name: str, copier: Copier) -> Iterator[tuple[str, str]]:
        """The function of a block type, after what it uses."""
        written = self.written_out(name)
        if written is not None:
            yield name, written
        else:
            yield from copier.function(name, BLOCKS.function(name), self.options[name])

    def written_out(self, name: str) -> str | None:
        """The function of a block type of ours as its convolutions, each with its numbers; None
        where it computes with the numbers of channels, or where stages have different options.
        """
        records = [record for record, _ in self.blocks if record.type.name == name]
        chosen = [options(record.type) for record in records]
        is_ours = BLOCKS.function(name).__module__ == blocks.__name__
        if not is_ours or chosen != chosen[:1] * len(chosen):
            return None
        own = {k: v for k, v in records[0].type.arguments.items() if k in chosen[0]}
        try:
            layers = self.with_norms(BLOCKS[name](*SHAPE, **own))
        except TypeError:  # names are no numbers to compute with
            return None
        is_usual = all(literal(BLOCKS.defaults(name)[key]) == chosen[0][key] for key in chosen[0])
        said = ", ".join(f"{key}={value}" for key, value in chosen[0].items())
        about = BLOCKS.description(name) if is_usual else f"{name}: {said}."
        items = [self.op(op) for op in layers]
        end = "(" + items[0] + ",)" if len(items) == 1 else lines_of_tuple(items)
        return f"def {name}({', '.join(SHAPE)}):\n{wrapped(about)}\n    return {end}"

    def modifiers(self) -> Iterator[tuple[str, str]]:
        """What the options that all block types have need."""
        used = {key for record, _ in self.blocks for key in shared_options(record.type)}
        if "dilation" in used:
            yield "dilated", DILATED
        if "dropout" in used:
            yield from self.copier.kind(block_layers.Dropout)
            yield "dropped", DROPPED
        if "se" in used:
            yield from self.copier.kind(block_layers.SqueezeExcite)

    def operations(self) -> Iterator[tuple[Op, str]]:
        """Every operation of the network, with the part that it stands in."""
        shape = self.architecture.image_shape
        return ((op, part) for part, op, _, _ in iterate_operations(self.layout, shape))

    def with_norms(self, layers: Layers) -> Layers:
        """The layers of a block, without norms where the network has none."""
        kept = (op for op in layers if self.groups is not None or not isinstance(op, Norm))
        return tuple(kept)

    def interleave(self) -> str:
        """The function that puts norms and activations between convolutions."""
        cycle = self.order.cycle
        norm_first = cycle.index("norm") < cycle.index("conv")
        act_first = cycle.index("act") < cycle.index("conv")
        layers = [self.with_norms(layers_of(record)) for record, _ in self.convs]
        convs = [op for ops in layers for op in ops if isinstance(op, Conv)]
        linear = any(op.linear for op in convs)
        bare = self.groups is not None and any(op.bare for op in convs)
        others = any(not isinstance(op, Conv) for ops in layers for op in ops)
        channels: Any = SourceText("layer.in_channels" if norm_first else "layer.out_channels")
        act = self.op(Activation())
        if linear:
            act = f"nn.Identity() if {'before' if act_first else 'layer'}.linear else {act}"
        norm = self.op(Norm(channels))
        if bare:
            norm = f"nn.Identity() if {'before' if norm_first else 'layer'}.bare else {norm}"
        table = {"conv": ["*others", "layer"] if others else ["layer"]}
        table |= {"norm": [norm], "act": [act]}
        return Weaving(
            name=self.order_name,
            about=str(inspect.getdoc(ORDERS.function(self.architecture.activation_order))),
            cycle=[item for name in self.cycle(tokens=False) for item in table[name]],
            others=others,
            remembers=(linear and act_first) or (bare and norm_first),
            after=len(self.convs[0][1].after),
        ).source()

    def surround(self) -> str:
        """The function that puts norms around the layers of token blocks."""
        cycle, has_norms = self.cycle(tokens=True), self.groups is not None
        place = cycle.index("branch")
        layers = [op for record, _ in self.tokens for op in layers_of(record)]
        convs = [op for op in layers if isinstance(op, Conv)]
        before, behind = SourceText("convs[0].in_channels"), SourceText("convs[-1].out_channels")
        return Surrounding(
            name=self.tokens_name,
            about=ORDERS.description(self.architecture.activation_order),
            norms=(
                [self.op(Norm(before))] * place if has_norms else [],  # type: ignore[arg-type]
                [self.op(Norm(behind))] * (len(cycle) - place - 1) if has_norms else [],  # type: ignore[arg-type]
            ),
            activation=self.op(Activation()) if any(map(takes_activation, layers)) else None,
            linear=any(op.linear for op in convs),
        ).source()

    def cycle(self, *, tokens: bool) -> list[str]:
        """What the order puts around a convolution, or the branch of a token block."""
        cycle = self.order.tokens.cycle if tokens and self.order.tokens else self.order.cycle
        return [name for name in cycle if name != "norm" or self.groups is not None]

    def lead(self, *, tokens: bool) -> int:
        """How much of it stands before."""
        return self.cycle(tokens=tokens).index("branch" if tokens else "conv")

    def shortcut_function(self, name: str, layout: Ops) -> str:
        """The function that makes a shortcut of these operations."""
        about = wrapped(SHORTCUTS.description(name))
        result = self.sequential("return ", layout, 4)
        return f"def {self.functions[name]}({', '.join(SHAPE)}):\n{about}\n{result}"

    def shortcut(self, record: BlockRecord, layout: Ops) -> str:
        """The expression of one shortcut."""
        if record.shortcut in self.shortcuts:
            shape = numbers(*record.shortcut_shape)
            return f"{self.functions[record.shortcut]}({shape})"
        items = [self.op(op) for op in layout]
        if len(layout) == 1 and isinstance(layout[0], Pool | Times):
            return items[0]
        return f"nn.Sequential({', '.join(items)})" if items else "nn.Identity()"

    def block_class(self, part: type) -> str:
        """A class of nas/model/network.py without what no block of this network has."""
        source = inspect.getsource(part).rstrip()
        for name in ("before", "after"):
            if not any(getattr(block, name) for block in self.layout.blocks):
                source = without(source, name)
        if not self.joined:
            source = without(source, "join").replace("shortcut(x), ", "shortcut(x) + ")
        source = source.replace("join=None", "join").replace("join or Add()", "join")
        if "before" in source or not all(block.after for block in self.layout.blocks):
            return source
        return source.replace("after=None", "after").replace("after or nn.Identity()", "after")

    def block_function(self, record: BlockRecord, block: Block) -> str:
        """The name of the function that makes a block, or the class of one that is written out: its
        input is made smaller, or what follows the join has other channels than the branch.
        """
        others = record.beside and any(isinstance(op, Norm) for op in block.after)
        if others or any(isinstance(op, Conv) for op in block.before):
            return network.Residual.__name__
        is_bare = isinstance(self.layout.stem[-1], Conv)
        tokens = is_tokens(record)
        first = not tokens and block is self.layout.blocks[0] and not is_bare
        place = "shared_" if block.before else "first_" if first and self.lead(tokens=False) else ""
        place += "stream_" if block.join.streams else "plain_" if block.shortcut is None else ""
        return place + ("token_block" if tokens else "block")

    def function(self, name: str, part: str) -> str:
        """The function of that name, which fills a block class."""
        tokens = "token" in name
        start = self.lead(tokens=tokens) if name.startswith(("first_", "shared_")) else 0
        cut = len((self.tokens if tokens else self.convs)[0][1].after)
        given = "parts" if tokens else "convs"
        shortcut = {
            "Plain": [],
            "Residual": ["shortcut", "join"][: 1 + self.joined],
            "Streamed": ["shortcut", "join", "opens", "closes"],
        }[part]
        arguments = [self.layers(tokens, start, -cut), *shortcut]
        if name.startswith("shared_"):
            arguments.append(f"before={self.layers(tokens, 0, start)}")
        if cut:
            arguments.append(f"after={self.layers(tokens, -cut, 0)}")
        return (
            f'def {name}({", ".join([given, *shortcut])}):\n    """{BLOCK_FUNCTIONS[name]}"""\n'
            f"    layers = {self.tokens_name if tokens else self.order_name}({given})\n"
            + fitted(f"return {part}(", arguments, ")", 4)
        )

    def layers(self, tokens: bool, start: int, stop: int) -> str:
        """Those of the layers of the order as one module; 0 is the beginning or the end."""
        if (self.cycle(tokens=tokens) * 2)[start or None : stop or None] == ["act"]:
            return f"layers[{start}]"
        return f"nn.Sequential(*layers[{start or ''}:{stop or ''}])".replace("[:]", "")

    def network(self) -> str:
        """The class Network."""
        final = self.layout.final
        return NETWORK.format(
            shape=numbers(*self.architecture.image_shape),
            classes=literal(self.architecture.num_classes),
            stem=self.sequential("self.stem = ", self.layout.stem, 8),
            stages="\n".join(self.stages()),
            final=self.sequential("self.final = ", final, 8) + "\n" if final else "",
            features=literal(self.layout.features),
            last="self.final(x)" if final else "x",
        )

    def stages(self) -> Iterator[str]:
        """The lines of the stages: one for each block."""
        stride = math.prod(map(stride_of, self.layout.stem))
        for index, stage in enumerate(self.architecture.stages):
            stride *= stage.stride
            height, width = (-(-size // stride) for size in self.architecture.image_shape[1:])
            about = f"stage {index + 1}: {width_text(stage)} channels, {height}x{width}"
            if self.architecture.is_of_rows:
                about = f"stage {index + 1}: {width_text(stage)} features"
            yield f"            nn.Sequential(  # {about}"
            for record, block in self.blocks:
                if record.stage == index:
                    yield from (f"                {self.op(op)}," for op in block.entry)
                    yield self.block_line(record, block)
            yield "            ),"

    def block_line(self, record: BlockRecord, block: Block) -> str:
        """The call that makes one block."""
        function = self.block_function(record, block)
        if function == network.Residual.__name__:
            return fitted(f"{function}(", self.written_block(record, block), "),", 16)
        name, usual = record.type.name, self.options[record.type.name]
        shape = numbers(*record.branch_shape)
        chosen = [f"{k}={v}" for k, v in options(record.type).items() if v != usual[k]]
        items = [modified_call(f"{name}({', '.join([shape, *chosen])})", record)]
        if block.shortcut is not None:
            items.append(self.shortcut(record, block.shortcut))
        if self.joined and block.shortcut is not None:
            items.append(self.op(block.join))
        if block.join.streams:
            items += [f"opens={block.opens}", f"closes={block.closes}"]
        return fitted(f"{function}(", items, "),", 16)

    def written_block(self, record: BlockRecord, block: Block) -> list[str]:
        """The arguments of a block with a shortcut that is written out."""
        parts = {"before=": block.before, "after=": block.after}
        return [
            self.sequential("", block.branch, 20).strip(),
            self.shortcut(record, block.shortcut or ()),
            self.op(block.join),
            *(self.sequential(name, ops, 20).strip() for name, ops in parts.items() if ops),
        ]


def width_text(stage: Stage) -> str:
    """The channels of a stage as source, or the least and the most."""
    widths = [literal(width) for width in (stage.widths[0], stage.width)]
    return widths[1] if widths[0] == widths[1] else " to ".join(widths)


def modified_call(call: str, record: BlockRecord) -> str:
    """The call of a block type with what the options that all types have do to it."""
    shared = shared_options(record.type)
    if "dilation" in shared:
        call = f"dilated({call}, {shared['dilation']})"
    if "dropout" in shared:
        call = f"dropped({call}, {shared['dropout']})"
    if "se" in shared:
        last = layers_of(record)[-1]
        assert isinstance(last, SqueezeExcite)
        call = f"(*{call}, SqueezeExcite({numbers(last.channels, last.inner)}))"
    return call


def lines_of_tuple(items: list[str]) -> str:
    """A tuple with one item on each line."""
    return "(\n" + "".join(f"        {item},\n" for item in items) + "    )"
