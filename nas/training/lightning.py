"""Training one candidate with Lightning."""

import json
import logging
import math
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import torch
from lightning.pytorch import Callback, LightningDataModule, LightningModule, Trainer
from lightning.pytorch.utilities.seed import isolate_rng
from torch import Tensor, nn

from nas.common.errors import UserError
from nas.common.machine import keep_memory, memory_share, return_memory
from nas.data import open_data
from nas.model.cost import Cost
from nas.model.network import Network, channels_last
from nas.training.averaging import Average
from nas.training.candidate import Candidate, Training
from nas.training.checkpoint import Checkpoint, Resuming, Saving, SavingLast
from nas.training.evaluation import (
    Probes,
    clean_error,
    initial_hash,
    retake_statistics,
    thinned,
)
from nas.training.fading import Fading
from nas.training.losses import guessing, loss_of, num_hits, scores, tally
from nas.training.metrics import Run, measure_run
from nas.training.metrics.finished import measure_finished
from nas.training.mixup import Mix, draw_mix
from nas.training.optimizers import OPTIMIZERS, decayed_groups
from nas.training.precision import Precision
from nas.training.result import Result
from nas.training.watching import WatchedRun, Watching, watch

for noisy in ("lightning.pytorch", "lightning.fabric"):
    logging.getLogger(noisy).setLevel(logging.ERROR)
warnings.filterwarnings("ignore", message=".*LeafSpec.*is deprecated")

#: called after every epoch with its record; True ends the training there (trial pruning)
OnEpoch = Callable[[dict[str, float]], bool]
#: called after every epoch but the last with its record; True pauses the training there
PauseAfter = Callable[[dict[str, float]], bool]


#: batch norm's running averages reach back over a tenth of the steps made, and from so many steps
#: on over ten steps, as torch has it by default (momentum 0.1)
MOMENTUM_WARMUP_STEPS, MOMENTUM = 100, 0.1


class StoppedError(Exception):
    """The training was told to stop before it was done."""


@dataclass
class Trained:
    """A trained network and what was measured on the way; `paused` where it is to go on later."""

    network: Network
    result: Result
    data: Any
    paused: bool = False


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
        self.losses: list[Tensor] = []
        self.batch_metrics: dict[str, list[tuple[Tensor, Tensor, int]]] = {"train": [], "val": []}
        self.val_tallies: list[Tensor] = []

    def on_fit_start(self) -> None:
        """The network is where it is trained."""
        self.precision = Precision(self.settings.precision, self.device.type)

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
        mix = self.mix(len(labels))
        with self.precision.forward():
            logits = self.network(mix.pictures(pictures.to(memory_format=torch.channels_last)))
        logits = logits.float()
        smoothing, weights = self.settings.label_smoothing, self.class_weights

        def smoothed(targets: Tensor) -> Tensor:
            return loss_of(logits, targets, weights, label_smoothing=smoothing)

        loss = mix.mean(smoothed, labels)
        backward = self.manual_backward if self.watched else Tensor.backward
        backward(self.precision.scaled(loss))
        self.optimizer_update(self.trainer.optimizers[0])
        if self.average:
            self.average.update()
        self.losses.append(loss.detach())
        is_plain = weights is None and not smoothing
        plain = loss if is_plain else mix.mean(partial(loss_of, logits), labels)
        hits = mix.mean(partial(num_hits, logits), labels)
        self.update_metrics("train", plain.detach(), hits, len(labels))

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


