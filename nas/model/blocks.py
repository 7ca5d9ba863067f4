"""Block types, activation orders, shortcuts, stems, activations and norms: a few lines each.

A part is written as the operations it is made of. From these records the cost is counted, the
network is built and the module is exported; nothing about a block is written twice. A new part is
one entry here, or in a module of one's own (docs/add-a-block.md).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from nas.common.registry import Entry, Registry


@dataclass(frozen=True)
class Conv:
    """Square convolution, padded so that stride 1 keeps the size. An even kernel sees patches, one
    beside the other, so its stride is as large.

    linear and bare: the activation, and the norm, between it and the next convolution is left out.
    bias: it has one also where there are norms.
    """

    in_channels: int
    out_channels: int
    kernel_size: int
    stride: int = 1
    groups: int = 1
    dilation: int = 1
    linear: bool = False
    bare: bool = False
    bias: bool = False


@dataclass(frozen=True)
class Norm:
    """Normalisation; which one is the architecture's choice."""

    channels: int


@dataclass(frozen=True)
class Activation:
    """Activation function; which one is the architecture's choice."""


@dataclass(frozen=True)
class MaxPool:
    """3x3 maximum with stride 2 (He et al. 2015, Table 1)."""


@dataclass(frozen=True)
class AvgPool:
    """Means over squares of this side, those at the edge over what there is of them."""

    size: int


@dataclass(frozen=True)
class GlobalPool:
    """The mean of each channel, as one pixel."""


@dataclass(frozen=True)
class ZeroPad:
    """Subsample by the stride and append zero channels (He et al. 2015, option A)."""

    in_channels: int
    out_channels: int
    stride: int


@dataclass(frozen=True)
class SpaceToDepth:
    """The pixels of a square, as large as the stride, one after the other in the channels; zero
    channels appended or surplus ones dropped.
    """

    in_channels: int
    out_channels: int
    stride: int


@dataclass(frozen=True)
class Join:
    """Where shortcut and branch meet: a module, by its class and the arguments it is made with.

    The class is a name in nas/model/join_layers.py, or an nn.Module of one's own. parameters: the
    numbers it learns; those of convolutions start as in the branch, but for their bias, and all
    others from constants. multiply_adds and kept: of each pixel, and the numbers kept for the
    gradient. streams: how many of them run beside each other where it stands, 0 for x alone; its
    module then gives their weights, see `HyperConnections`. random: in training it leaves parts out
    at random, so that losses there are not those of the whole network.
    """

    kind: str | type
    arguments: tuple[int | float | bool, ...] = ()
    parameters: int = 0
    multiply_adds: int = 0
    kept: int = 0
    streams: int = 0
    random: bool = False


@dataclass(frozen=True)
class SqueezeExcite:
    """Channels scaled by what two small layers make of their means (Hu et al. 2018)."""

    channels: int
    inner: int


@dataclass(frozen=True)
class Dropout:
    """Numbers set to 0 at random in training (Srivastava et al. 2014), from a stream of its own."""

    rate: float


@dataclass(frozen=True)
class Attention:
    """At every place the mean of the values of all places, weighed by what its query and their keys
    have in common, in each head for its part of the channels (Vaswani et al. 2017, section 3.2).

    It gets three times its channels: queries, keys and values.
    """

    channels: int
    heads: int


@dataclass(frozen=True)
class ClassToken:
    """The places of a map as a row, behind a learned one that stands for the picture (Dosovitskiy
    et al. 2021, section 3.1).
    """

    channels: int


@dataclass(frozen=True)
class Positions:
    """Learned numbers for each channel and place, added (Dosovitskiy et al. 2021, section 3.1)."""

    channels: int
    height: int
    width: int


@dataclass(frozen=True)
class FirstPlace:
    """The first place of a row: the class token."""


@dataclass(frozen=True)
class Times:
    """Everything times a number."""

    factor: float


@dataclass(frozen=True)
class Identity:
    """Nothing, in the place of an activation or a norm that is left out."""

    norm: bool = False


