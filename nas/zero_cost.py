"""Scores of an untrained network, for comparison with other frameworks: never evidence.

Most count parameters or depth, or reward exploding gradients, and say of shortcuts nothing or the
wrong thing (Krishnakumar et al. 2022, Table 3). Wherever one is shown, its rank correlation with
ln(parameters) and with depth stands beside it. Each is taken on a copy of the network.
"""

import copy
import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nas.network import Network
from nas.trainability.probes import neutral

NORMS = (nn.BatchNorm2d, nn.GroupNorm)
ACTIVATIONS = (nn.ReLU, nn.GELU, nn.SiLU, nn.LeakyReLU)


def scores(
    network: Network, batch: Tensor, *, labels: Tensor, seed: int = 0
) -> dict[str, float | None]:
    """All scores by name; None stands for what is not finite."""
    device = next(network.parameters()).device
    batch, labels = batch.to(device), labels.to(device)
    with neutral(network, seed):
        return {name: finite(score(twin(network), batch, labels)) for name, score in SCORES.items()}


def twin(network: Network) -> Network:
    """A copy with all its gradients."""
    return copy.deepcopy(network).requires_grad_()


def finite(value: float) -> float | None:
    """The value, None where it is infinite or not a number."""
    return value if math.isfinite(value) else None


def synflow(network: Network, batch: Tensor, labels: Tensor) -> float:
    """ln sum |w dR/dw|, R the sum of the outputs for a picture of ones with weights |w|.

    Tanaka et al. 2020. Without norms and in double precision; overflows in very deep networks.
    """
    without_norms(network).double()
    weights = layer_weights(network)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.abs_()
    output = network(torch.ones_like(batch[:1], dtype=torch.float64)).sum()
    gradients = torch.autograd.grad(output, weights)
    flows = [(g * w).sum() for g, w in zip(gradients, weights, strict=True)]
    return torch.stack(flows).sum().log().item()


def naswot(network: Network, batch: Tensor, labels: Tensor) -> float:
    """ln det K, K_ij the activations whose sign pictures i and j share (Mellor et al. 2021)."""
    kernel = torch.zeros(len(batch), len(batch), dtype=torch.float64, device=batch.device)

    def add(_, inputs):
        code = (inputs[0].flatten(1) > 0).float()
        kernel.add_(code @ code.T + (1 - code) @ (1 - code).T)

    for module in network.train().modules():
        if isinstance(module, ACTIVATIONS):
            module.register_forward_pre_hook(add)
    with torch.no_grad():
        network(batch)
    return torch.linalg.slogdet(kernel).logabsdet.item()


def snip(network: Network, batch: Tensor, labels: Tensor) -> float:
    """sum |w dl/dw| over the weights (Lee et al. 2019)."""
    return sum((g * w).abs().sum().item() for g, w in weight_gradients(network, batch, labels))


def grad_norm(network: Network, batch: Tensor, labels: Tensor) -> float:
    """Sum of norm(dl/dw) over the layers (Abdelfattah et al. 2021)."""
    return sum(g.norm().item() for g, _ in weight_gradients(network, batch, labels))


SCORES: dict[str, Callable[[Network, Tensor, Tensor], float]] = {
    "synflow": synflow,
    "naswot": naswot,
    "snip": snip,
    "grad_norm": grad_norm,
}


def layer_weights(network: Network) -> list[Tensor]:
    """Weights of convolutions and of the classifier."""
    layers = [child for child in network.modules() if isinstance(child, nn.Conv2d | nn.Linear)]
    return [layer.weight for layer in layers]


def weight_gradients(
    network: Network, batch: Tensor, labels: Tensor
) -> list[tuple[Tensor, Tensor]]:
    """Gradient and weight of every layer, in training mode."""
    weights = layer_weights(network)
    loss = F.cross_entropy(network.train()(batch), labels)
    gradients = torch.autograd.grad(loss, weights)
    return list(zip(gradients, [weight.detach() for weight in weights], strict=True))


def without_norms(network: Network) -> Network:
    """The network with its norms replaced by nothing."""
    for module in list(network.modules()):
        for name, child in module.named_children():
            if isinstance(child, NORMS):
                setattr(module, name, nn.Identity())
    return network
