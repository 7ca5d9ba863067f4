"""The nn.Module of an architecture, built from its layout and initialised part by part."""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from nas.model import block_layers, join_layers
from nas.model import blocks as ops
from nas.model.architecture import Architecture
from nas.model.block_layers import (
    Attention,
    ClassToken,
    Dropout,
    FirstPlace,
    GlobalPool,
    Linear,
    Patches,
    Positions,
    SpaceToDepth,
    SqueezeExcite,
    Times,
)
from nas.model.blocks import ORDERS
from nas.model.initialisations import Start
from nas.model.join_layers import Add, RandomStream
from nas.model.layout import (
    Block,
    Layout,
    activation_layer,
    is_tokens,
    last_scaled,
    lay_out,
    norm_groups,
    norm_layer,
    scales_of,
    start_of,
)


class Residual(nn.Module):
    """A block with a shortcut: after(join(shortcut(x), branch(x))), where x is before(input)."""

    def __init__(self, branch, shortcut, join=None, before=None, after=None):
        super().__init__()
        self.before = before or nn.Identity()
        self.branch = branch
        self.shortcut = shortcut
        self.join = join or Add()
        self.after = after or nn.Identity()

    def forward(self, x):
        x = self.before(x)
        return self.after(self.join(self.shortcut(x), self.branch(x)))


class Streamed(nn.Module):
    """A block between streams: each is after(H_r X + H_w branch(H_d X)), where the join gives the
    matrices. They are opened as copies of x and closed to their mean.

    They are kept as the first one and what the others differ from it by, one behind the other in
    the batch. Where they do not differ, as at the start, the first is rounded as a sum alone would
    be, forwards and backwards, and the differences stay 0.
    """

    def __init__(self, branch, shortcut, join, opens, closes, after=None):
        super().__init__()
        self.branch = branch
        self.shortcut = shortcut
        self.join = join
        self.opens = opens
        self.closes = closes
        self.after = after or nn.Identity()

    def forward(self, x):
        mix, write, read = self.join()
        first, *others = (x,) if self.opens else x.unflatten(0, (len(write), -1))
        streams = [self.shortcut(first), *others]
        branch = self.branch(weighed(self.of_differences(read[None])[0], streams))
        rows = self.of_differences(mix)
        first = weighed(rows[0], streams) + write[0] * branch
        weights = zip(rows[1:] - rows[0], write[1:] - write[0], strict=True)
        others = [weighed(row, streams) + factor * branch for row, factor in weights]
        if not isinstance(self.after, nn.Identity):
            first, others = self.after(first), [self.followed(first, one) for one in others]
        joined = torch.cat([first, *others])
        return self.mean(joined) if self.closes else joined

    def of_differences(self, rows):
        """Weights of streams, (k, n), as those of the first one and of the differences from it."""
        sums = rows.sum(1, keepdim=True)
        sums = torch.ones_like(sums) if self.join.is_stochastic else sums
        return torch.cat((sums, rows[:, 1:]), 1)

    def followed(self, first, difference):
        """What a stream differs by from the first one behind what follows the addition. Through a
        view, so that the two gradients of the first one meet here, and cancel where they are equal.
        """
        first = first.view_as(first)
        return self.after(first + difference) - self.after(first)

    def mean(self, streams):
        """The mean of all streams."""
        first, *others = streams.unflatten(0, (len(self.join.write), -1))
        return first + sum(others) / (1 + len(others)) if others else first


def weighed(weights, streams):
    """The sum of streams, each times its weight; those that are left out at the end are 0."""
    first, *others = [weight * stream for weight, stream in zip(weights, streams, strict=False)]
    return sum(others, first)


class Plain(nn.Module):
    """A block without a shortcut: after(branch(x))."""

    def __init__(self, branch, after=None):
        super().__init__()
        self.branch = branch
        self.after = after or nn.Identity()

    def forward(self, x):
        return self.after(self.branch(x))


class ZeroPad(nn.Module):
    """Subsample by the stride; append zero channels or drop surplus ones (He et al. 2015)."""

    def __init__(self, in_channels, out_channels, stride):
        super().__init__()
        self.extra = out_channels - in_channels
        self.stride = stride

    def forward(self, x):
        return F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, 0, self.extra))


class StridedPointwise(nn.Conv2d):
    """1x1 convolution with a stride: subsample, then convolve with stride 1.

    oneDNN's own kernel for it writes past its buffer if input channels are few (oneDNN issue 6035).
    The mean of a single pixel is that pixel; unlike slices, pooling keeps channels last in the
    gradient.
    """

    def forward(self, x):
        x = F.avg_pool2d(x, 1, self.stride)
        return F.conv2d(x, self.weight, self.bias, groups=self.groups)