class TrainingMonitor(Callback):
    """Records the curve; ends the training if pruned, paused, diverged or interrupted."""

    def __init__(
        self, on_epoch: OnEpoch, pause_after: PauseAfter, interrupted: Callable[[], bool]
    ) -> None:
        self.on_epoch = on_epoch
        self.pause_after = pause_after
        self.interrupted = interrupted
        self.curve: list[dict[str, float]] = []
        self.pruned = False
        self.paused = False
        self.diverged = False

    def on_train_batch_start(
        self, trainer: Trainer, module: Any, batch: Any, batch_index: int
    ) -> None:
        """Stop the training if the worker was interrupted."""
        if self.interrupted():
            raise StoppedError

    def on_train_epoch_end(self, trainer: Trainer, module: Any) -> None:
        """Runs after the validation of the epoch."""
        record = module.record(len(self.curve) + 1)
        self.curve.append(record)
        self.diverged = not math.isfinite(record["train_loss"])
        stop = self.on_epoch(record)
        if not self.is_last(module) and not self.diverged:
            self.pruned = stop
            self.paused = not stop and self.pause_after(record)
        ends = self.pruned or self.paused or self.diverged
        trainer.should_stop = ends or trainer.should_stop  # by a callback of the user's

    def is_cut_short(self) -> bool:
        """Whether the training was pruned, or goes on later."""
        return self.pruned or self.paused

    def is_last(self, module: Any) -> bool:
        """Whether no epoch is left."""
        return len(self.curve) == module.settings.epochs


def train(
    candidate: Candidate,
    *,
    seed: int,
    data_dir: Path,
    on_epoch: OnEpoch = lambda record: False,
    pause_after: PauseAfter = lambda record: False,
    interrupted: Callable[[], bool] = lambda: False,
    train_on_validation: bool = False,
    measure_latency: bool = False,
    probes: Sequence[str] = (),
    finished: Sequence[str] = (),
    finished_split: str = "validation",
    memory: int | None = None,
    checkpoint: Path | None = None,
    given: LightningDataModule | None = None,
    watched_as: WatchedRun | None = None,
    device: str = "auto",
) -> Trained:
    """Train a candidate from its initial weights; DataError where there are no or too few pictures.

    Blocks are recomputed in the backward pass where they would take more than `memory` bytes
    (default: the share of one worker). `given` is the module of a data set handed over by a Python
    program. `device` is auto (a GPU by CUDA if there is one), cpu, cuda or mps. `watched_as` names
    the training to the loggers and callbacks of the user's own that watch it. Probes, and measures
    of the finished network on `finished_split` (validation or test), named as in
    nas.training.metrics.MEASURES, change nothing of the training. The same seed gives the same bits
    on the same kind of processor; GPUs promise no bits.

    The state is saved at `checkpoint` after an epoch, every CHECKPOINT_SECONDS, and a file of this
    very training is resumed from: to the same bits, without `on_epoch` for epochs that are done. A
    user's own data module keeps to that where its batches depend on torch's generator alone: not
    with persistent workers, random numbers from elsewhere, or a look at `trainer.current_epoch`,
    which counts from the resumption. The caller removes the file once the result is kept.

    Where the candidate asks for an average of the weights, the network returned has it, and all
    errors are of it; probes read the weights that are trained.

    If `pause_after` is True, and the state could be saved, the training ends for now and its result
    counts as pruned. Results of pruned trainings lack the training error and the probes of the end.
    """
    settings, accelerator = candidate.training, accelerator_of(device)
    data = open_data(
        candidate.dataset,
        data_dir=data_dir,
        batch_size=settings.batch_size,
        seed=seed,
        train_on_validation=train_on_validation,
        device="cuda" if accelerator == "cuda" else "cpu",
        given=given,
    )
    data.check_enough()
    spent = candidate.cost()
    network = build_network(candidate, spent, seed, memory)
    weights = data.class_weights() if settings.class_weights == "balanced" else None
    module = ClassifierModule(
        network, settings, weights, seed, watched_as is not None, data.target_scale
    )
    monitor = TrainingMonitor(on_epoch, pause_after, interrupted)
    initial = initial_hash(network, seed)
    probing = Probes(network, data, seed, probes, monitor.is_cut_short) if probes else None
    belongs = {"candidate": candidate.hash, "seed": seed, "whole": train_on_validation}
    if watched_as:
        belongs["callbacks"] = list(watched_as.watchers.callbacks)
    kept = Checkpoint(checkpoint, belongs, probes)
    resuming = Resuming(kept, monitor, probing)
    told = {"seed": seed, "parameters": spent.parameters, **json.loads(candidate.to_json())}
    watching = watch(watched_as, told, monitor.curve)
    resuming.watching = watching.callbacks
    saving = SavingLast(resuming) if watching else Saving(resuming)
    own = [monitor, *([probing] if probing else []), resuming, saving]
    fit(module, own, data, seed, len(monitor.curve), watching, accelerator)
    if module.average and not monitor.paused:
        module.average.swap()
    network.to(accelerator)  # Lightning leaves it in memory
    result = build_result(monitor, spent, seed, resuming.seconds())
    result.initial_hash = initial
    result.probes = probing.readings if probing else {}
    train_error = math.nan if monitor.is_cut_short() else clean_error(network, data)
    add_measures(result, module, network, train_error)
    if not monitor.paused:
        result.finished = measure_finished(
            network,
            data.test_dataloader() if finished_split == "test" else data.val_dataloader(),
            lambda twin: retake_statistics(twin, data.train_evaluation_dataloader()),
            seed=seed,
            names=finished,
            split=finished_split,
        )
    result.latency = latency(network) if measure_latency else None
    return Trained(network.cpu(), result, data, monitor.paused)


