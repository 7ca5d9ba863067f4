"""Ways to train a candidate, to be compared: ours and the leanest loop one would write by hand."""

import hashlib
import os
from collections.abc import Callable
from contextlib import suppress

import torch
import torch.nn.functional as F
from torch import nn

from experiments.speed.sizes import candidate, data_dir
from nas.common.machine import keep_memory
from nas.data import open_data
from nas.model.network import Network, channels_last
from nas.training.candidate import OPTIMIZERS
from nas.training.evaluation import clean_error
from nas.training.graphs import VARIABLE
from nas.training.lightning import train


def trial(size: str, device: str = "cpu", graphs: bool = True) -> Callable[[], str]:
    """Training as it is in a trial, without probes; gives a hash of the weights. graphs: steps on a
    GPU are recorded, as they are by default."""
    os.environ[VARIABLE] = str(int(graphs))
    ours = candidate(size)
    return lambda: digest(train(ours, seed=0, data_dir=data_dir(), device=device).network)


class TrainedError(Exception):
    """Ends a training with its last epoch."""


def training_alone(size: str) -> Callable[[], None]:
    """The epochs of a trial with their validation, without the clean training error at the end."""
    ours = candidate(size)

    def on_epoch(record: dict[str, float]) -> bool:
        if record["epoch"] == ours.training.epochs:
            raise TrainedError
        return False

    def work() -> None:
        with suppress(TrainedError):
            train(ours, seed=0, data_dir=data_dir(), on_epoch=on_epoch)

    return work


def bare_loop(size: str, device: str = "cpu") -> Callable[[], str]:
    """The same training without Lightning, records, hooks or checkpoints."""
    keep_memory()
    return lambda: digest(loop(size, device))


def loop(size: str, device: str) -> nn.Module:
    """Train, validate after every epoch, and take the clean training error at the end."""
    ours = candidate(size)
    settings = ours.training
    pictures = {"data_dir": data_dir(), "batch_size": settings.batch_size, "device": device}
    data = open_data(ours.dataset, seed=0, **pictures)
    network = channels_last(Network(ours.architecture, seed=0)).to(device)
    optimizer = OPTIMIZERS["sgd"](network.parameters(), **settings.optimizer.arguments)
    group, (batches, validation) = (
        optimizer.param_groups[0],
        (
            data.train_dataloader(),
            data.val_dataloader(),
        ),
    )
    rate, step, num_steps = group["lr"], 0, settings.epochs * len(batches)
    for _ in range(settings.epochs):
        network.train()
        seen = []
        for pictures, labels in batches:
            group["lr"] = rate * settings.factor(step, num_steps)
            logits = network(pictures)
            loss = F.cross_entropy(logits, labels)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            seen.append((loss.detach(), (logits.argmax(1) == labels).sum()))
            step += 1
        validate(network, validation)
    clean_error(network, data)
    return network


@torch.inference_mode()
def validate(network: nn.Module, batches) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Losses and hits."""
    network.eval()
    return [
        (F.cross_entropy(logits, labels), (logits.argmax(1) == labels).sum())
        for logits, labels in ((network(pictures), labels) for pictures, labels in batches)
    ]


def digest(network: nn.Module) -> str:
    """A hash of all weights and statistics, to the last bit."""
    values = network.state_dict().values()
    return hashlib.sha256(
        b"".join(v.contiguous().cpu().numpy().tobytes() for v in values)
    ).hexdigest()
