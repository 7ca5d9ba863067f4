"""Architecture -> the Python module of its network: torch alone, one line for each block.

Block types are copied from nas/model/blocks.py and block classes from nas/model/network.py: what is
exported is the code that was trained. The rest is written from the layout. Title and facts are the
only foreign text and stand in the docstring alone; all else is a number or a registered name.
"""

import inspect
import math
from collections.abc import Iterable, Iterator
from dataclasses import astuple, fields, replace
from functools import partial
from typing import Any

from torch import nn

from nas.common.registry import base_name
from nas.export.copying import Copier
from nas.export.formatting import (
    TAKEN,
    SourceText,
    docstring,
    fitted,
    free_name,
    has_weights,
    literal,
    numbers,
    options,
    shared_options,
    without,
    wrapped,
)
from nas.export.prediction import Inputs, constants, predict
from nas.export.weaving import Surrounding, Weaving
from nas.model import block_layers, blocks, network
from nas.model.architecture import Architecture, BlockRecord, Stage, units_of
from nas.model.blocks import (
    BLOCKS,
    ORDERS,
    SHORTCUTS,
    Activation,
    Attention,
    AvgPool,
    ClassToken,
    Conv,
    FirstPlace,
    GlobalPool,
    Identity,
    Join,
    Layer,
    Layers,
    MaxPool,
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
    activation_layer,
    is_tokens,
    iterate_operations,
    lay_out,
    layers_of,
    norm_groups,
    norm_layer,
    stride_of,
    takes_activation,
    without_norm,
)

MODULE = """\
{docstring}

{head}


{parts}


if __name__ == "__main__":
    network = Network().eval()
    weights = Path(__file__).with_suffix(".pt")
    if weights.exists():
        network.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
        print("weights:", weights.name)
    with torch.no_grad():
        output = network(torch.zeros(1, {shape}))
    print("output shape:", tuple(output.shape))
    print("parameters:", sum(parameter.numel() for parameter in network.parameters()))
"""
CONV = """\
{head}
{about}
    padding = kernel_size // 2{dilation}{even}
{made}"""
CONV_ARGUMENTS = ["in_channels", "out_channels", "kernel_size", "stride", "padding"]
#: class -> for which kernels and strides it is taken
CONV_CLASSES = {
    network.StridedPointwise: "kernel_size == 1 and stride > 1",
    block_layers.Patches: "kernel_size % 2 == 0",
    block_layers.Linear: "groups == 1",
}
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
#: the shape of a block, as functions in the module call it
SHAPE: Any = tuple(map(SourceText, ("in_channels", "out_channels", "stride")))
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
#: operations without numbers -> how they are made
FIXED: dict[type, str] = {MaxPool: "nn.MaxPool2d(3, 2, 1)", Identity: "nn.Identity()"}
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


def module_source(
    architecture: Architecture, *, title: str, facts: list[str], inputs: Inputs | None = None
) -> str:
    """The module as text; its Network loads the state dict of the nas.Network of the architecture.

    With `inputs` it also has their constants and `predict`. ValueError for a name that is not
    registered and for a value that is not a number.
    """
    parts: dict[str, str] = {}
    try:
        writer = Writer(architecture)
        for name, source in writer.parts():
            if parts.setdefault(free_name(name), source) != source:
                raise ValueError(TAKEN.format(name))
    except (TypeError, LookupError, OverflowError) as error:
        raise ValueError(f"this architecture cannot be exported: {error!r}.") from error
    head, texts = import_block(writer.copier.imports), list(parts.values())
    if inputs is not None:
        head += f"\n\n{constants(inputs)}"
        texts.append(predict(inputs, architecture))
    return MODULE.format(
        docstring=docstring(title, facts),
        head=head,
        parts="\n\n\n".join(texts),
        shape=numbers(*architecture.image_shape),
    )


def import_block(needed: set[str]) -> str:
    """The import lines of a module: those of every one, and those that its copied parts need."""
    lines = needed | {"from pathlib import Path", "import torch", "from torch import nn"}
    ordered = sorted(joined_imports(lines), key=lambda line: (line.startswith("from"), line))
    of_torch = [line for line in ordered if line.split()[1].partition(".")[0] == "torch"]
    others = [line for line in ordered if line not in of_torch]
    return "\n".join([*others, "", *of_torch])


