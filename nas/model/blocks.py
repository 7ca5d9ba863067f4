"""Block types, activation orders and shortcuts, each a few lines of data.

A part is written as the operations it is made of. From these records the cost is counted, the
network is built and the module is exported; nothing about a block is written twice. Adding a
block type, an activation order or a shortcut touches this file only.
"""

from collections.abc import Callable
from dataclasses import dataclass

from nas.common.registry import Registry


@dataclass(frozen=True)
class Conv:
    """Square convolution, padded so that stride 1 keeps the size."""

    in_channels: int
    out_channels: int
    kernel_size: int
    stride: int = 1
    groups: int = 1


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
class ZeroPad:
    """Subsample by the stride and append zero channels (He et al. 2015, option A)."""

    in_channels: int
    out_channels: int
    stride: int


Op = Conv | Norm | Activation | MaxPool | ZeroPad
Ops = tuple[Op, ...]
conv = Conv

BLOCKS: Registry[Callable[..., tuple[Conv, ...]]] = Registry("block type")
ORDERS: Registry["Order"] = Registry("activation order")
SHORTCUTS: Registry[Callable[[int, int, int], Ops | None]] = Registry("shortcut")
STEMS: Registry[Callable[..., Ops]] = Registry("stem")
ACTIVATIONS = ("relu", "gelu", "silu", "leaky_relu")
NORMS: Registry[Callable[..., int | None]] = Registry("norm")


# Block types: the convolutions of the branch F(x), each its own conv(...): an object that stands
# twice would be one layer with shared weights in an exported module.


@BLOCKS.register("basic")
def basic(in_channels, out_channels, stride):
    """Two 3x3 convolutions (He et al. 2015, section 4.2)."""
    return (
        conv(in_channels, out_channels, 3, stride),
        conv(out_channels, out_channels, 3),
    )


@BLOCKS.register("bottleneck")
def bottleneck(
    in_channels,
    out_channels,
    stride,
    *,
    ratio: float = 0.25,
    groups: int = 1,
    stride_first: bool = False,
):
    """1x1, 3x3, 1x1 with inner width ratio * outer width (He et al. 2015; groups: Xie et al. 2017).

    The stride is in the 3x3 convolution or, with stride_first as in He et al., in the first 1x1.
    """
    inner = round(out_channels * ratio)
    first, second = (stride, 1) if stride_first else (1, stride)
    return (
        conv(in_channels, inner, 1, first),
        conv(inner, inner, 3, second, groups),
        conv(inner, out_channels, 1),
    )


# Activation orders: how norm and activation are woven between the convolutions.


@dataclass(frozen=True)
class Order:
    """The operations repeated for each convolution; the last ones may follow the addition.

    A plain network is one long cycle, whatever the order: only the places of the additions differ.
    """

    cycle: tuple[str, str, str]
    after_addition: int
    about: str


ORDERS.add(
    "post_activation",
    Order(("conv", "norm", "act"), 1, "activation after the addition (He et al. 2016, Fig. 4a)"),
)
ORDERS.add(
    "norm_after_addition",
    Order(
        ("conv", "norm", "act"),
        2,
        "norm and activation after the addition (He et al. 2016, Fig. 4b)",
    ),
)
ORDERS.add(
    "activation_before_addition",
    Order(("conv", "norm", "act"), 0, "all before the addition (He et al. 2016, Fig. 4c)"),
)
ORDERS.add(
    "activation_only_pre_activation",
    Order(
        ("act", "conv", "norm"), 0, "activation before each convolution (He et al. 2016, Fig. 4d)"
    ),
)
ORDERS.add(
    "pre_activation",
    Order(
        ("norm", "act", "conv"),
        0,
        "norm and activation before each convolution (He et al. 2016, Fig. 4e)",
    ),
)


# Shortcuts: what is added to the branch; () is x itself, None is no addition.


@SHORTCUTS.register("identity")
def identity(in_channels: int, out_channels: int, stride: int) -> Ops | None:
    """x itself (He et al. 2015, eq. 1)."""
    return ()


@SHORTCUTS.register("projection")
def projection(in_channels: int, out_channels: int, stride: int) -> Ops | None:
    """1x1 convolution, normalised where the branch is (He et al. 2015, options B and C)."""
    return Conv(in_channels, out_channels, 1, stride), Norm(out_channels)


@SHORTCUTS.register("zero_pad")
def zero_pad(in_channels: int, out_channels: int, stride: int) -> Ops | None:
    """x subsampled, zero channels appended or surplus ones dropped (He et al. 2015, option A)."""
    return (ZeroPad(in_channels, out_channels, stride),)


@SHORTCUTS.register("none")
def none(in_channels: int, out_channels: int, stride: int) -> Ops | None:
    """Nothing: the plain network."""
    return None


#: what may stand where shapes agree, and where they change
SAME_SHAPE = ("identity", "projection", "none")
TRANSITIONS = ("projection", "zero_pad", "none")


# Stems: the layers before the first block.


@STEMS.register("conv3x3")
def conv3x3(in_channels: int, *, width: int = 0) -> Ops:
    """One 3x3 convolution, for small pictures (He et al. 2015, section 4.2)."""
    return Conv(in_channels, width, 3), Norm(width), Activation()


@STEMS.register("conv7x7_pool")
def conv7x7_pool(in_channels: int, *, width: int = 0) -> Ops:
    """7x7 convolution of stride 2 and a 3x3 maximum of stride 2 (He et al. 2015, Table 1)."""
    return Conv(in_channels, width, 7, 2), Norm(width), Activation(), MaxPool()


# Norms: the number of channel groups that share statistics, None where there is no norm layer.


@NORMS.register("batch")
def batch() -> int | None:
    """Batch normalisation (Ioffe and Szegedy 2015): statistics over the batch, 0 groups."""
    return 0


@NORMS.register("group")
def group(*, groups: int = 4) -> int | None:
    """Group normalisation (Wu and He 2018)."""
    return groups


@NORMS.register("layer")
def layer() -> int | None:
    """All channels and places of a picture together (Ba et al. 2016, as in Wu and He 2018)."""
    return 1


@NORMS.register("none")
def no_norm() -> int | None:
    """No normalisation: the convolutions get a bias."""
    return None