Pool = MaxPool | AvgPool | GlobalPool | ZeroPad | SpaceToDepth
Token = Attention | ClassToken | Positions | FirstPlace | Times
Op = Conv | Norm | Activation | Pool | Join | SqueezeExcite | Dropout | Identity | Token
Ops = tuple[Op, ...]
conv = Conv
#: what a block type gives: its convolutions, and others that stand right before the next
#: convolution or, behind the last one, before the addition; a norm may also stand before the first
Layers = tuple[Conv | Norm | SqueezeExcite | Dropout | Attention, ...]


def modified(layers: Layers, *, dilation: int = 1, dropout: float = 0.0, se: float = 0.0) -> Layers:
    """The layers of a block of any type with the options that all types have.

    dilation: distance of the places that kernels larger than 1x1 see (Yu and Koltun 2016).
    dropout: the rate of dropout before each convolution but the first (Zagoruyko and Komodakis
    2016); 0 is none.
    se: the inner width of squeeze-and-excitation before the addition as a share of the outer one
    (Hu et al. 2018); 0 is none.
    """
    if dilation != 1:
        layers = tuple(
            replace(op, dilation=dilation) if isinstance(op, Conv) and sees_others(op) else op
            for op in layers
        )
    if dropout:
        first = next(op for op in layers if isinstance(op, Conv))
        layers = tuple(part for op in layers for part in with_dropout(op, dropout, first))  # type: ignore[misc]
    if se:
        layers += (squeeze(last_convolution(layers).out_channels, se),)
    return layers


def sees_others(conv: Conv) -> bool:
    """Whether its kernel is larger than 1x1 and no patch."""
    return conv.kernel_size > 1 and conv.kernel_size % 2 == 1


def with_dropout(op: Op, rate: float, first: object) -> Ops:
    """A layer, after dropout where it is a convolution other than the first."""
    if isinstance(op, Conv) and op is not first:
        return Dropout(rate), op
    return (op,)


def squeeze(channels: int, ratio: float) -> SqueezeExcite:
    """Squeeze-and-excitation with an inner width of at least one."""
    return SqueezeExcite(channels, max(1, round(channels * ratio)))


def last_convolution(layers: Layers) -> Conv:
    """The last convolution of a block; ValueError where there is none."""
    convs = [op for op in layers if isinstance(op, Conv)]
    if not convs:
        raise ValueError("a block needs at least one convolution.")
    return convs[-1]


@dataclass(frozen=True, kw_only=True)
class BlockType(Entry):
    """The layers of a branch, and how they are used.

    tokens: an activation order stands around the branch as one thing, not around each convolution;
    learned positions are added where such blocks begin. units: the types of the residual units that
    each block is made of, one behind the other, where it has several; each has a shortcut of its
    own, and takes those options that it knows.
    """

    tokens: bool = False
    units: tuple[str, ...] = ()


BLOCKS: Registry[BlockType] = Registry("block type", BlockType, shared=modified)
ORDERS: Registry[Callable[[], "Order"]] = Registry("activation order")
STEMS: Registry[Callable[..., Ops]] = Registry("stem")
ACTIVATIONS: Registry[Callable[[], "Layer"]] = Registry("activation")
NORMS: Registry[Callable[..., "int | NormLayer | None"]] = Registry("norm")


# Block types: the convolutions of the branch F(x), each its own conv(...): an object that stands
# twice would be one layer with shared weights in an exported module.


@BLOCKS.register("basic", later=("convs", "kernel"))
def basic(
    in_channels: int,
    out_channels: int,
    stride: int,
    *,
    convs: Literal[1, 2, 3, 4] = 2,
    kernel: Literal[1, 3, 5, 7] = 3,
) -> Layers:
    """Two 3x3 convolutions (He et al. 2015, section 4.2).

    convs: the number of convolutions, which the shortcut spans.
    kernel: their height and width.
    """
    first = conv(in_channels, out_channels, kernel, stride)
    return first, *(conv(out_channels, out_channels, kernel) for _ in range(convs - 1))


