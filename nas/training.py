"""Training one candidate with Lightning."""

import logging
import math
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import torch
import torch.nn.functional as F
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.utilities.seed import isolate_rng
from torch import Tensor, nn

from nas.cost import Cost, cost
from nas.data import open_data
from nas.environment import available_memory
from nas.network import Network
from nas.result import Result
from nas.settings import OPTIMIZERS, Candidate, Training

for noisy in ("lightning.pytorch", "lightning.fabric"):
    logging.getLogger(noisy).setLevel(logging.ERROR)
warnings.filterwarnings("ignore", message=".*LeafSpec.*is deprecated")

#: called after every epoch with its record; True ends the training there (trial pruning)
OnEpoch = Callable[[dict[str, float]], bool]
#: pictures of the training split on which the clean training error is measured
CLEAN_PICTURES = 4096


class Interrupted(Exception):
    """The training was told to stop before it was done."""


@dataclass
class Trained:
    """A trained network and what was measured on the way."""

    network: Network
    result: Result
    data: Any


class Learner(LightningModule):
    """Cross-entropy training of a network; losses are kept as tensors until an epoch ends."""

    def __init__(self, network: nn.Module, training: Training) -> None:
        super().__init__()
        self.network = network
        self.settings = training
        self.losses: list[Tensor] = []
        self.seen: dict[str, list[Tensor]] = {"train": [], "val": []}

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """The optimiser named by the settings."""
        optimizer = self.settings.optimizer
        return OPTIMIZERS[optimizer.name](self.network.parameters(), **optimizer.arguments)

    def on_train_batch_start(self, batch: Any, batch_index: int) -> None:
        """Set the learning rate of this step."""
        factor = self.settings.factor(self.global_step, int(self.trainer.estimated_stepping_batches))
        for group in self.trainer.optimizers[0].param_groups:
            group["lr"] = self.settings.optimizer.arguments["lr"] * factor

    def training_step(self, batch: tuple[Tensor, Tensor], batch_index: int) -> Tensor:
        """Loss of a batch, with the settings' label smoothing."""
        pictures, labels = batch
        logits = self.network(pictures.to(memory_format=torch.channels_last))
        loss = F.cross_entropy(logits, labels, label_smoothing=self.settings.label_smoothing)
        self.losses.append(loss.detach())
        self.seen["train"].append(scores(logits.detach(), labels))
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_index: int) -> None:
        """Loss and hits of a batch."""
        pictures, labels = batch
        logits = self.network(pictures.to(memory_format=torch.channels_last))
        self.seen["val"].append(scores(logits, labels))

    def record(self) -> dict[str, float]:
        """The record of the epoch that ended: mean loss and accuracy over its pictures."""
        record = {"epoch": float(self.current_epoch + 1)}
        for split, seen in self.seen.items():
            loss, hits, count = torch.stack(seen).sum(0).tolist()
            record |= {f"{split}_loss": loss / count, f"{split}_accuracy": hits / count}
            seen.clear()
        return record


def scores(logits: Tensor, labels: Tensor) -> Tensor:
    """Sum of the losses, number of hits, number of pictures."""
    loss = F.cross_entropy(logits, labels, reduction="sum").double()
    hits = (logits.argmax(1) == labels).sum()
    return torch.stack([loss, hits.double(), loss.new_tensor(len(labels))])


class Watch(Callback):
    """Keeps the curve, asks after every epoch whether to go on, and stops when interrupted."""

    def __init__(self, on_epoch: OnEpoch, interrupted: Callable[[], bool]) -> None:
        self.on_epoch = on_epoch
        self.interrupted = interrupted
        self.curve: list[dict[str, float]] = []
        self.pruned = False
        self.diverged = False

    def on_train_batch_start(self, trainer: Trainer, module: Any, batch: Any, batch_index: int) -> None:
        """Leave the training where it stands when interrupted."""
        if self.interrupted():
            raise Interrupted

    def on_train_epoch_end(self, trainer: Trainer, module: Any) -> None:
        """Runs after the validation of the epoch."""
        record = module.record()
        self.curve.append(record)
        self.diverged = not math.isfinite(record["train_loss"])
        last = len(self.curve) == trainer.max_epochs
        self.pruned = self.on_epoch(record) and not last and not self.diverged
        trainer.should_stop = self.pruned or self.diverged