def joined_imports(lines: set[str]) -> Iterator[str]:
    """The lines, with one for all that is imported from the same module."""
    names: dict[str, list[str]] = {}
    for line in sorted(lines):
        module, imports, name = line.partition(" import ")
        if not imports:
            yield line
        else:
            names.setdefault(module, []).append(name)
    for module, found in names.items():
        yield f"{module} import {', '.join(found)}"


class Writer:
    """Writes the parts of one network."""

    def __init__(self, architecture: Architecture) -> None:
        self.architecture = architecture
        self.copier = Copier()
        self.layout = lay_out(architecture)
        self.blocks = list(zip(architecture.blocks(), self.layout.blocks, strict=True))
        self.groups = norm_groups(architecture)
        self.norm_layer = norm_layer(architecture)
        self.activation = activation_layer(architecture)
        self.order = ORDERS[architecture.activation_order]()
        self.order_name = base_name(architecture.activation_order)
        self.convs = [(r, b) for r, b in self.blocks if not is_tokens(r)]
        self.tokens = [(r, b) for r, b in self.blocks if is_tokens(r)]
        self.tokens_name = f"{self.order_name}_tokens" if self.convs else self.order_name
        self.joins = [b.join for b in self.layout.blocks if b.shortcut is not None]
        self.joined = any(join != ADDITION for join in self.joins)
        self.shortcuts = self.general_shortcuts()
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
        options = [key for key in ("dilation", "linear", "bare", "bias") if self.uses_of(key)]
        marks = [key for key in ("linear", "bare") if key in options]
        bias = "bias" if "bias" in options and self.groups is not None else self.groups is None
        arguments = [*CONV_ARGUMENTS, *["dilation=dilation"] * ("dilation" in options)]
        arguments += ["groups=groups", f"bias={bias}"]
        made = fitted(
            f"{'layer =' if marks else 'return'} {'kind' if classes else 'nn.Conv2d'}(",
            arguments,
            ")",
            4,
        )
        lines = [*chosen_class(classes), made]
        lines += [f"    layer.{mark} = {mark}" for mark in marks] + ["    return layer"] * bool(
            marks
        )
        usual = {key: getattr(Conv(1, 1, 1), key) for key in options}
        parameters = ["in_channels", "out_channels", "kernel_size", "stride=1", "groups=1"]
        parameters += [f"{key}={value}" for key, value in usual.items()]
        yield (
            "conv",
            CONV.format(
                head=fitted("def conv(", parameters, "):"),
                about=wrapped(conv_text(options, has_norms=self.groups is not None)),
                made="\n".join(lines),
                dilation=" * dilation" * ("dilation" in options),
                even=" if kernel_size % 2 else 0" * (block_layers.Patches in classes),
            ),
        )

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

    def general_shortcuts(self) -> dict[str, Ops]:
        """Name -> operations in terms of the shape of a block, of the shortcuts with weights, or of
        several operations, that are the same in all blocks; others are written where they stand.
        """
        found: dict[str, dict[Ops | None, None]] = {}
        for record, block in self.blocks:
            if has_weights(block.shortcut) or len(block.shortcut or ()) > 1:
                general = generalised(record, block.shortcut or ())
                found.setdefault(record.shortcut, {})[general] = None
        return {
            name: layout
            for name, layouts in found.items()
            if len(layouts) == 1 and (layout := next(iter(layouts))) is not None
        }

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

    def sequential(self, opening: str, layout: Ops, indent: int) -> str:
        """A line with an nn.Sequential of operations."""
        return fitted(f"{opening}nn.Sequential(", [self.op(op) for op in layout], ")", indent)

    def norm(self, channels: int) -> str:
        """The expression of a norm."""
        if self.norm_layer is not None:
            name = network.norm_class(self.norm_layer.kind).__name__
            return f"{name}({numbers(channels, *self.norm_layer.arguments)})"
        if self.groups:
            return f"nn.GroupNorm({numbers(self.groups, channels)})"
        return f"nn.BatchNorm2d({literal(channels)})"

    def op(self, op: Op) -> str:
        """The expression of one operation."""
        match op:
            case Conv():
                return convolution(op)
            case Norm(channels):
                return self.norm(channels)
            case Activation():
                return layer_call(self.activation)
            case Join(kind, arguments):
                return f"{network.join_class(kind).__name__}({numbers(*arguments)})"
            case MaxPool() | Identity():
                return FIXED[type(op)]
            case AvgPool(size):
                return f"nn.AvgPool2d({literal(size)}, ceil_mode=True)"
            case _:  # a record of the class of the same name
                return f"{type(op).__name__}({numbers(*astuple(op))})"


