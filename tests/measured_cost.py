"""What a network costs, by what its layers see."""

import math

import torch
from torch import nn

from nas.model.architecture import Architecture
from nas.model.block_layers import Attention, Dropout, LayerNorm2d, RMSNorm2d, SqueezeExcite
from nas.model.cost import cost
from nas.model.network import Network

#: layers that keep their input for the gradient
KEEPING = (
    *(nn.Conv2d, nn.BatchNorm2d, nn.GroupNorm, LayerNorm2d, RMSNorm2d),
    *(SqueezeExcite, Dropout, Attention),
)


def measured(network: Network) -> tuple[int, int, int, int]:
    """Depth, parameters, multiply-adds and kept numbers of a module, by what its layers see."""
    seen = {"adds": 0, "kept": 0}

    def hook(layer: nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
        if isinstance(layer, nn.Conv2d | nn.Linear):
            seen["adds"] += layer.weight.numel() * (
                output[0, 0].numel() if output.dim() == 4 else 1
            )
        if isinstance(layer, Attention):
            channels, *places = output.shape[1:]
            seen["adds"] += 2 * channels * math.prod(places) ** 2
            seen["kept"] += layer.heads * math.prod(places)
        if isinstance(layer, KEEPING):
            seen["kept"] += inputs[0].numel()
        if isinstance(layer, nn.MaxPool2d):
            seen["kept"] += 3 * output.numel()

    for layer in network.modules():
        layer.register_forward_hook(hook)
    with torch.no_grad():
        network.eval()(torch.zeros(1, *network.architecture.image_shape))
    layers = [name for name, layer in network.named_modules() if isinstance(layer, nn.Conv2d)]
    beside = (".shortcut.", ".squeeze", ".excite")
    depth = 1 + sum(not any(part in name for part in beside) for name in layers)
    return depth, sum(p.numel() for p in network.parameters()), seen["adds"], seen["kept"]


def assert_cost_is_measured(architecture: Architecture) -> None:
    depth, parameters, multiply_adds, kept = measured(Network(architecture))
    spent = cost(architecture, batch_size=3)
    assert (spent.depth, spent.parameters, spent.multiply_adds) == (
        depth,
        parameters,
        multiply_adds,
    )
    assert spent.memory == 12 * parameters + 3 * 4 * kept