@BLOCKS.register("bottleneck")
def bottleneck(
    in_channels: int,
    out_channels: int,
    stride: int,
    *,
    ratio: float = 0.25,
    groups: int = 1,
    stride_first: bool = False,
) -> Layers:
    """1x1, 3x3 and 1x1 convolution, narrower inside (He et al. 2015; groups: Xie et al. 2017).

    ratio: the inner width as a share of the outer one.
    groups: channel groups of the 3x3 convolution.
    stride_first: the stride is in the first 1x1 convolution, as in He et al., not in the 3x3.
    """
    inner = round(out_channels * ratio)
    first, second = (stride, 1) if stride_first else (1, stride)
    return (
        conv(in_channels, inner, 1, first),
        conv(inner, inner, 3, second, groups),
        conv(inner, out_channels, 1),
    )


@BLOCKS.register("separable")
def separable(
    in_channels: int, out_channels: int, stride: int, *, kernel: Literal[3, 5, 7] = 3
) -> Layers:
    """A depthwise and a 1x1 convolution, twice (Howard et al. 2017; Chollet 2017).

    kernel: height and width of the depthwise convolutions.
    """
    return (
        conv(in_channels, in_channels, kernel, stride, in_channels),
        conv(in_channels, out_channels, 1),
        conv(out_channels, out_channels, kernel, 1, out_channels),
        conv(out_channels, out_channels, 1),
    )


@BLOCKS.register("inverted")
def inverted(
    in_channels: int,
    out_channels: int,
    stride: int,
    *,
    expansion: float = 6.0,
    kernel: Literal[3, 5, 7] = 3,
) -> Layers:
    """1x1, depthwise and 1x1 convolution, wider inside; no activation follows the last one
    (Sandler et al. 2018).

    expansion: the inner width as a multiple of the input's; at 1 the first convolution is left out.
    kernel: height and width of the depthwise convolution.
    """
    inner = round(in_channels * expansion)
    last = (
        conv(inner, inner, kernel, stride, inner),
        conv(inner, out_channels, 1, linear=True),
    )
    return last if inner == in_channels else (conv(in_channels, inner, 1), *last)


@BLOCKS.register("convnext")
def convnext(
    in_channels: int,
    out_channels: int,
    stride: int,
    *,
    kernel: Literal[3, 5, 7] = 7,
    expansion: float = 4.0,
) -> Layers:
    """Depthwise, norm, 1x1, activation and 1x1 convolution, wider inside (Liu et al. 2022, section
    2.6).

    kernel: height and width of the depthwise convolution.
    expansion: the inner width as a multiple of the outer one.
    """
    inner = round(out_channels * expansion)
    return (
        conv(in_channels, in_channels, kernel, stride, in_channels, linear=True, bias=True),
        conv(in_channels, inner, 1, bare=True, bias=True),
        conv(inner, out_channels, 1, linear=True, bare=True, bias=True),
    )


@BLOCKS.register("pyramid")
def pyramid(in_channels: int, out_channels: int, stride: int) -> Layers:
    """Two 3x3 convolutions with a norm before, between and behind them, and one activation, in the
    middle (Han et al. 2017, Fig. 6d)."""
    return (
        Norm(in_channels),
        conv(in_channels, out_channels, 3, stride),
        conv(out_channels, out_channels, 3, linear=True, bare=True),
        Norm(out_channels),
    )


@BLOCKS.register("dense")
def dense(in_channels: int, out_channels: int, stride: int, *, ratio: float = 4.0) -> Layers:
    """1x1 and 3x3 convolution, wider between them (DenseNet-B, Huang et al. 2017, section 3).

    ratio: the width between them as a multiple of the outer one.
    """
    inner = round(out_channels * ratio)
    return conv(in_channels, inner, 1), conv(inner, out_channels, 3, stride)