def chosen_class(classes: list[type[nn.Conv2d]]) -> list[str]:
    """The lines that choose the class of a convolution, where there are others than torch's."""
    words = [part for kind in classes for part in (kind.__name__, f"if {CONV_CLASSES[kind]} else")]
    if len(classes) < 2:
        return [f"    kind = {' '.join(words)} nn.Conv2d"] * len(classes)
    lines = " ".join([*words, "nn.Conv2d"]).replace(" if ", "\nif ").replace(" else ", "\nelse ")
    return ["    kind = (", *(f"        {line}" for line in lines.splitlines()), "    )"]


def width_text(stage: Stage) -> str:
    """The channels of a stage as source, or the least and the most."""
    widths = [literal(width) for width in (stage.widths[0], stage.width)]
    return widths[1] if widths[0] == widths[1] else " to ".join(widths)


def conv_text(options: list[str], *, has_norms: bool) -> str:
    """What the function of convolutions makes."""
    with_bias = (
        "with" if not has_norms else "without" if "bias" not in options else "with or without"
    )
    text = f"Convolution {with_bias} bias, padded so that stride 1 keeps the size"
    text += "; linear: not activated" * ("linear" in options)
    return text + "; bare: not normalised" * ("bare" in options) + "."


def convolution(op: Conv) -> str:
    """The call that makes a convolution, without what is left at its default."""
    shape = op.in_channels, op.out_channels, op.kernel_size, op.stride, op.groups
    items = [*map(literal, shape[: 5 if op.groups != 1 else 4 if op.stride != 1 else 3])]
    items += [SourceText(f"dilation={literal(op.dilation)}")] * (op.dilation != 1)
    marks = {"linear": op.linear, "bare": op.bare, "bias": op.bias}
    items += [SourceText(f"{mark}=True") for mark, is_set in marks.items() if is_set]
    return f"conv({', '.join(items)})"


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


def function_names(kinds: Iterable[str]) -> dict[str, str]:
    """Kind of shortcut -> the name of its function: that of the kind, numbered where it stands
    there with other options as well.
    """
    found: dict[str, str] = {}
    for kind in kinds:
        name = base_name(kind)
        others = sum(base_name(other) == name for other in found)
        found[kind] = f"{name}_{others + 1}" if others else name
    return found


def generalised(record: BlockRecord, layout: Ops) -> Ops | None:
    """The operations of a block's shortcut in terms of its shape; None where they are not those
    that the shortcut gives for the names of the numbers, as where it computes with them.
    """
    values = dict(zip(SHAPE, record.shortcut_shape, strict=True))
    scale = tuple(op for op in layout[-1:] if isinstance(op, Times))
    try:
        symbolic = SHORTCUTS[record.shortcut](*SHAPE) or ()
        for general in (symbolic + scale, without_norm(symbolic) + scale):
            if tuple(map(partial(with_numbers, values), general)) == layout:
                return general
    except Exception:  # a user's own function, given names for numbers, can raise anything
        return None
    return None


def with_numbers(values: dict[SourceText, int], op: Op) -> Op:
    """The operation with numbers for their names."""
    own = {field.name: getattr(op, field.name) for field in fields(op)}
    return replace(op, **{key: values.get(value, value) for key, value in own.items()})


def layer_call(layer: Layer) -> str:
    """The expression that makes a layer."""
    name = f"nn.{layer.kind}" if isinstance(layer.kind, str) else layer.kind.__name__
    return f"{name}({numbers(*layer.arguments)})"
