"""The training step of a network, as a module of Lightning's."""

from functools import partial
from typing import Any

import torch
from lightning.pytorch import LightningModule
from torch import Tensor, nn

from nas.training.averaging import Average
from nas.training.candidate import Training
from nas.training.fading import Fading
from nas.training.graphs import StepGraph, step_graph
from nas.training.losses import loss_of, num_hits, scores, tally
from nas.training.mixup import Mix, draw_mix
from nas.training.optimizers import OPTIMIZERS, decayed_groups
from nas.training.precision import Precision

#: batch norm's running averages reach back over a tenth of the steps made, and from so many steps
#: on over ten steps, as torch has it by default (momentum 0.1)
MOMENTUM_WARMUP_STEPS, MOMENTUM = 100, 0.1


class ClassifierModule(LightningModule):
    """Training of a network by cross-entropy, or by least squares where targets are numbers; losses
    are kept as tensors until an epoch ends.

    `seed` is that of the pictures that are mixed. target_scale: the deviation of targets that are
    numbers. `watched`: callbacks of others hear of backward
    passes and, but with fp16, of steps, which takes half a millisecond for each.
    """

    def __init__(
        self,
        network: nn.Module,
        training: Training,
        class_weights: Tensor | None = None,
        seed: int = 0,
        watched: bool = False,
        target_scale: float = 1.0,
    ) -> None:
        super().__init__()
        self.target_scale = target_scale
        self.automatic_optimization = False  # of Lightning's: half a millisecond for every step
        self.watched = watched
        self.network = network
        self.settings = training
        self.seed = seed
        decay = training.weight_average
        self.average = Average(network, decay) if decay else None
        self.fading = Fading(network) if training.fade_shortcuts else None
        self.class_weights: Tensor | None
        self.register_buffer("class_weights", class_weights, persistent=False)
        self.norms = [one for one in network.modules() if isinstance(one, nn.BatchNorm2d)]
        self.graph: StepGraph | None = None
        self.losses: list[Tensor] = []
        self.batch_metrics: dict[str, list[tuple[Tensor, Tensor, int]]] = {"train": [], "val": []}
        self.val_tallies: list[Tensor] = []

    def on_fit_start(self) -> None:
        """The network is where it is trained."""
        self.precision = Precision(self.settings.precision, self.device.type)
        if self.device.type == "cuda" and not self.watched:
            self.graph = step_graph(self.network, self.settings, self.passes)

    @property
    def step(self) -> int:
        """Steps made; Lightning does not count those before a resumption."""
        return len(self.losses)

    @property
    def num_steps(self) -> int:
        """Steps of the whole training."""
        return self.settings.epochs * int(self.trainer.num_training_batches)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """The optimiser named by the settings."""
        optimizer = self.settings.optimizer
        parameters: Any = self.network.parameters()
        if self.settings.weight_decay_of == "weights":
            parameters = decayed_groups(self.network)
        return OPTIMIZERS[optimizer.name](parameters, **optimizer.arguments)

    def training_step(self, batch: tuple[Tensor, Tensor], batch_index: int) -> None:
        """One step down the loss of a batch, with the settings' mixup, label smoothing and class
        weights."""
        if self.step < MOMENTUM_WARMUP_STEPS:
            self.set_momentum(running_average_momentum(self.step + 1))
        if self.fading:
            self.fading.weight = self.settings.shortcut_weight(self.step, self.num_steps)
        pictures, labels = batch
        pictures = pictures.to(memory_format=torch.channels_last)
        steady = self.step >= MOMENTUM_WARMUP_STEPS  # a graph keeps the momentum it was made with
        passes = self.graph if self.graph and steady else self.passes
        loss, plain, hits = passes(pictures, labels)
        self.optimizer_update(self.trainer.optimizers[0])
        if self.average:
            self.average.update()
        self.losses.append(loss)
        self.update_metrics("train", plain, hits, len(labels))

    def passes(self, pictures: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Forward and backward: the loss that is trained, the loss of the labels alone, and the
        number of hits. The gradients are left in the weights."""
        mix = self.mix(len(labels))
        with self.precision.forward():
            logits = self.network(mix.pictures(pictures))
        logits = logits.float()
        smoothing, weights = self.settings.label_smoothing, self.class_weights

        def smoothed(targets: Tensor) -> Tensor:
            return loss_of(logits, targets, weights, label_smoothing=smoothing)

        loss = mix.mean(smoothed, labels)
        backward = self.manual_backward if self.watched else Tensor.backward
        backward(self.precision.scaled(loss))
        is_plain = weights is None and not smoothing
        plain = loss if is_plain else mix.mean(partial(loss_of, logits), labels)
        hits = mix.mean(partial(num_hits, logits), labels)
        return loss.detach(), plain.detach(), hits.detach()

    def mix(self, num_pictures: int) -> Mix:
        """How the pictures of this step are mixed, decided by its number and the seed."""
        alpha = self.settings.mixup
        return draw_mix(num_pictures, alpha, f"{self.seed}:{self.step}") if alpha else Mix()

    def set_momentum(self, momentum: float) -> None:
        """Set the share of the next batch's statistics in batch norm's running averages."""
        for norm in self.norms:
            norm.momentum = momentum

    def on_train_end(self) -> None:
        """Leave the network as torch builds it, however short the training; faded shortcuts are
        gone.
        """
        self.set_momentum(MOMENTUM)
        if self.fading and self.step >= self.num_steps:
            self.fading.weight = 0.0

    def optimizer_update(self, optimizer: torch.optim.Optimizer) -> None:
        """Clip the gradients and update the weights at the learning rate of this step."""
        factor = self.settings.factor(self.step, self.num_steps)
        for group in optimizer.param_groups:
            group["lr"] = group.setdefault("initial_lr", group["lr"]) * factor
        self.precision.unscale(optimizer)
        if self.settings.gradient_clip:
            nn.utils.clip_grad_norm_(self.network.parameters(), self.settings.gradient_clip)
        told: Any = self.optimizers() if self.watched and not self.precision.scaler else optimizer
        self.precision.step(told)
        optimizer.zero_grad()

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_index: int) -> None:
        """Loss and hits of a batch."""
        pictures, labels = batch
        logits = self.network(pictures.to(memory_format=torch.channels_last))
        loss, hits = loss_of(logits, labels), num_hits(logits, labels)
        self.update_metrics("val", loss, hits, len(labels))
        self.val_tallies.append(tally(logits, labels))

    def on_validation_start(self) -> None:
        """Measure the averaged weights, where there are any."""
        if self.average:
            self.average.swap()

    def on_validation_end(self) -> None:
        """Go on with the weights that are trained."""
        if self.average:
            self.average.swap()

    def update_metrics(self, split: str, loss: Tensor, hits: Tensor, count: int) -> None:
        """Record the mean loss, the hits and the number of pictures of a batch."""
        self.batch_metrics[split].append((loss, hits, count))

    def record(self, epoch: int) -> dict[str, float]:
        """The record of the epoch that ended: mean loss and accuracy over its pictures.

        Balanced accuracy, or R^2 and mean absolute error, are those of the validation pictures.
        """
        record = {"epoch": float(epoch)}
        for split, batches in self.batch_metrics.items():
            losses, hits, counts = zip(*batches, strict=True)
            shares = torch.tensor(counts, dtype=torch.float64) / sum(counts)
            record[f"{split}_loss"] = (torch.stack(losses).cpu().double() @ shares).item()
            record[f"{split}_accuracy"] = torch.stack(hits).sum().item() / sum(counts)
            batches.clear()
        found = scores(torch.stack(self.val_tallies).sum(0), scale=self.target_scale)
        record |= {f"val_{name}": value for name, value in found.items()}
        self.val_tallies.clear()
        return record


def running_average_momentum(step: int) -> float:
    """The momentum of batch norm's running averages at a step, counted from 1.

    10 / step, between 0.1 and 1. A fixed 0.1 mixes the statistics of weights of ten steps, which in
    the first epochs are those of other networks, the more the deeper it is: of 32 layers that
    classify 87% rightly validation saw 16%. The average over the last part of the steps is the
    polynomial-decay averaging of Shamir and Zhang (2013), which they made for weights.
    """
    return min(1.0, max(MOMENTUM, MOMENTUM * MOMENTUM_WARMUP_STEPS / step))