class Network(nn.Module):
    """Stem, stages of blocks, pooling and a linear classifier.

    Input (N, C, H, W) float, output (N, num_classes) logits. The weights follow from `seed` and
    from each layer's place alone, so networks that differ in their shortcuts share the rest to the
    last bit. With `checkpointing`, blocks are computed again in the backward pass instead of kept.
    """

    def __init__(
        self, architecture: Architecture, *, seed: int = 0, checkpointing: bool = False
    ) -> None:
        super().__init__()
        self.architecture = architecture
        self.checkpointing = checkpointing
        layout = lay_out(architecture)
        make = partial(sequence, architecture)
        self.stem = make(layout.stem)
        stages = [nn.Sequential() for _ in architecture.stages]
        for record, block in zip(architecture.blocks(), layout.blocks, strict=True):
            stages[record.stage].extend([*make(block.entry), build_block(architecture, block)])
        self.stages = nn.Sequential(*stages)
        self.final = make(layout.final)
        self.head = nn.Linear(layout.features, architecture.num_classes)
        initialise(self, seed)
        scale_start(self, layout, seed)

    def forward(self, x: Tensor) -> Tensor:
        """Logits of a batch of pictures."""
        x = self.stem(x)
        again = self.checkpointing and self.training
        for part in self.parts():
            x = recomputed(part, x) if again and isinstance(part, BLOCK_CLASSES) else part(x)
        logits: Tensor = self.head(self.final(x).mean((2, 3)))
        return logits

    def blocks(self) -> list[nn.Module]:
        """The blocks from input to output, one for each record of the architecture."""
        return [part for part in self.parts() if isinstance(part, BLOCK_CLASSES)]

    def parts(self) -> list[nn.Module]:
        """The blocks, and what stands in front of some of them."""
        return [part for stage in self.stages.children() for part in stage.children()]


#: what a block is, and what stands in front of it is not
BLOCK_CLASSES = Residual, Streamed, Plain


def build_block(architecture: Architecture, block: Block) -> nn.Module:
    """The module of one block."""
    make = partial(sequence, architecture)
    after = make(block.after) if any(op != ops.Identity() for op in block.after) else None
    if block.shortcut is None:
        return Plain(make(block.branch), after)
    before = make(block.before) if block.before else None
    shortcut = make(block.shortcut) if block.shortcut else nn.Identity()
    join = build_op(architecture, block.join, first=False)
    if block.join.streams:
        return Streamed(make(block.branch), shortcut, join, block.opens, block.closes, after)
    return Residual(make(block.branch), shortcut, join, before, after)


def sequence(architecture: Architecture, layout: ops.Ops) -> nn.Sequential:
    """Modules for operations that follow each other."""
    return nn.Sequential(
        *(build_op(architecture, op, first=place == 0) for place, op in enumerate(layout))
    )


def build_op(architecture: Architecture, op: ops.Op, *, first: bool) -> nn.Module:
    """The module of one operation; the first one leaves its input whole, a shortcut may read it."""
    match op:
        case ops.Conv():
            kind = conv_class(op, of_rows=architecture.is_of_rows)
            return convolution(op, kind, bias=op.bias or norm_groups(architecture) is None)
        case ops.Norm(channels):
            return normalisation(architecture, channels)
        case ops.Activation():
            return activation(activation_layer(architecture), overwrite=not first)
        case ops.Join(kind, arguments):
            return join_class(kind)(*arguments)
        case _:
            return LAYERS[type(op)](op)


def normalisation(architecture: Architecture, channels: int) -> nn.Module:
    """The module of a norm."""
    groups, layer = norm_groups(architecture), norm_layer(architecture)
    if layer is not None:
        module: nn.Module = norm_class(layer.kind)(channels, *layer.arguments)
        return module
    return nn.GroupNorm(groups, channels) if groups else nn.BatchNorm2d(channels)


def norm_class(kind: str | type) -> type[nn.Module]:
    """The class of a norm other than batch and group norm."""
    found: type[nn.Module] = getattr(block_layers, kind) if isinstance(kind, str) else kind
    return found


#: operations that are the same in every architecture -> how their module is made
LAYERS: dict[type, Callable[[Any], nn.Module]] = {
    ops.MaxPool: lambda op: nn.MaxPool2d(3, 2, 1),
    ops.GlobalPool: lambda op: GlobalPool(),
    ops.AvgPool: lambda op: nn.AvgPool2d(op.size, ceil_mode=True),
    ops.SpaceToDepth: lambda op: SpaceToDepth(op.in_channels, op.out_channels, op.stride),
    ops.ZeroPad: lambda op: ZeroPad(op.in_channels, op.out_channels, op.stride),
    ops.SqueezeExcite: lambda op: SqueezeExcite(op.channels, op.inner),
    ops.Dropout: lambda op: Dropout(op.rate),
    ops.Attention: lambda op: Attention(op.channels, op.heads),
    ops.ClassToken: lambda op: ClassToken(op.channels),
    ops.Positions: lambda op: Positions(op.channels, op.height, op.width),
    ops.FirstPlace: lambda op: FirstPlace(),
    ops.Times: lambda op: Times(op.factor),
    ops.Identity: lambda op: nn.Identity(),
}


