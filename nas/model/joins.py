"""Joins: how the shortcut and the branch of a block meet, a few lines each.

An entry is a function of the place of a block that gives the record of a module, which is called
with the outputs of shortcut and branch. Its class stands in nas/model/join_layers.py, or is one's
own. Numbers that depend on the place, as on the depth, are computed in the entry, so that an
exported module holds plain numbers. In the descriptions x is the output of the shortcut, F(x) that
of the branch, L the number of blocks and l that of the block, from 1 on.
"""

from collections.abc import Callable
from dataclasses import dataclass

from nas.common.registry import Registry
from nas.model.blocks import Join


@dataclass(frozen=True)
class Place:
    """Where a join stands: the channels that meet there, the number of its block in the network,
    from 0 on, and how many blocks the network has.
    """

    channels: int
    block: int
    num_blocks: int

    @property
    def depth(self) -> float:
        """l / L: the share of the blocks that end here or before, 1 for the last block."""
        return (self.block + 1) / self.num_blocks


JOINS: Registry[Callable[..., Join]] = Registry("join")


@JOINS.register("add")
def add(place: Place) -> Join:
    """The sum of x and F(x) (He et al. 2015, eq. 1)."""
    return Join("Add")


# Fixed weights.


@JOINS.register("scaled")
def scaled(place: Place, *, shortcut: float = 0.5, branch: float = 0.5) -> Join:
    """a x + b F(x) with fixed a and b (He et al. 2016, section 3.1).

    shortcut: a, the weight of x; with a and b of 1 it is `add`.
    branch: b, the weight of F(x).
    """
    return Join("Scaled", (shortcut, branch))


@JOINS.register("depth_scaled")
def depth_scaled(place: Place, *, exponent: float = 0.5) -> Join:
    """x + F(x) / sqrt(L), so that good learning rates are the same at all depths (Bordelon et al.
    2024, arXiv 2309.16620).

    exponent: that of L; 0 is `add`.
    """
    return Join("Scaled", (1.0, place.num_blocks**-exponent))


@JOINS.register("decayed")
def decayed(place: Place, *, to: float = 0.6) -> Join:
    """a x + F(x), where a falls from block to block in equal steps, 1 - (1 - a_L) l / L (Zhang et
    al. 2024, arXiv 2404.10947).

    to: a_L, that of the last block; 1 is `add`.
    """
    return Join("Scaled", (1.0 - (1.0 - to) * place.depth, 1.0))


# Learned weights.


@JOINS.register("skip_init")
def skip_init(place: Place, *, start: float = 0.0) -> Join:
    """x + a F(x) with a learned number a (SkipInit, De and Smith 2020; ReZero, Bachlechner et al.
    2021).

    start: a before the training; 1 starts as `add`.
    """
    return Join("LearnedScale", (1, start), parameters=1, kept=place.channels)


@JOINS.register("layer_scale")
def layer_scale(place: Place, *, init: float = 0.1) -> Join:
    """x + a F(x) with a learned number for each channel (LayerScale, Touvron et al. 2021).

    init: all of them before the training; 1 starts as `add`.
    """
    size = place.channels
    return Join("LearnedScale", (size, init), parameters=size, kept=size)


@JOINS.register("shortcut_gate")
def shortcut_gate(place: Place, *, bias: float = -6.0) -> Join:
    """(1 - g) x + F(x), g = sigmoid(W x + b), a 1x1 convolution (He et al. 2016, section 3.1).

    bias: b before the training; -1000 closes the gate for good, which is `add`.
    """
    return gate("ShortcutGate", place, bias)


@JOINS.register("exclusive_gate")
def exclusive_gate(place: Place, *, bias: float = -6.0) -> Join:
    """(1 - g) x + g F(x), g = sigmoid(W x + b), a 1x1 convolution (Srivastava et al. 2015; He et
    al. 2016, section 3.1).

    bias: b before the training; the lower it is, the less of F(x) is let through.
    """
    return gate("ExclusiveGate", place, bias)


def gate(kind: str, place: Place, bias: float) -> Join:
    """A gate that reads the shortcut."""
    size = place.channels
    return Join(
        kind, (size, bias), parameters=size * (size + 1), multiply_adds=size**2, kept=4 * size
    )