@BLOCKS.register("mlp")
def mlp(
    in_channels: int,
    out_channels: int,
    stride: int,
    *,
    hidden: float = 2.0,
    residual_dropout: float = 0.0,
    activated: bool = False,
) -> Layers:
    """Two linear layers of the features of a row, as 1x1 convolutions, with an activation and the
    option `dropout` between them and one norm; with the order pre_activation the block of a tabular
    ResNet (Gorishniy et al. 2021, section 3.2). On pictures it is the same at every place.

    hidden: the width between the layers as a multiple of the outer one.
    residual_dropout: the rate of dropout behind the second layer.
    activated: whether an activation stands between the second layer and the next block, so that
    blocks without a shortcut are a plain MLP.
    """
    inner = max(1, round(out_channels * hidden))
    last = (Dropout(residual_dropout),) if residual_dropout else ()
    return (
        conv(in_channels, inner, 1, stride, bare=True, bias=True),
        conv(inner, out_channels, 1, linear=not activated, bias=True),
        *last,
    )


@BLOCKS.register("patches")
def patches(in_channels: int, out_channels: int, stride: int) -> Layers:
    """Norm and one convolution of patches as large as the stride, with nothing behind it (Liu et
    al. 2022, section 2.6, between stages)."""
    return (
        Norm(in_channels),
        conv(in_channels, out_channels, stride, stride, linear=True, bare=True, bias=True),
    )


# Blocks of tokens: each place of a map is a token, and a linear layer a 1x1 convolution.


@BLOCKS.register("attention", tokens=True)
def attention(in_channels: int, out_channels: int, stride: int, *, heads: int = 4) -> Layers:
    """1x1 convolution, self-attention of all places and 1x1 convolution (Vaswani et al. 2017).

    heads: the parts of the channels that attend on their own; it must divide them.
    """
    return (
        conv(in_channels, 3 * out_channels, 1, stride, linear=True, bias=True),
        Attention(out_channels, heads),
        conv(out_channels, out_channels, 1, linear=True, bias=True),
    )


@BLOCKS.register("feed_forward", tokens=True)
def feed_forward(
    in_channels: int, out_channels: int, stride: int, *, expansion: float = 4.0
) -> Layers:
    """1x1 convolution, activation and 1x1 convolution, wider inside: the MLP of tokens (Vaswani et
    al. 2017, section 3.3).

    expansion: the inner width as a multiple of the outer one.
    """
    inner = round(out_channels * expansion)
    return (
        conv(in_channels, inner, 1, stride, bias=True),
        conv(inner, out_channels, 1, linear=True, bias=True),
    )


@BLOCKS.register("transformer", tokens=True, units=("attention", "feed_forward"))
def transformer(
    in_channels: int,
    out_channels: int,
    stride: int,
    *,
    heads: int = 4,
    expansion: float = 4.0,
) -> Layers:
    """Self-attention and the MLP of tokens, two residual units (Vaswani et al. 2017; Dosovitskiy et
    al. 2021).

    heads: the parts of the channels that attend on their own; it must divide them.
    expansion: the inner width of the MLP as a multiple of the outer one.
    """
    first = attention(in_channels, out_channels, stride, heads=heads)
    return *first, *feed_forward(out_channels, out_channels, 1, expansion=expansion)


# Activation orders: how norms and activations stand between the convolutions.


@dataclass(frozen=True)
class Around:
    """What stands around the branch of a token block: norms, and "branch" itself.

    scales: of the number of token blocks the factor of the shortcut, and that of the weights that
    the branches start with, but for queries and keys.
    """

    cycle: tuple[str, ...]
    after_addition: int = 0
    scales: Callable[[int], tuple[float, float]] | None = None


@dataclass(frozen=True)
class Order:
    """The operations repeated for each convolution; the last ones may follow the addition.

    A plain network is one long cycle, whatever the order: only the places of the additions differ.
    tokens: what stands around the branches of token blocks, for networks that have some.
    """

    cycle: tuple[str, str, str]
    after_addition: int
    tokens: Around | None = None


@ORDERS.register("post_activation")
def post_activation() -> Order:
    """Activation after the addition (He et al. 2016, Fig. 4a)."""
    return Order(("conv", "norm", "act"), after_addition=1)


@ORDERS.register("norm_after_addition")
def norm_after_addition() -> Order:
    """Norm and activation after the addition (He et al. 2016, Fig. 4b)."""
    return Order(("conv", "norm", "act"), after_addition=2)


