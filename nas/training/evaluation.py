"""What is measured of a candidate: probes on the way of its training, clean errors at the end."""

import copy
import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import torch
from lightning.pytorch import Callback, Trainer
from torch import Tensor, nn

from nas.model.blocks import ORDERS
from nas.model.network import Network, branch_convolutions, convolutions, initialise
from nas.training.losses import num_hits, scores, tally
from nas.training.metrics import PROBE_STEPS
from nas.training.metrics.probes import Value, probe

#: pictures of the training split on which the clean training error is measured, and on which the
#: statistics of batch norm are taken anew before
CLEAN_PICTURES, STATISTICS_PICTURES = 4096, 1024
#: points kept of a curve over training steps
CURVE_POINTS = 200


class Probes(Callback):
    """Takes the probes before the steps in PROBE_STEPS and at the end, on the same pictures.

    is_cut_short: whether a training that ends is paused or pruned; nobody looks at its end.
    """

    def __init__(
        self,
        network: Network,
        data: Any,
        seed: int,
        names: Sequence[str],
        is_cut_short: Callable[[], bool],
    ) -> None:
        self.network = network
        self.is_cut_short = is_cut_short
        self.names = names
        self.seed = seed
        self.readings: dict[str, dict[str, Value]] = {}
        self.pictures, self.labels = next(iter(data.train_evaluation_dataloader()))

    def on_train_batch_start(
        self, trainer: Trainer, module: Any, batch: Any, batch_index: int
    ) -> None:
        """Probe where the number of steps made is one of those wanted."""
        if module.step in PROBE_STEPS:
            self.take(str(module.step))

    def on_train_end(self, trainer: Trainer, module: Any) -> None:
        """Probe the network that is trained to its end."""
        if not self.is_cut_short():
            self.take("end")

    def take(self, step: str) -> None:
        """One reading."""
        device = next(self.network.parameters()).device
        self.readings[step] = probe(
            self.network,
            self.pictures.to(device),
            labels=self.labels.to(device),
            seed=self.seed,
            names=self.names,
        )


@torch.inference_mode()
def measured(network: nn.Module, batches: Any, *, scale: float = 1.0) -> dict[str, float]:
    """The scores of a network in eval mode, as `nas.training.losses.scores` has them."""
    network.eval()
    device = next(network.parameters()).device
    sums = sum(
        tally(network(x.to(device, memory_format=torch.channels_last)), y.to(device))
        for x, y in batches
    )
    assert isinstance(sums, Tensor)
    return scores(sums, scale=scale)


@torch.inference_mode()
def accuracy(network: nn.Module, batches: Any, *, most: int | None = None) -> float:
    """Share of pictures classified rightly, or R^2 of numbers, in eval mode, over at most so many
    pictures."""
    network.eval()
    device = next(network.parameters()).device
    hits, count = torch.zeros((), dtype=torch.float64, device=device), 0
    for pictures, labels in batches:
        logits = network(pictures.to(device, memory_format=torch.channels_last))
        hits += num_hits(logits, labels.to(device))
        count += len(labels)
        if most is not None and count >= most:
            break
    return float(hits) / count


def clean_error(network: nn.Module, data: Any) -> float:
    """Error on un-augmented training pictures in eval mode, batch norm's statistics taken anew.

    Degradation is an effect on this number (He et al. 2015, section 1).
    """
    twin = copy.deepcopy(network)
    retake_statistics(twin, data.train_evaluation_dataloader())
    return 1 - accuracy(twin, data.train_evaluation_dataloader(), most=CLEAN_PICTURES)


@torch.no_grad()
def retake_statistics(network: nn.Module, batches: Any) -> None:
    """Average the statistics of batch norm over pictures as they are; no weight is changed.

    Joins leave nothing out, as in use. Every batch counts by its pictures.
    """
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    if not norms:
        return
    network.eval()
    for norm in norms:
        norm.reset_running_stats()
        norm.train()
    device, seen = next(network.parameters()).device, 0
    for pictures in of_two_or_more(batches):
        seen += len(pictures)
        for norm in norms:
            norm.momentum = len(pictures) / seen
        network(pictures.to(device, memory_format=torch.channels_last))
        if seen >= STATISTICS_PICTURES:
            return


def of_two_or_more(batches: Iterable[tuple[Tensor, Tensor]]) -> Iterator[Tensor]:
    """Pictures in batches of two or more, as one picture has no statistics over a batch: one alone
    is put to the batch after it, and left out at the end.
    """
    waiting: list[Tensor] = []
    for pictures, _ in batches:
        waiting.append(pictures)
        if sum(map(len, waiting)) > 1:
            yield torch.cat(waiting) if len(waiting) > 1 else pictures
            waiting = []


def initial_hash(network: Network, seed: int) -> str:
    """A hash of stem, branches and classifier, not of shortcuts: equal for untrained twins. It is
    that of the weights as drawn, before an initialisation or an order scales those of some
    branches.
    """
    order = ORDERS[network.architecture.activation_order]()
    if network.architecture.initialisation != "he" or (order.tokens and order.tokens.scales):
        with torch.random.fork_rng(devices=[]):
            network = Network(network.architecture, seed=seed)
        initialise(network, seed)
    digest = hashlib.sha256()
    layers: list[nn.Conv2d | nn.Linear] = [*convolutions(network.stem)]
    for block in network.blocks():
        layers += branch_convolutions(block)
    for layer in [*layers, network.head]:
        digest.update(layer.weight.detach().contiguous().cpu().numpy().tobytes())
    return digest.hexdigest()[:16]


def thinned(losses: Sequence[float]) -> list[list[float]]:
    """[step, mean loss] over equal stretches of the training, few enough to be stored."""
    width = max(1, -(-len(losses) // CURVE_POINTS))
    stretches = [losses[start : start + width] for start in range(0, len(losses), width)]
    return [
        [index * width, round(sum(stretch) / len(stretch), 4)]
        for index, stretch in enumerate(stretches)
    ]