def train(
    candidate: Candidate,
    *,
    seed: int,
    data_dir: Path,
    on_epoch: OnEpoch = lambda record: False,
    interrupted: Callable[[], bool] = lambda: False,
    train_on_validation: bool = False,
    measure_latency: bool = False,
    memory: int | None = None,
) -> Trained:
    """Train a candidate from its initial weights; DataError where the pictures cannot be had.

    Blocks are recomputed in the backward pass where the estimate exceeds `memory` bytes (default:
    three quarters of what is free). The same seed gives the same bits on the same kind of machine.
    """
    settings = candidate.training
    spent = cost(
        candidate.architecture, batch_size=settings.batch_size, optimizer=settings.optimizer.name
    )
    limit = memory or available_memory() * 3 // 4
    data = open_data(
        candidate.dataset,
        data_dir=data_dir,
        batch_size=settings.batch_size,
        seed=seed,
        train_on_validation=train_on_validation,
    )
    network = Network(candidate.architecture, seed=seed, checkpointing=spent.memory > limit)
    network.to(memory_format=torch.channels_last)
    learner, watch = Learner(network, settings), Watch(on_epoch, interrupted)
    start = time.perf_counter()
    fit(learner, watch, data, settings, seed)
    seconds = time.perf_counter() - start
    result = build_result(watch, spent, seed, seconds)
    result.measures["train_accuracy_clean"] = accuracy(
        network, data.train_evaluation_dataloader(), most=CLEAN_PICTURES
    )
    if measure_latency:
        result.latency = latency(network)
    return Trained(network, result, data)


def fit(learner: Learner, watch: Watch, data: Any, settings: Training, seed: int) -> None:
    """Run the Lightning trainer, without the parts a search has no use for."""
    trainer = Trainer(
        max_epochs=settings.epochs,
        accelerator="gpu" if torch.cuda.is_available() else "cpu",
        devices=1,
        barebones=True,
        gradient_clip_val=settings.gradient_clip or None,
        callbacks=[watch],
    )
    with isolate_rng():
        torch.manual_seed(seed)
        trainer.fit(learner, datamodule=data)


def build_result(watch: Watch, spent: Cost, seed: int, seconds: float) -> Result:
    """What a training showed, as one record."""
    return Result(
        curve=watch.curve,
        parameters=spent.parameters,
        multiply_adds=spent.multiply_adds,
        depth=spent.depth,
        memory=spent.memory,
        seed=seed,
        seconds=seconds,
        diverged=watch.diverged,
        pruned=watch.pruned,
    )


@torch.inference_mode()
def accuracy(network: nn.Module, batches: Any, *, most: int | None = None) -> float:
    """Share of pictures classified rightly, in eval mode, over at most so many pictures."""
    network.eval()
    total = torch.zeros(3, dtype=torch.float64)
    device = next(network.parameters()).device
    for pictures, labels in batches:
        logits = network(pictures.to(device, memory_format=torch.channels_last))
        total += scores(logits, labels.to(device)).cpu()
        if most is not None and total[2] >= most:
            break
    return (total[1] / total[2]).item()


@torch.inference_mode()
def latency(network: Network, *, repeats: int = 30) -> float:
    """Seconds of a forward pass of one picture, median after a warm-up."""
    network.eval()
    device = next(network.parameters()).device
    picture = torch.zeros(1, *network.architecture.image_shape, device=device)
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        network(picture)
        if device.type == "cuda":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - start)
    return median(seconds[repeats // 3 :])
