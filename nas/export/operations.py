"""Operations of a layout -> the expressions that make them."""

from dataclasses import astuple

from nas.export.formatting import SourceText, fitted, literal, numbers
from nas.model import network
from nas.model.architecture import Architecture
from nas.model.blocks import (
    Activation,
    AvgPool,
    Conv,
    Identity,
    Join,
    Layer,
    MaxPool,
    Norm,
    Op,
    Ops,
)
from nas.model.layout import activation_layer, norm_groups, norm_layer

#: operations without numbers -> how they are made
FIXED: dict[type, str] = {MaxPool: "nn.MaxPool2d(3, 2, 1)", Identity: "nn.Identity()"}


class Operations:
    """Writes the operations of one network, with its norm and its activation."""

    def __init__(self, architecture: Architecture) -> None:
        self.groups = norm_groups(architecture)
        self.norm_layer = norm_layer(architecture)
        self.activation = activation_layer(architecture)

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


def convolution(op: Conv) -> str:
    """The call that makes a convolution, without what is left at its default."""
    shape = op.in_channels, op.out_channels, op.kernel_size, op.stride, op.groups
    items = [*map(literal, shape[: 5 if op.groups != 1 else 4 if op.stride != 1 else 3])]
    items += [SourceText(f"dilation={literal(op.dilation)}")] * (op.dilation != 1)
    marks = {"linear": op.linear, "bare": op.bare, "bias": op.bias}
    items += [SourceText(f"{mark}=True") for mark, is_set in marks.items() if is_set]
    return f"conv({', '.join(items)})"


def layer_call(layer: Layer) -> str:
    """The expression that makes a layer."""
    name = f"nn.{layer.kind}" if isinstance(layer.kind, str) else layer.kind.__name__
    return f"{name}({numbers(*layer.arguments)})"
