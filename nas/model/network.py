"""The nn.Module of an architecture, built from its layout and initialised part by part."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from nas.model import blocks as ops
from nas.model.architecture import Architecture
from nas.model.layout import Block, activation_layer, lay_out, norm_groups


class Residual(nn.Module):
    """A block with a shortcut: after(shortcut(x) + branch(x)), where x is before(input)."""

    def __init__(self, branch, shortcut, before=None, after=None):
        super().__init__()
        self.before = before or nn.Identity()
        self.branch = branch
        self.shortcut = shortcut
        self.after = after or nn.Identity()

    def forward(self, x):
        x = self.before(x)
        return self.after(self.shortcut(x) + self.branch(x))


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
            stages[record.stage].append(build_block(architecture, block))
        self.stages = nn.Sequential(*stages)
        self.final = make(layout.final)
        self.head = nn.Linear(layout.features, architecture.num_classes)
        initialise(self, seed)

    def forward(self, x: Tensor) -> Tensor:
        """Logits of a batch of pictures."""
        x = self.stem(x)
        for block in self.blocks():
            x = recomputed(block, x) if self.checkpointing and self.training else block(x)
        logits: Tensor = self.head(self.final(x).mean((2, 3)))
        return logits

    def blocks(self) -> list[nn.Module]:
        """The blocks from input to output, one for each record of the architecture."""
        return [block for stage in self.stages.children() for block in stage.children()]


def build_block(architecture: Architecture, block: Block) -> nn.Module:
    """The module of one block."""
    make = partial(sequence, architecture)
    after = make(block.after) if block.after else None
    if block.shortcut is None:
        return Plain(make(block.branch), after)
    before = make(block.before) if block.before else None
    shortcut = make(block.shortcut) if block.shortcut else nn.Identity()
    return Residual(make(block.branch), shortcut, before, after)


def sequence(architecture: Architecture, layout: ops.Ops) -> nn.Sequential:
    """Modules for operations that follow each other."""
    return nn.Sequential(
        *(build_op(architecture, op, first=place == 0) for place, op in enumerate(layout))
    )


def build_op(architecture: Architecture, op: ops.Op, *, first: bool) -> nn.Module:
    """The module of one operation; the first one leaves its input whole, a shortcut may read it."""
    groups = norm_groups(architecture)
    match op:
        case ops.Conv(inputs, outputs, kernel, stride, conv_groups):
            return conv_class(kernel, stride)(
                inputs,
                outputs,
                kernel,
                stride,
                kernel // 2,
                groups=conv_groups,
                bias=groups is None,
            )
        case ops.Norm(channels):
            return nn.GroupNorm(groups, channels) if groups else nn.BatchNorm2d(channels)
        case ops.Activation():
            return activation(activation_layer(architecture), overwrite=not first)
        case ops.MaxPool():
            return nn.MaxPool2d(3, 2, 1)
        case ops.ZeroPad(inputs, outputs, stride):
            return ZeroPad(inputs, outputs, stride)


def conv_class(kernel_size: int, stride: int) -> type[nn.Conv2d]:
    """The class of a convolution: no network hands a 1x1 convolution with a stride to oneDNN."""
    return StridedPointwise if kernel_size == 1 and stride > 1 else nn.Conv2d


def activation(layer: ops.Layer, *, overwrite: bool) -> nn.Module:
    """An activation; ReLU may overwrite its input, which saves memory and time."""
    if overwrite and layer.kind == "ReLU":
        return nn.ReLU(inplace=True)
    kind = getattr(nn, layer.kind) if isinstance(layer.kind, str) else layer.kind
    module: nn.Module = kind(*layer.arguments)
    return module


def initialise(network: Network, seed: int) -> None:
    """He initialisation, fan-out (He et al. 2015, ICCV), each layer from its own random stream."""
    for index, block in enumerate(network.blocks()):
        for number, conv in enumerate(branch_convolutions(block)):
            initialise_layer(conv, seed, f"branch {index} {number}")
        for number, conv in enumerate(convolutions(getattr(block, "shortcut", None))):
            initialise_layer(conv, seed, f"shortcut {index} {number}")
    for number, conv in enumerate(convolutions(network.stem)):
        initialise_layer(conv, seed, f"stem {number}")
    initialise_layer(network.head, seed, "head")


def convolutions(module: nn.Module | None) -> list[nn.Conv2d]:
    """The convolutions of a part, in order."""
    children = module.modules() if module is not None else ()
    return [child for child in children if isinstance(child, nn.Conv2d)]


def branch_convolutions(block: nn.Module) -> list[nn.Conv2d]:
    """The convolutions of a block outside its shortcut."""
    shortcut = {id(conv) for conv in convolutions(getattr(block, "shortcut", None))}
    return [conv for conv in convolutions(block) if id(conv) not in shortcut]


def initialise_layer(layer: nn.Conv2d | nn.Linear, seed: int, place: str) -> None:
    """Normal weights of variance 2 / fan-out (fan-in for the classifier), zero bias."""
    digest = hashlib.sha256(f"{seed} {place}".encode()).digest()
    generator = torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))
    nn.init.kaiming_normal_(
        layer.weight,
        mode="fan_out" if isinstance(layer, nn.Conv2d) else "fan_in",
        nonlinearity="relu",
        generator=generator,
    )
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)


def channels_last(network: Network) -> Network:
    """The network with its weights laid out as is fastest: the channels of a place side by side."""
    for parameter in network.parameters():
        if parameter.dim() == 4:
            parameter.data = parameter.data.to(memory_format=torch.channels_last)
    return network


def recomputed(block: nn.Module, x: Tensor) -> Tensor:
    """The block's output, without keeping what is inside (Chen et al. 2016, sublinear memory)."""
    output: Tensor = checkpoint(
        block, x, use_reentrant=False, context_fn=lambda: (nullcontext(), frozen_statistics(block))
    )
    return output


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