# Random weights in training; each block draws from a stream of its own.


@JOINS.register("drop_path")
def drop_path(place: Place, *, rate: float = 0.5) -> Join:
    """x + F(x) / p for a random share p of the pictures in training, x for the others; p falls to
    1 - rate from block to block in equal steps (stochastic depth, Huang et al. 2016).

    rate: how often the last branch is left out, below 1; 0 is `add`.
    """
    share = checked_rate("drop_path", rate) * place.depth
    return Join("DropPath", (share,), random=rate > 0)


@JOINS.register("dropout_shortcut")
def dropout_shortcut(place: Place, *, rate: float = 0.5) -> Join:
    """dropout(x) + F(x), where what is left of x in training is multiplied by 1 / (1 - rate) (He et
    al. 2016, section 3.1).

    rate: how much of x is left out, below 1; 0 is `add`.
    """
    share = checked_rate("dropout_shortcut", rate)
    return Join("DropoutShortcut", (share,), kept=place.channels, random=rate > 0)


def checked_rate(join: str, rate: float) -> float:
    """The rate; ValueError where nothing would be left."""
    if rate >= 1:
        raise ValueError(f"the rate of the join {join} must be below 1, found {rate}.")
    return rate


# Directions.


@JOINS.register("orthogonal")
def orthogonal(place: Place, *, share: float = 1.0) -> Join:
    """x + F(x) less its part along x, over the channels of each pixel (Oh et al. 2025, arXiv
    2505.11881).

    share: how much of that part is taken away; 0 is `add`.
    """
    return Join("Orthogonal", (share,), kept=4 * place.channels)


# Channels side by side.


@JOINS.register("concat")
def concat(place: Place, *, growth: int = 12, compression: float = 0.5) -> Join:
    """x and F(x) side by side, as the channels of the output (DenseNet, Huang et al. 2017, eq. 2).

    growth: the channels of F(x), by which each block is wider than the one before.
    compression: the share of its channels that x keeps in a block that strides, by a 1x1
    convolution in the order of the branch and means over squares, before branch and shortcut
    (section 3, DenseNet-C); 1 keeps as many.
    """
    if growth < 1:
        raise ValueError(f"the growth of the join concat must be at least 1, found {growth}.")
    if not 0 < compression <= 1:
        raise ValueError(
            "the compression of the join concat must be above 0 and at most 1, found "
            f"{compression:g}."
        )
    return Join("Concat")


# Several streams in place of x. They are opened as copies of x and closed to their mean; a block
# whose shortcut is no identity reads that mean, and adds.

#: streams of a network, at most
MAX_STREAMS = 16


@JOINS.register("hyper")
def hyper(place: Place, *, streams: int = 2) -> Join:
    """n streams X: H_r X + H_w F(H_d X) with learned matrices, at the start copies of what `add`
    gives: H_r = 1, H_w of ones, H_d of stream l mod n (static hyper-connections, Zhu et al. 2024,
    arXiv 2409.19606, eq. 14).

    streams: n; frozen at the start, the matrices make it `add`.
    """
    return streaming("HyperConnections", place, streams)


@JOINS.register("mhc")
def mhc(place: Place, *, streams: int = 2) -> Join:
    """The same, where the rows and the columns of H_r add up to 1, by 20 Sinkhorn steps, H_w lies
    between 0 and 2, and H_d is a mean (after manifold-constrained hyper-connections, Xie et al.
    2025, arXiv 2512.24880, without their dependence on X).

    streams: n; frozen at the start, the matrices make it `add`.
    """
    return streaming("StochasticConnections", place, streams)


def streaming(kind: str, place: Place, streams: int) -> Join:
    """Matrices of so many streams."""
    if not 1 <= streams <= MAX_STREAMS:
        raise ValueError(f"a join has from 1 to {MAX_STREAMS} streams, found {streams}.")
    size = streams * (streams + 2)
    return Join(
        kind,
        (streams, place.block % streams),
        parameters=size,
        multiply_adds=size * place.channels,
        kept=(3 * streams + 1) * place.channels,
        streams=streams,
    )