@ORDERS.register("activation_before_addition")
def activation_before_addition() -> Order:
    """All before the addition (He et al. 2016, Fig. 4c)."""
    return Order(("conv", "norm", "act"), after_addition=0)


@ORDERS.register("activation_only_pre_activation")
def activation_only_pre_activation() -> Order:
    """Activation before each convolution (He et al. 2016, Fig. 4d)."""
    return Order(("act", "conv", "norm"), after_addition=0)


@ORDERS.register("pre_activation")
def pre_activation() -> Order:
    """Norm and activation before each convolution (He et al. 2016, Fig. 4e)."""
    return Order(("norm", "act", "conv"), after_addition=0)


# Orders of networks with token blocks. Blocks of convolutions follow in them the order that has its
# norms in the same place.


@ORDERS.register("post_norm")
def post_norm() -> Order:
    """Tokens: norm(x + F(x)) (Vaswani et al. 2017). Convolutions: norm_after_addition."""
    return Order(("conv", "norm", "act"), 2, tokens=Around(("branch", "norm"), after_addition=1))


@ORDERS.register("pre_norm")
def pre_norm() -> Order:
    """Tokens: x + F(norm(x)), and a norm behind the last block (Xiong et al. 2020). Convolutions:
    pre_activation.
    """
    return Order(("norm", "act", "conv"), 0, tokens=Around(("norm", "branch")))


@ORDERS.register("peri_norm")
def peri_norm() -> Order:
    """Tokens: x + norm(F(norm(x))), and a norm behind the last block (sandwich, Ding et al. 2021;
    Peri-LN, Kim et al. 2025, arXiv 2502.02732). Convolutions: pre_activation.
    """
    return Order(("norm", "act", "conv"), 0, tokens=Around(("norm", "branch", "norm")))


@ORDERS.register("output_norm")
def output_norm() -> Order:
    """Tokens: x + norm(F(x)), and a norm behind the last block (OLMo 2, OLMo et al. 2024, arXiv
    2501.00656). Convolutions: post_activation.
    """
    return Order(("conv", "norm", "act"), 1, tokens=Around(("branch", "norm")))


@ORDERS.register("deep_norm")
def deep_norm() -> Order:
    """Tokens: norm(a x + F(x)), with a = L^(1/4) and weights of F that start (4 L)^(-1/4) times as
    large, but for queries and keys; L residual units (DeepNorm, Wang et al. 2022, arXiv
    2203.00555). Convolutions: norm_after_addition.
    """

    def scales(units: int) -> tuple[float, float]:
        return units**0.25, (4 * units) ** -0.25

    around = Around(("branch", "norm"), after_addition=1, scales=scales)
    return Order(("conv", "norm", "act"), 2, tokens=around)


@ORDERS.register("no_norm")
def no_norm_order() -> Order:
    """Tokens: x + F(x), and a norm behind the last block. Convolutions: pre_activation."""
    return Order(("norm", "act", "conv"), 0, tokens=Around(("branch",)))


# Shortcuts: what is added to the branch; () is x itself, None is no addition.


@dataclass(frozen=True, kw_only=True)
class Shortcut(Entry):
    """A shortcut's operations, and whether it may stand in blocks that keep the shape of their
    input (`shortcut` in a space) and in those that change it (`transition`). unstrided: the kind
    that it is where nothing is strided; itself where that is left out.
    """

    keeps_shape: bool
    changes_shape: bool
    unstrided: str = ""


SHORTCUTS: Registry[Shortcut] = Registry("shortcut", Shortcut)


@SHORTCUTS.register("identity", keeps_shape=True, changes_shape=False)
def identity(in_channels: int, out_channels: int, stride: int) -> Ops | None:
    """x itself (He et al. 2015, eq. 1)."""
    return ()


@SHORTCUTS.register("projection", keeps_shape=True, changes_shape=True)
def projection(in_channels: int, out_channels: int, stride: int) -> Ops | None:
    """1x1 convolution, normalised where the branch is (He et al. 2015, options B and C)."""
    return Conv(in_channels, out_channels, 1, stride), Norm(out_channels)