def build_network(candidate: Candidate, spent: Cost, seed: int, memory: int | None) -> Network:
    """The network as it is trained; blocks are recomputed where they would not fit in memory."""
    checkpointing = spent.memory > (memory or memory_share(1))
    (return_memory if checkpointing else keep_memory)()
    return channels_last(Network(candidate.architecture, seed=seed, checkpointing=checkpointing))


def add_measures(
    result: Result, module: ClassifierModule, network: Network, train_error: float
) -> None:
    """Add what the losses tell of the run, and the error on the training pictures as they are."""
    losses = torch.stack(module.losses).tolist()
    result.steps = len(losses)
    result.losses = thinned(losses)
    result.measures = {"train_error": train_error} | measure_run(
        Run(
            losses=losses,
            num_classes=guessing(network.architecture.num_classes),
            train_error=train_error,
            val_error=1 - result.final["val_accuracy"],
        )
    )
    result.diverged = bool(result.measures["diverged"])


def fit(
    module: ClassifierModule,
    own: list[Callback],
    data: Any,
    seed: int,
    done: int,
    watching: Watching,
    accelerator: str,
) -> None:
    """Run the epochs that are not done with Lightning, without what a search has no use for."""
    trainer = Trainer(
        max_epochs=module.settings.epochs - done,
        accelerator=accelerator,
        devices=1,
        callbacks=[*own, *watching.log, *watching.callbacks],
        **watching.options,
    )
    data.first_epoch = done
    with isolate_rng():
        torch.manual_seed(seed)
        try:
            trainer.fit(module, datamodule=data)
        finally:
            watching.finish()
    data.first_epoch = 0


def accelerator_of(device: str) -> str:
    """Lightning's name of a kind of device: auto, cpu, cuda or mps; UserError where there is none
    such here."""
    has_cuda = torch.cuda.is_available()
    if device == "auto":
        return "cuda" if has_cuda else "cpu"
    if device != "cpu" and not (
        has_cuda if device == "cuda" else torch.backends.mps.is_available()
    ):
        raise UserError(
            f"--device {device}: torch finds none here, or is built without it: take auto or cpu."
        )
    return device


def build_result(monitor: TrainingMonitor, spent: Cost, seed: int, seconds: float) -> Result:
    """What a training showed, as one record."""
    return Result(
        curve=monitor.curve,
        parameters=spent.parameters,
        multiply_adds=spent.multiply_adds,
        depth=spent.depth,
        memory=spent.memory,
        seed=seed,
        seconds=seconds,
        pruned=monitor.is_cut_short(),
    )


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
