"""What a candidate costs, counted from its operations: exact, and without building it."""

from typing import NamedTuple

from nas.model.architecture import Architecture
from nas.model.blocks import (
    Activation,
    Attention,
    ClassToken,
    Conv,
    Dropout,
    Join,
    MaxPool,
    Norm,
    Op,
    Positions,
    SqueezeExcite,
)
from nas.model.layout import (
    activation_layer,
    iterate_operations,
    lay_out,
    norm_groups,
    norm_layer,
)


class Cost(NamedTuple):
    """Sizes of one network.

    depth: weighted layers from input to output, convolutions of the branches and the classifier
    (He et al. 2015: 6n + 2). parameters: learnable numbers. multiply_adds: of convolutions,
    attention, joins and classifier, for one picture. memory: bytes of a training step at the given
    batch size.
    """

    depth: int
    parameters: int
    multiply_adds: int
    memory: int


#: bytes of a parameter in training: itself and its gradient
PARAMETER_BYTES = 8


def cost(architecture: Architecture, *, batch_size: int = 128, state_bytes: int = 4) -> Cost:
    """Count a network from its layout; `state_bytes` are those that the optimiser keeps for each
    parameter. ValueError where it cannot be built.
    """
    layout = lay_out(architecture)
    bias, activation = norm_groups(architecture) is None, activation_layer(architecture)
    layer = norm_layer(architecture)
    per_channel = 2 if layer is None else layer.parameters
    parameters = (layout.features + 1) * architecture.num_classes
    multiply_adds = layout.features * architecture.num_classes
    depth, kept, channels = 1, 0, architecture.image_shape[0]
    for part, op, pixels_in, pixels_out in iterate_operations(layout, architecture.image_shape):
        if isinstance(op, Conv):
            weights = op.in_channels * op.out_channels * op.kernel_size**2 // op.groups
            parameters += weights + (bias or op.bias) * op.out_channels
            multiply_adds += weights * pixels_out
            depth += not part.startswith("shortcut")
            kept += op.in_channels * pixels_in
            channels = op.out_channels
        elif isinstance(op, Norm):
            parameters += per_channel * op.channels
            kept += op.channels * pixels_in
        elif isinstance(op, MaxPool):
            kept += 3 * channels * pixels_out
        elif isinstance(op, Activation):
            parameters += activation.parameters
        elif isinstance(op, Dropout):
            kept += channels * pixels_in
        else:
            other = other_cost(op, pixels_in, pixels_out)
            parameters += other.parameters
            multiply_adds += other.multiply_adds
            kept += other.kept
            channels = op.channels if isinstance(op, Attention) else channels
    memory = parameters * (PARAMETER_BYTES + state_bytes) + 4 * batch_size * kept
    return Cost(depth, parameters, multiply_adds, memory)


class OtherCost(NamedTuple):
    """Parameters, multiply-adds and numbers kept for the gradient of one picture."""

    parameters: int = 0
    multiply_adds: int = 0
    kept: int = 0


def other_cost(op: Op, pixels_in: int, pixels_out: int) -> OtherCost:
    """What an operation costs that is neither a convolution nor a norm nor an activation."""
    match op:
        case SqueezeExcite(channels, inner):
            weights = 2 * channels * inner
            kept = channels * (pixels_in + 1) + inner
            return OtherCost(weights + channels + inner, weights, kept)
        case Attention(channels, heads):
            kept = (3 * channels + heads) * pixels_in
            return OtherCost(0, 2 * channels * pixels_in**2, kept)
        case ClassToken(channels):
            return OtherCost(channels)
        case Positions(channels, height, width):
            return OtherCost(channels * height * width)
        case Join():
            adds, kept = op.multiply_adds * pixels_out, op.kept * pixels_out
            return OtherCost(op.parameters, adds, kept)
    return OtherCost()
