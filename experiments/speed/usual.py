"""The usual script: Optuna, Lightning and a DataLoader with per-picture transforms, as they come.

It trains the network, the pictures and the epochs of `sizes.candidate`; everything else is as its
authors leave it: Lightning's default logger, checkpoints, progress bar and summary, `self.log`,
torch's default optimiser and memory format. torchvision's transforms are written out with Pillow,
which is what they are; `careful` is the same with slices of padded tensors, as few would write it.
No loader workers is the best number for one core: with one, XS took three times as long, with two
five times.
"""

import os
import tempfile
from collections.abc import Callable
from functools import partial
from typing import Any

import lightning
import numpy as np
import optuna
import torch
import torch.nn.functional as F
from PIL import Image, ImageOps
from torch.utils.data import DataLoader, Dataset

from experiments.speed.sizes import candidate, data_dir
from nas.data import open_data
from nas.model.network import Network
from nas.training.candidate import Candidate


def pillow(picture: np.ndarray, padding: int, training: bool) -> torch.Tensor:
    """RandomCrop(side, padding), RandomHorizontalFlip and ToTensor of torchvision."""
    image = Image.fromarray(picture)
    if training:
        side = image.width
        image = ImageOps.expand(image, padding)
        top, left = torch.randint(0, 2 * padding + 1, (2,)).tolist()
        image = image.crop((left, top, left + side, top + side))
        if torch.rand(1) < 0.5:
            image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return torch.from_numpy(np.array(image)).permute(2, 0, 1).contiguous().float().div(255)


def careful(picture: np.ndarray, padding: int, training: bool) -> torch.Tensor:
    """The same with slices of a tensor."""
    pixels = torch.from_numpy(picture).permute(2, 0, 1)
    if training:
        side = pixels.shape[1]
        top, left = np.random.randint(0, 2 * padding + 1, 2)
        pixels = F.pad(pixels, (padding,) * 4)[:, top : top + side, left : left + side]
        if np.random.rand() < 0.5:
            pixels = pixels.flip(2)
    return pixels.float().div_(255)


class Pictures(Dataset):
    """A picture at a time, transformed and normalised."""

    def __init__(self, data: Any, rows: torch.Tensor, transform: Any, *, training: bool) -> None:
        pool = data._pool
        self.pixels = pool.pixels[rows].permute(0, 2, 3, 1).contiguous().numpy()
        self.labels = pool.labels[rows].tolist()
        self.mean = torch.tensor(data.mean).view(3, 1, 1)
        self.std = torch.tensor(data.std).view(3, 1, 1)
        self.transform = partial(transform, padding=len(self.pixels[0]) // 8, training=training)

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        picture = self.transform(self.pixels[index])
        return picture.sub_(self.mean).div_(self.std), self.labels[index]


class Classifier(lightning.LightningModule):
    """The network, its optimiser and what is logged."""

    def __init__(self, ours: Candidate) -> None:
        super().__init__()
        self.network, self.settings = Network(ours.architecture), ours.training

    def training_step(self, batch: Any, batch_idx: int) -> torch.Tensor:
        pictures, labels = batch
        logits = self.network(pictures)
        loss = F.cross_entropy(logits, labels)
        accuracy = (logits.argmax(1) == labels).float().mean()
        self.log_dict({"train_loss": loss, "train_acc": accuracy}, on_step=False, on_epoch=True)
        return loss

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        pictures, labels = batch
        logits = self.network(pictures)
        accuracy = (logits.argmax(1) == labels).float().mean()
        self.log_dict({"val_loss": F.cross_entropy(logits, labels), "val_acc": accuracy})

    def configure_optimizers(self) -> Any:
        chosen = self.settings.optimizer.arguments
        decay = chosen.get("weight_decay", 1e-4)
        optimizer = torch.optim.SGD(
            self.parameters(), chosen["lr"], momentum=0.9, weight_decay=decay
        )
        steps = int(self.trainer.estimated_stepping_batches)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
        return [optimizer], [{"scheduler": schedule, "interval": "step"}]


class Reports(lightning.Callback):
    """Tells Optuna of every epoch, and stops where it prunes."""

    def __init__(self, trial: optuna.Trial) -> None:
        self.trial = trial

    def on_validation_end(self, trainer: lightning.Trainer, module: Any) -> None:
        if trainer.sanity_checking:
            return
        self.trial.report(trainer.callback_metrics["val_acc"].item(), trainer.current_epoch)
        if self.trial.should_prune():
            raise optuna.TrialPruned


def objective(
    trial: optuna.Trial, ours: Candidate, transform: Any, num_workers: int, out: str
) -> float:
    """One trial."""
    lightning.seed_everything(0, verbose=False)
    size = ours.training.batch_size
    data = open_data(ours.dataset, data_dir=data_dir(), batch_size=size, seed=0)
    options = {"batch_size": size, "num_workers": num_workers}
    options["persistent_workers"] = num_workers > 0
    training = Pictures(data, data._train, transform, training=True)
    validation = Pictures(data, data._validation, transform, training=False)
    trainer = lightning.Trainer(
        max_epochs=ours.training.epochs, default_root_dir=out, callbacks=[Reports(trial)]
    )
    trainer.fit(
        Classifier(ours),
        DataLoader(training, shuffle=True, **options),
        DataLoader(validation, **options),
    )
    return trainer.callback_metrics["val_acc"].item()


def quiet() -> None:
    """Show the progress bar and all other messages to nobody."""
    nobody = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nobody, 1)
    os.dup2(nobody, 2)


def usual_script(size: str, transform: str = "pillow", num_workers: int = 0) -> Callable[[], float]:
    """A study of one trial; gives its validation accuracy."""
    out = tempfile.mkdtemp()
    quiet()
    transforms = {"pillow": pillow, "careful": careful}

    def study() -> float:
        study = optuna.create_study(direction="maximize", storage=f"sqlite:///{out}/optuna.db")
        goal = partial(
            objective,
            ours=candidate(size),
            transform=transforms[transform],
            num_workers=num_workers,
            out=out,
        )
        study.optimize(goal, n_trials=1)
        return study.best_value

    return study