@SHORTCUTS.register("zero_pad", keeps_shape=False, changes_shape=True)
def zero_pad(in_channels: int, out_channels: int, stride: int) -> Ops | None:
    """x subsampled, zero channels appended or surplus ones dropped (He et al. 2015, option A)."""
    return (ZeroPad(in_channels, out_channels, stride),)


@SHORTCUTS.register(
    "avg_pool_projection", keeps_shape=False, changes_shape=True, unstrided="projection"
)
def avg_pool_projection(in_channels: int, out_channels: int, stride: int) -> Ops | None:
    """Means over squares as large as the stride, then a 1x1 convolution, normalised where the
    branch is (ResNet-D, He T. et al. 2019, section 4.1).
    """
    pool = (AvgPool(stride),) if stride != 1 else ()
    return *pool, Conv(in_channels, out_channels, 1), Norm(out_channels)


@SHORTCUTS.register(
    "avg_pool_zero_pad", keeps_shape=False, changes_shape=True, unstrided="zero_pad"
)
def avg_pool_zero_pad(in_channels: int, out_channels: int, stride: int) -> Ops | None:
    """The same means, zero channels appended or surplus ones dropped (Han et al. 2017, section
    2.2).
    """
    pool = (AvgPool(stride),) if stride != 1 else ()
    return *pool, ZeroPad(in_channels, out_channels, 1)


@SHORTCUTS.register("space_to_depth", keeps_shape=False, changes_shape=True, unstrided="zero_pad")
def space_to_depth(in_channels: int, out_channels: int, stride: int) -> Ops | None:
    """x with the pixels of squares, as large as the stride, in its channels, first all channels of
    the first pixel; zero channels appended or surplus ones dropped (Shi et al. 2016, reversed).
    """
    return (SpaceToDepth(in_channels, out_channels, stride),)


@SHORTCUTS.register("none", keeps_shape=True, changes_shape=True)
def none(in_channels: int, out_channels: int, stride: int) -> Ops | None:
    """Nothing: the plain network."""
    return None


def unstrided(kind: str) -> str:
    """The kind that computes the same as this one where nothing is strided, the first of those."""
    return SHORTCUTS[kind].unstrided or kind


def same_shape() -> list[str]:
    """The shortcuts that may stand in blocks that keep the shape of their input."""
    return [name for name, one in SHORTCUTS.parts().items() if one.keeps_shape]


def transitions() -> list[str]:
    """The shortcuts that may stand in blocks that change it."""
    return [name for name, one in SHORTCUTS.parts().items() if one.changes_shape]


# Stems: the layers before the first block.


@STEMS.register("conv3x3", later=("stride", "activated", "normed"))
def conv3x3(
    in_channels: int,
    *,
    width: int = 0,
    stride: int = 1,
    activated: bool = True,
    normed: bool = True,
) -> Ops:
    """One 3x3 convolution, for small pictures (He et al. 2015, section 4.2).

    width: channels; left out, those of the first stage.
    stride: by how much it shrinks height and width.
    activated: whether an activation follows.
    normed: whether a norm follows.
    """
    norm = (Norm(width),) if normed else ()
    last = (Activation(),) if activated else ()
    return Conv(in_channels, width, 3, stride), *norm, *last


@STEMS.register("conv7x7_pool")
def conv7x7_pool(in_channels: int, *, width: int = 0) -> Ops:
    """7x7 convolution of stride 2 and a 3x3 maximum of stride 2 (He et al. 2015, Table 1).

    width: channels; left out, those of the first stage.
    """
    return Conv(in_channels, width, 7, 2), Norm(width), Activation(), MaxPool()


@STEMS.register("deep")
def deep(in_channels: int, *, width: int = 0) -> Ops:
    """Three 3x3 convolutions, the first one of stride 2 and the first two of half the width, and a
    3x3 maximum of stride 2 (ResNet-C, He T. et al. 2019, section 4.1).

    width: channels; left out, those of the first stage.
    """
    inner = width // 2
    first = Conv(in_channels, inner, 3, 2), Norm(inner), Activation()
    second = Conv(inner, inner, 3), Norm(inner), Activation()
    return *first, *second, Conv(inner, width, 3), Norm(width), Activation(), MaxPool()