def convolution(op: ops.Conv, kind: type[nn.Conv2d], *, bias: bool) -> nn.Conv2d:
    """The module of a convolution."""
    return kind(
        op.in_channels,
        op.out_channels,
        op.kernel_size,
        op.stride,
        op.kernel_size // 2 * op.dilation if op.kernel_size % 2 else 0,
        dilation=op.dilation,
        groups=op.groups,
        bias=bias,
    )


def join_class(kind: str | type) -> type[nn.Module]:
    """The class of a join."""
    found: type[nn.Module] = getattr(join_layers, kind) if isinstance(kind, str) else kind
    return found


def conv_class(op: ops.Conv, *, of_rows: bool) -> type[nn.Conv2d]:
    """The class of a convolution: no network hands a 1x1 convolution with a stride to oneDNN."""
    if of_rows and op.groups == 1:
        return Linear
    if op.kernel_size % 2 == 0:
        return Patches
    return StridedPointwise if op.kernel_size == 1 and op.stride > 1 else nn.Conv2d


def activation(layer: ops.Layer, *, overwrite: bool) -> nn.Module:
    """An activation; ReLU may overwrite its input, which saves memory and time."""
    if overwrite and layer.kind == "ReLU":
        return nn.ReLU(inplace=True)
    kind = getattr(nn, layer.kind) if isinstance(layer.kind, str) else layer.kind
    module: nn.Module = kind(*layer.arguments)
    return module


def initialise(network: Network, seed: int) -> None:
    """He initialisation, fan-out (He et al. 2015, ICCV), each layer from its own random stream.

    The bias of a convolution in a join stays as it was made.
    """
    for index, block in enumerate(network.blocks()):
        for number, conv in enumerate(branch_convolutions(block)):
            initialise_layer(conv, seed, f"branch {index} {number}")
        for part in ("before", "shortcut", "join"):
            for number, conv in enumerate(convolutions(getattr(block, part, None))):
                place = f"{part} {index} {number}"
                initialise_layer(conv, seed, place, keep_bias=part == "join")
        for number, conv in enumerate(squeezing_convolutions(block)):
            initialise_layer(conv, seed, f"squeeze {index} {number}")
        for number, stream in enumerate(random_streams(block)):
            stream.seed = derived_seed(seed, f"stream {index} {number}")
    for number, conv in enumerate(convolutions(network.stem)):
        initialise_layer(conv, seed, f"stem {number}")
    initialise_positions(network, seed)
    initialise_layer(network.head, seed, "head")


def initialise_positions(network: Network, seed: int) -> None:
    """Learned positions with a deviation of 0.02 (Dosovitskiy et al. 2021)."""
    found = [part for part in network.parts() if isinstance(part, Positions)]
    for number, part in enumerate(found):
        generator = torch.Generator().manual_seed(derived_seed(seed, f"positions {number}"))
        nn.init.normal_(part.positions, std=0.02, generator=generator)


def scale_tokens(network: Network, layout: Layout) -> None:
    """What the activation order makes of the weights of token blocks, but for queries and keys."""
    records = network.architecture.blocks()
    order = ORDERS[network.architecture.activation_order]()
    factor = scales_of(order, sum(map(is_tokens, records)))[1]
    for record, block, laid_out in zip(records, network.blocks(), layout.blocks, strict=True):
        if factor == 1 or not is_tokens(record):
            continue
        modules = block.get_submodule("branch").children()
        behind = [*laid_out.branch[1:], None]
        for module, op, following in zip(modules, laid_out.branch, behind, strict=True):
            if isinstance(op, ops.Conv):
                first = 2 * op.out_channels // 3 if isinstance(following, ops.Attention) else 0
                module.get_parameter("weight").data[first:] *= factor


def scale_start(network: Network, layout: Layout, seed: int) -> None:
    """What the initialisation makes of the weights of blocks; the classifier starts as the last of
    those with a shortcut says.
    """
    start_by_size, head = start_of(network.architecture), 1.0
    places = enumerate(zip(network.blocks(), layout.blocks, strict=True))
    for index, (block, laid_out) in places:
        convs = branch_convolutions(block)
        start = start_by_size(len(convs))
        if start.orthogonal:
            for number, conv in enumerate(convs):
                orthogonal_start(conv, derived_seed(seed, f"orthogonal {index} {number}"))
        if laid_out.shortcut is None or start == Start():
            continue
        last = list(block.get_submodule("branch").children())[last_scaled(laid_out.branch)]
        last.get_parameter("weight").data *= start.last
        for conv in convs:
            conv.weight.data *= start.convolutions
        head = start.head
    network.head.weight.data *= head
    scale_tokens(network, layout)


