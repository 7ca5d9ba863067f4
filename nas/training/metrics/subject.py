"""A copy of a network to be measured, and the passes that several measures read."""

import copy
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property, partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from nas.model.network import Network, Streamed, convolutions
from nas.training.losses import loss_of

#: pictures of the pass in training mode, at most
MAX_PICTURES = 128
#: pictures times convolutions in one pass, at most, with 8 pictures at least: bounds the memory
MAX_LOAD = 8192
#: pictures whose Jacobian is taken, and logits of each, at most
JACOBIAN_PICTURES, MAX_LOGITS = 8, 100


class Readings(NamedTuple):
    """What one pass in training mode tells of each block, from input to output."""

    gradient: list[float]
    weight: list[float]
    added: tuple[list[float], list[float]]
    """Variances of branch and shortcut; not a number where there is no shortcut."""
    squared_mean: list[float]
    variance: list[float]


class Subject:
    """A copy of a network, its norms holding the statistics of the pictures it is measured on."""

    def __init__(self, network: Network, batch: Tensor, labels: Tensor, seed: int) -> None:
        device = next(network.parameters()).device
        self.rows = max(8, MAX_LOAD // max(1, len(convolutions(network))))
        kept = min(len(batch), self.rows, MAX_PICTURES)
        self.network = copied(network)
        self.pictures = batch[:kept].detach().to(device, copy=True)
        self.labels = labels[:kept].detach().to(device, copy=True)
        self.seed = seed
        self.drawn = torch.randperm(kept, generator=self.generator()).to(device)
        self.readings = read_blocks(self.network, self.pictures, self.labels)

    def generator(self) -> torch.Generator:
        """Random numbers from the seed, the same for whoever asks."""
        return torch.Generator().manual_seed(self.seed)

    @property
    def classes(self) -> Tensor:
        """The output that stands for each picture: its class, or the only one there is."""
        labels = self.labels
        return torch.zeros_like(labels).long() if labels.is_floating_point() else labels

    @cached_property
    def singular_values(self) -> list[list[float]]:
        """Of d logits / d picture, for each of the pictures drawn, in descending order."""
        pictures = self.pictures[self.drawn[:JACOBIAN_PICTURES]]
        logits = torch.arange(self.network.head.out_features)
        if len(logits) > MAX_LOGITS:
            logits = torch.randperm(len(logits), generator=self.generator())[:MAX_LOGITS]
        each = logits.to(pictures.device).repeat(len(pictures))
        gradients = self.input_gradients(pictures.repeat_interleave(len(logits), 0), each)
        return [singular_values(jacobian) for jacobian in gradients.split(len(logits))]

    def input_gradients(self, pictures: Tensor, logits: Tensor) -> Tensor:
        """Of one logit each in its picture, as (pictures, pixels), in evaluation mode."""
        self.network.eval()
        parts = []
        for part, chosen in zip(pictures.split(self.rows), logits.split(self.rows), strict=True):
            inputs = part.detach().requires_grad_()
            picked = self.network(inputs).gather(1, chosen[:, None]).sum()
            parts.append(torch.autograd.grad(picked, inputs)[0].flatten(1))
        return torch.cat(parts)


def copied(network: Network) -> Network:
    """A copy whose batch norms take over the statistics of the next batch as they are."""
    twin = copy.deepcopy(network).requires_grad_()
    for module in twin.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.reset_running_stats()
            module.momentum = 1.0
    return twin


def read_blocks(network: Network, pictures: Tensor, labels: Tensor) -> Readings:
    """One pass forward and back in training mode."""
    blocks = network.train().blocks()
    branches = [block.get_submodule("branch") for block in blocks]
    shortcuts = [getattr(block, "shortcut", None) for block in blocks]
    with (
        watched(branches, spread) as of_branches,
        watched(shortcuts, spread) as of_shortcuts,
        watched(blocks, channel_moments) as of_blocks,
    ):
        loss = loss_of(network(pictures), labels)
    weights = [[conv.weight for conv in convolutions(branch)] for branch in branches]
    gradients = iter(torch.autograd.grad(loss, [weight for own in weights for weight in own]))
    norms = [joint_norm([next(gradients) for _ in own]) for own in weights]
    squared_means, variances = zip(*of_blocks, strict=True)
    return Readings(
        norms,
        [joint_norm(own) for own in weights],
        (of_branches, of_shortcuts),
        list(squared_means),
        list(variances),
    )


@contextmanager
def watched(
    modules: Sequence[nn.Module | None], measured: Callable[[Tensor], Any]
) -> Iterator[list[Any]]:
    """A list in which the next forward pass puts what is measured of each module's output, at once,
    as operations that follow may overwrite it; not a number for None.
    """
    readings: list[Any] = [math.nan] * len(modules)

    def note(place: int, module: nn.Module, inputs: Any, output: Tensor) -> None:
        if isinstance(module, Streamed) and not module.closes:
            output = module.mean(output)
        readings[place] = measured(output.detach())

    handles = [
        module.register_forward_hook(partial(note, place))
        for place, module in enumerate(modules)
        if module is not None
    ]
    try:
        yield readings
    finally:
        for handle in handles:
            handle.remove()


def spread(x: Tensor) -> float:
    """Variance over pictures, channels and places."""
    return x.var().item()


def channel_moments(x: Tensor) -> tuple[float, float]:
    """Mean and variance of each channel over pictures and places: the mean square of the means, and
    the mean of the variances.
    """
    variance, mean = torch.var_mean(x, dim=(0, 2, 3), correction=0)
    return mean.square().mean().item(), variance.mean().item()


def joint_norm(tensors: Sequence[Tensor]) -> float:
    """Euclidean norm of all entries of all tensors, in double precision."""
    norm = torch.linalg.vector_norm
    return math.hypot(*(norm(x.detach().cpu(), dtype=torch.float64) for x in tensors))


def singular_values(matrix: Tensor) -> list[float]:
    """In descending order; not a number where an entry is not finite."""
    matrix = matrix.cpu().double()
    if not matrix.isfinite().all():
        return [math.nan]
    return torch.linalg.svdvals(matrix).tolist()
