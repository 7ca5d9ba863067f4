"""Block types, activation orders, shortcuts, stems, activations and norms: a few lines each.

A part is written as the operations it is made of. From these records the cost is counted, the
network is built and the module is exported; nothing about a block is written twice. A new part is
one entry here, or in a module of one's own (docs/add-a-block.md).
"""

from collections.abc import Callable
from dataclasses import dataclass

from nas.common.registry import Entry, Registry


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


@dataclass(frozen=True)
class Join:
    """Where shortcut and branch meet: a module, by its class and the arguments it is made with.

    The class is a name in nas/model/join_layers.py, or an nn.Module of one's own. parameters: the
    numbers it learns; those of convolutions start as in the branch, but for their bias, and all
    others from constants. multiply_adds and kept: of each pixel, and the numbers kept for the
    gradient.
    """

    kind: str | type
    arguments: tuple[int | float | bool, ...] = ()
    parameters: int = 0
    multiply_adds: int = 0
    kept: int = 0


Op = Conv | Norm | Activation | MaxPool | ZeroPad | Join
Ops = tuple[Op, ...]
conv = Conv

BLOCKS: Registry[Callable[..., tuple[Conv, ...]]] = Registry("block type")
ORDERS: Registry[Callable[[], "Order"]] = Registry("activation order")
STEMS: Registry[Callable[..., Ops]] = Registry("stem")
ACTIVATIONS: Registry[Callable[[], "Layer"]] = Registry("activation")
NORMS: Registry[Callable[..., int | None]] = Registry("norm")


# Block types: the convolutions of the branch F(x), each its own conv(...): an object that stands
# twice would be one layer with shared weights in an exported module.


@BLOCKS.register("basic")
def basic(in_channels: int, out_channels: int, stride: int) -> tuple[Conv, ...]:
    """Two 3x3 convolutions (He et al. 2015, section 4.2)."""
    return (
        conv(in_channels, out_channels, 3, stride),
        conv(out_channels, out_channels, 3),
    )


@BLOCKS.register("bottleneck")
def bottleneck(
    in_channels: int,
    out_channels: int,
    stride: int,
    *,
    ratio: float = 0.25,
    groups: int = 1,
    stride_first: bool = False,
) -> tuple[Conv, ...]:
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


# Activation orders: how norms and activations stand between the convolutions.


@dataclass(frozen=True)
class Order:
    """The operations repeated for each convolution; the last ones may follow the addition.

    A plain network is one long cycle, whatever the order: only the places of the additions differ.
    """

    cycle: tuple[str, str, str]
    after_addition: int


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


# Shortcuts: what is added to the branch; () is x itself, None is no addition.


@dataclass(frozen=True, kw_only=True)
class Shortcut(Entry):
    """A shortcut's operations, and whether it may stand in blocks that keep the shape of their
    input (`shortcut` in a space) and in those that change it (`transition`).
    """

    keeps_shape: bool
    changes_shape: bool


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


@SHORTCUTS.register("none", keeps_shape=True, changes_shape=True)
def none(in_channels: int, out_channels: int, stride: int) -> Ops | None:
    """Nothing: the plain network."""
    return None


def same_shape() -> list[str]:
    """The shortcuts that may stand in blocks that keep the shape of their input."""
    return [name for name, one in SHORTCUTS.parts().items() if one.keeps_shape]


def transitions() -> list[str]:
    """The shortcuts that may stand in blocks that change it."""
    return [name for name, one in SHORTCUTS.parts().items() if one.changes_shape]


# Stems: the layers before the first block.


@STEMS.register("conv3x3")
def conv3x3(in_channels: int, *, width: int = 0) -> Ops:
    """One 3x3 convolution, for small pictures (He et al. 2015, section 4.2).

    width: channels; left out, those of the first stage.
    """
    return Conv(in_channels, width, 3), Norm(width), Activation()


@STEMS.register("conv7x7_pool")
def conv7x7_pool(in_channels: int, *, width: int = 0) -> Ops:
    """7x7 convolution of stride 2 and a 3x3 maximum of stride 2 (He et al. 2015, Table 1).

    width: channels; left out, those of the first stage.
    """
    return Conv(in_channels, width, 7, 2), Norm(width), Activation(), MaxPool()


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


# Norms: the number of channel groups that share statistics, None where there is no norm layer.


@NORMS.register("batch")
def batch() -> int | None:
    """Batch normalisation (Ioffe and Szegedy 2015): statistics over the batch."""
    return 0  # no groups


@NORMS.register("group")
def group(*, groups: int = 4) -> int | None:
    """Statistics over groups of channels of one picture (Wu and He 2018).

    groups: their number; it must divide every width.
    """
    return groups


@NORMS.register("layer")
def layer() -> int | None:
    """All channels and places of a picture together (Ba et al. 2016, as in Wu and He 2018)."""
    return 1


@NORMS.register("none")
def no_norm() -> int | None:
    """No normalisation: the convolutions get a bias."""
    return None
