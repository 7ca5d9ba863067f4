"""Loggers and callbacks of the user's own, made for one training."""

import inspect
import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, Trainer
from lightning.pytorch.loggers import Logger

from nas.common.class_paths import Code, import_class
from nas.common.errors import UserError
from nas.training.watchers import Watchers

#: logger -> the extra of this package that brings what it needs
EXTRAS = {"TensorBoardLogger": "tensorboard", "MLFlowLogger": "mlflow", "WandbLogger": "wandb"}
#: keys of a space
LOGGER, CALLBACKS = "training.logger", "training.callbacks"
#: folders of logs beside the checkpoints: of MLflow's store, and of all others
FOLDERS = ("logs", "mlruns")


@dataclass(frozen=True)
class WatchedRun:
    """One training as loggers name it: `study` and `name`, as in trial_3; logs go to `folder`."""

    watchers: Watchers
    folder: Path
    study: str
    name: str


@dataclass(frozen=True)
class Watching:
    """Loggers and callbacks of one training, what they are told by, and how Lightning's Trainer is
    told of them.
    """

    loggers: list[Logger] = field(default_factory=list)
    callbacks: list[Callback] = field(default_factory=list)
    log: list[Callback] = field(default_factory=list)
    folder: Path | None = None

    def __bool__(self) -> bool:
        return bool(self.log)

    @property
    def options(self) -> dict[str, Any]:
        """Of the Trainer: without anything to watch it keeps no books of what it does."""
        if not self:
            return {"barebones": True}
        return {
            "logger": self.loggers,
            "default_root_dir": self.folder,
            "enable_checkpointing": True,  # there is always our own
            "enable_progress_bar": False,
            "enable_model_summary": False,
            "num_sanity_val_steps": 0,
            "log_every_n_steps": 1,
        }

    def finish(self) -> None:
        """End the runs of loggers that would go on with them, as W&B does."""
        for logger in self.loggers:
            if type(logger).__name__ == "WandbLogger":
                logger.experiment.finish()  # type: ignore[attr-defined]


def watch(run: WatchedRun | None, settings: dict[str, Any], curve: list[Any]) -> Watching:
    """What watches a training. `settings`: of the candidate, to be logged once. `curve`: the
    records of epochs, to which the training adds; one that goes on after some is a run of its own.

    UserError where a class is not there, is no logger or callback, or takes other arguments.
    """
    if run is None or not run.watchers:
        return Watching()
    name = f"{run.name}_after_{len(curve)}" if curve else run.name
    loggers = [
        instance(one, LOGGER, Logger, lambda kind: named(kind, run, name))
        for one in run.watchers.loggers
    ]
    callbacks = [
        instance(one, CALLBACKS, Callback, lambda kind: {}) for one in run.watchers.callbacks
    ]
    folder = run.folder / FOLDERS[0] / run.study / name
    return Watching(loggers, callbacks, [EpochLog(settings, curve)], folder)


def check_classes(watchers: Watchers) -> None:
    """UserError where a class is not there, or is no logger or callback."""
    logger: Any = Logger  # abstract
    for class_path, _ in watchers.loggers:
        import_class(class_path, LOGGER, logger)
    for class_path, _ in watchers.callbacks:
        import_class(class_path, CALLBACKS, Callback)


def named(kind: type[Logger], run: WatchedRun, name: str) -> dict[str, Any]:
    """Where a logger writes and what it calls the run, of the arguments that it takes."""
    takes = inspect.signature(kind).parameters
    # MLflow's files, which any number of workers may write, want to be asked for
    os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
    folder = run.folder / FOLDERS["experiment_name" in takes]
    found = {"save_dir": str(folder), "experiment_name": run.study, "run_name": name}
    if "project" in takes:  # Weights & Biases
        found |= {"project": run.study, "name": name}
    else:
        found |= {"name": run.study, "version": name}
    return {key: value for key, value in found.items() if key in takes}


def instance(code: Code, key: str, base: Any, defaults: Callable[[Any], dict[str, Any]]) -> Any:
    """An object of a class that the space names, with `defaults` where it gives no argument."""
    class_path, init_args = code
    kind = import_class(class_path, key, base)
    try:
        return kind(**defaults(kind) | json.loads(init_args))
    except ImportError as error:
        extra = EXTRAS.get(kind.__name__)
        way = f"pip install 'nas[{extra}]'" if extra else "install what it needs"
        raise UserError(
            f"{key}: {class_path} needs a package that is not installed: {way}."
        ) from error
    except TypeError as error:
        raise UserError(
            f"{key}: {class_path} does not take init_args {init_args}: {error}."
        ) from error


class EpochLog(Callback):
    """Hands the record of each epoch to Lightning, which has it for loggers and callbacks."""

    def __init__(self, settings: dict[str, Any], curve: list[dict[str, float]]) -> None:
        self.settings, self.curve = settings, curve

    def setup(self, trainer: Trainer, pl_module: Any, stage: str) -> None:
        """Log what is trained, before Lightning has loggers write what they know of it."""
        for logger in trainer.loggers:
            logger.log_hyperparams(self.settings)

    def on_train_epoch_end(self, trainer: Trainer, module: Any) -> None:
        """Runs after the epoch was recorded. `lr` is that of its last step."""
        rate = trainer.optimizers[0].param_groups[0]["lr"]
        module.log_dict(self.curve[-1] | {"lr": rate, "step": float(module.step)})
