"""Training one candidate with Lightning."""

import json
import logging
import math
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import torch
from lightning.pytorch import Callback, LightningDataModule, Trainer
from lightning.pytorch.utilities.seed import isolate_rng

from nas.common.errors import UserError
from nas.common.machine import keep_memory, memory_share, return_memory
from nas.data import open_data
from nas.model.cost import Cost
from nas.model.network import Network, channels_last
from nas.training.candidate import Candidate
from nas.training.checkpoint import Checkpoint, Resuming, Saving, SavingLast
from nas.training.classifier_module import ClassifierModule
from nas.training.evaluation import (
    Probes,
    clean_error,
    initial_hash,
    retake_statistics,
    thinned,
)
from nas.training.losses import guessing
from nas.training.metrics import Run, measure_run
from nas.training.metrics.finished import measure_finished
from nas.training.result import Result
from nas.training.watching import WatchedRun, Watching, watch

for noisy in ("lightning.pytorch", "lightning.fabric"):
    logging.getLogger(noisy).setLevel(logging.ERROR)
warnings.filterwarnings("ignore", message=".*LeafSpec.*is deprecated")

#: called after every epoch with its record; True ends the training there (trial pruning)
OnEpoch = Callable[[dict[str, float]], bool]
#: called after every epoch but the last with its record; True pauses the training there
PauseAfter = Callable[[dict[str, float]], bool]


class StoppedError(Exception):
    """The training was told to stop before it was done."""


@dataclass
class Trained:
    """A trained network and what was measured on the way; `paused` where it is to go on later."""

    network: Network
    result: Result
    data: Any
    paused: bool = False


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
            module.graph = None  # and the memory that it keeps
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