def orthogonal_start(conv: nn.Conv2d, seed: int) -> None:
    """Orthogonal matrices at the middle of a kernel, one for each group of channels, times the root
    of 2, which half of the numbers lose by ReLU; 0 elsewhere.
    """
    generator = torch.Generator().manual_seed(seed)
    places = conv.weight.data.flatten(2)
    places.zero_()
    for part in places[:, :, places.shape[2] // 2].chunk(conv.groups):
        part.copy_(nn.init.orthogonal_(torch.empty_like(part), gain=2**0.5, generator=generator))


def convolutions(module: nn.Module | None) -> list[nn.Conv2d]:
    """The convolutions of a part, in order."""
    children = module.modules() if module is not None else ()
    return [child for child in children if isinstance(child, nn.Conv2d)]


def branch_convolutions(block: nn.Module) -> list[nn.Conv2d]:
    """The convolutions of a block outside its shortcut, its join and squeeze-and-excitation, and
    without what makes its input smaller.
    """
    parts = [getattr(block, name, None) for name in ("before", "shortcut", "join")]
    others = {id(conv) for part in parts for conv in convolutions(part)}
    others |= {id(conv) for conv in squeezing_convolutions(block)}
    return [conv for conv in convolutions(block) if id(conv) not in others]


def squeezing_convolutions(block: nn.Module) -> list[nn.Conv2d]:
    """The convolutions of squeeze-and-excitation, which see one mean of each channel."""
    parts = [part for part in block.modules() if isinstance(part, SqueezeExcite)]
    return [conv for part in parts for conv in convolutions(part)]


def random_streams(block: nn.Module) -> list[RandomStream]:
    """The streams of random numbers that a block draws from, in order."""
    return [module for module in block.modules() if isinstance(module, RandomStream)]


def derived_seed(seed: int, place: str) -> int:
    """The seed of one part of a network."""
    return int.from_bytes(hashlib.sha256(f"{seed} {place}".encode()).digest()[:7], "big")


def initialise_layer(
    layer: nn.Conv2d | nn.Linear, seed: int, place: str, *, keep_bias: bool = False
) -> None:
    """Normal weights of variance 2 / fan-out (fan-in for the classifier), zero bias."""
    generator = torch.Generator().manual_seed(derived_seed(seed, place))
    nn.init.kaiming_normal_(
        layer.weight,
        mode="fan_out" if isinstance(layer, nn.Conv2d) else "fan_in",
        nonlinearity="relu",
        generator=generator,
    )
    if layer.bias is not None and not keep_bias:
        nn.init.zeros_(layer.bias)


def channels_last(network: Network) -> Network:
    """The network with its weights laid out as is fastest: the channels of a place side by side."""
    for parameter in network.parameters():
        if parameter.dim() == 4:
            parameter.data = parameter.data.to(memory_format=torch.channels_last)
    return network


def recomputed(block: nn.Module, x: Tensor) -> Tensor:
    """The block's output, without keeping what is inside (Chen et al. 2016, sublinear memory)."""
    streams = [(stream, stream.drawn) for stream in random_streams(block)]
    output: Tensor = checkpoint(
        block,
        x,
        use_reentrant=False,
        context_fn=lambda: (nullcontext(), computed_again(block, streams)),
    )
    return output


@contextmanager
def computed_again(block: nn.Module, streams: list[tuple[RandomStream, int]]) -> Iterator[None]:
    """Streams of random numbers stand where they stood before the first pass, and again where they
    stood after it; running statistics are counted in the first pass only.
    """
    after = [stream.drawn for stream, _ in streams]
    for stream, before in streams:
        stream.drawn = before
    with frozen_statistics(block):
        yield
    for (stream, _), drawn in zip(streams, after, strict=True):
        stream.drawn = drawn


@contextmanager
def frozen_statistics(block: nn.Module) -> Iterator[None]:
    """Running statistics are counted in the first pass only."""
    norms = [module for module in block.modules() if isinstance(module, nn.BatchNorm2d)]
    kept = [(norm.momentum, norm.get_buffer("num_batches_tracked").clone()) for norm in norms]
    for norm in norms:
        norm.momentum = 0.0
    try:
        yield
    finally:
        for norm, (momentum, counted) in zip(norms, kept, strict=True):
            norm.momentum = momentum
            norm.get_buffer("num_batches_tracked").copy_(counted)