@STEMS.register("patchify", later=("normed",))
def patchify(
    in_channels: int, *, width: int = 0, patch: Literal[2, 4, 8, 16] = 4, normed: bool = True
) -> Ops:
    """One convolution of patches, with a norm and no activation (Liu et al. 2022, section 2.2), or
    without (Dosovitskiy et al. 2021).

    width: channels; left out, those of the first stage.
    patch: height and width of a patch.
    normed: whether a norm follows.
    """
    norm = (Norm(width),) if normed else ()
    return Conv(in_channels, width, patch, patch, bias=True), *norm


@STEMS.register("linear")
def linear(in_channels: int, *, width: int = 0, activated: bool = False) -> Ops:
    """One linear layer of the features of a row (Gorishniy et al. 2021, section 3.2); of pictures,
    a 1x1 convolution.

    width: channels; left out, those of the first stage.
    activated: whether an activation follows.
    """
    last = (Activation(),) if activated else ()
    return Conv(in_channels, width, 1, bias=True), *last


# Activations: functions of single numbers.


@dataclass(frozen=True)
class Layer:
    """A layer by its class and the arguments it is made with.

    The class is a name in torch.nn, or an nn.Module of one's own. `parameters` are the numbers it
    learns: they must start from constants, as a seed initialises convolutions only.
    """

    kind: str | type
    arguments: tuple[int | float | bool, ...] = ()
    parameters: int = 0


@ACTIVATIONS.register("relu")
def relu() -> Layer:
    """max(0, x) (Nair and Hinton 2010)."""
    return Layer("ReLU")


@ACTIVATIONS.register("relu6")
def relu6() -> Layer:
    """min(6, max(0, x)) (Howard et al. 2017; Sandler et al. 2018)."""
    return Layer("ReLU6")


@ACTIVATIONS.register("gelu")
def gelu() -> Layer:
    """x times the normal distribution function of x (Hendrycks and Gimpel 2016)."""
    return Layer("GELU")


@ACTIVATIONS.register("silu")
def silu() -> Layer:
    """x times the logistic function of x (Elfwing et al. 2018)."""
    return Layer("SiLU")


@ACTIVATIONS.register("leaky_relu")
def leaky_relu() -> Layer:
    """x where it is positive, else a hundredth of it (Maas et al. 2013)."""
    return Layer("LeakyReLU")


# Norms: the number of channel groups that share statistics, None where there is no norm layer, or
# another layer.


@dataclass(frozen=True)
class NormLayer:
    """A norm by its class, which is made with the number of channels and these arguments.

    The class is a name in nas/model/block_layers.py, or an nn.Module of one's own; its `weight`
    scales what it gives. parameters: the numbers that it learns for each channel, from constants.
    """

    kind: str | type
    arguments: tuple[int | float | bool, ...] = ()
    parameters: int = 2


@NORMS.register("batch")
def batch() -> int | NormLayer | None:
    """Batch normalisation (Ioffe and Szegedy 2015): statistics over the batch."""
    return 0  # no groups


@NORMS.register("group")
def group(*, groups: int = 4) -> int | NormLayer | None:
    """Statistics over groups of channels of one picture (Wu and He 2018).

    groups: their number; it must divide every width.
    """
    return groups


@NORMS.register("layer")
def layer() -> int | NormLayer | None:
    """All channels and places of a picture together (Ba et al. 2016, as in Wu and He 2018)."""
    return 1


@NORMS.register("layer2d")
def layer2d() -> int | NormLayer | None:
    """The channels of each place of a picture (Ba et al. 2016, as in Liu et al. 2022)."""
    return NormLayer("LayerNorm2d")


@NORMS.register("rms2d")
def rms2d() -> int | NormLayer | None:
    """The channels of each place of a picture divided by the root of their mean square (Zhang and
    Sennrich 2019)."""
    return NormLayer("RMSNorm2d", parameters=1)


@NORMS.register("none")
def no_norm() -> int | NormLayer | None:
    """No normalisation: the convolutions get a bias."""
    return None
