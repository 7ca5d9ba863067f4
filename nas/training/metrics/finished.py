"""A copy of a finished network to be measured, on the same validation pictures for all twins."""

import copy
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from nas.common.registry import unknown
from nas.model.network import Network
from nas.training.metrics import finished_measures
from nas.training.metrics.probes import Value, neutral, without_infinity

#: validation pictures, at most, and how many of them pass through a network at once
MOST_PICTURES, AT_ONCE = 1024, 256
#: the choice of these pictures, the same for every network
CHOICE_SEED = 0
#: keys of what is stored beside the measures: which pictures are classified rightly, one bit each
#: in hexadecimal digits, and how many there are
RIGHT, PICTURES, SPLIT = "right", "pictures", "split"

#: takes the statistics of a network's norms anew
Retake = Callable[[nn.Module], None]


class Finished:
    """A copy of a network in evaluation mode, pictures of the validation split and their labels."""

    def __init__(
        self,
        network: Network,
        batches: Iterable[tuple[Tensor, Tensor]],
        retake: Retake,
        seed: int,
    ) -> None:
        self.device = next(network.parameters()).device
        self.network = copy.deepcopy(network).eval()
        self.pictures, self.labels = (x.to(self.device) for x in chosen(batches, MOST_PICTURES))
        self.retake = retake
        self.seed = seed

    def generator(self) -> torch.Generator:
        """Random numbers from the seed, the same for whoever asks."""
        return torch.Generator().manual_seed(self.seed)

    @cached_property
    def logits(self) -> Tensor:
        """Of the pictures as they are, (pictures, classes)."""
        return self.logits_of(self.network, self.pictures)

    @torch.no_grad()
    def logits_of(self, network: nn.Module, pictures: Tensor) -> Tensor:
        """Of any network and pictures."""
        parts = (x.to(memory_format=torch.channels_last) for x in pictures.split(AT_ONCE))
        return torch.cat([network(part) for part in parts])

    @property
    def right(self) -> Tensor:
        """Which pictures are classified rightly, (pictures,)."""
        return self.logits.argmax(1) == self.labels

    def error(self, network: nn.Module | None = None, pictures: Tensor | None = None) -> float:
        """The share of pictures classified wrongly, by another network or in another state."""
        shown = self.pictures if pictures is None else pictures
        logits = self.logits_of(network or self.network, shown)
        return (logits.argmax(1) != self.labels).cpu().double().mean().item()

    @torch.no_grad()
    def with_weights(self, changed: Callable[[Tensor], Tensor]) -> Network:
        """A copy in which the weights of convolutions and of the classifier are changed."""
        twin = copy.deepcopy(self.network)
        for module in twin.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                module.weight.copy_(changed(module.weight))
        return twin

    def lesions(self, *, retaken: bool) -> list[float]:
        """The error without each block in turn, from input to output; not a number for a block
        without a shortcut that changes the shape, as nothing could stand in its place.

        retaken: whether norms take their statistics anew once the block is gone.
        """
        keeps = kept_shapes(self.network, self.pictures[:2])
        errors = []
        for place, same in enumerate(keeps):
            twin = copy.deepcopy(self.network) if retaken else self.network
            block = twin.blocks()[place]
            if not same and not hasattr(block, "shortcut"):
                errors.append(float("nan"))
                continue
            with without(block):
                if retaken:
                    self.retake(twin)
                errors.append(self.error(twin.eval()))
        return errors


@contextmanager
def without(block: nn.Module) -> Iterator[None]:
    """A block without its branch: what the join makes of the shortcut and of zeros. A block without
    a shortcut is left out.
    """
    if hasattr(block, "shortcut"):
        branch = block.get_submodule("branch")
        handle = branch.register_forward_hook(lambda module, inputs, out: torch.zeros_like(out))
        try:
            yield
        finally:
            handle.remove()
        return
    block.forward = lambda x: x
    try:
        yield
    finally:
        del block.forward


@torch.no_grad()
def kept_shapes(network: Network, pictures: Tensor) -> list[bool]:
    """Whether the output of each block has the shape of its input."""
    found: list[bool] = []

    def note(module: nn.Module, inputs: Any, out: Tensor) -> None:
        found.append(inputs[0].shape == out.shape)

    handles = [block.register_forward_hook(note) for block in network.blocks()]
    try:
        network(pictures)
    finally:
        for handle in handles:
            handle.remove()
    return found


def chosen(batches: Iterable[tuple[Tensor, Tensor]], most: int) -> tuple[Tensor, Tensor]:
    """At most so many pictures with their labels, drawn by a number of their place alone: the same
    of every network, and of all classes where pictures are sorted by class.
    """
    random = np.random.RandomState(CHOICE_SEED)
    kept: list[tuple[float, int, Tensor, Tensor]] = []
    place = 0
    for pictures, labels in batches:
        for picture, label in zip(pictures, labels, strict=True):
            kept.append((random.random_sample(), place, picture, label))
            place += 1
        if len(kept) > 2 * most:
            kept = sorted(kept, key=lambda one: one[0])[:most]
    drawn = sorted(sorted(kept, key=lambda one: one[0])[:most], key=lambda one: one[1])
    return torch.stack([one[2] for one in drawn]), torch.stack([one[3] for one in drawn])


def measure_finished(
    network: Network,
    batches: Iterable[tuple[Tensor, Tensor]],
    retake: Retake,
    *,
    seed: int,
    names: Sequence[str],
    split: str = "validation",
) -> dict[str, Value | str]:
    """The named measures of a finished network, and which pictures it classifies rightly; nothing
    where no names are given. Neither the network nor any random state is changed.
    """
    if not names:
        return {}
    known = finished_measures()
    for name in names:
        if name not in known:
            raise ValueError(unknown("measure of a finished network", name, list(known)))
    with neutral(network, seed):
        subject = Finished(network, batches, retake, seed)
        found: dict[str, Value | str] = {
            RIGHT: packed(subject.right.tolist()),
            PICTURES: len(subject.labels),
        }
        found |= {SPLIT: split} if split != "validation" else {}
        return found | {name: without_infinity(known[name](subject)) for name in names}


def packed(bits: Sequence[bool]) -> str:
    """Bits as hexadecimal digits, the first one in the highest place."""
    return np.packbits(np.asarray(bits, dtype=bool)).tobytes().hex()
