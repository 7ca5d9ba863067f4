"""Whole searches of the sizes, in one process: with nas's default settings, and the usual script.

Both draw the learning rate with TPE, keep their trials in SQLite, and write what they write by
default: records of every epoch, checkpoints, logs, the weights of the best. What a process takes to
load its libraries does not count. The work gives the pictures that were trained, an epoch that a
pruner left out counts for nobody.
"""

import tempfile
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import optuna

from experiments.speed import usual
from experiments.speed.sizes import SIZES, candidate, data_dir
from nas.model.architecture import Named
from nas.search.heartbeat import Heartbeat
from nas.search.lease import acquire
from nas.search.queue import refill_of
from nas.search.study import create_study
from nas.search.trial import TrialEnvironment, run_trial
from nas.search.trial_attributes import FOR_REPORTS, PROBES
from nas.space.space import SearchSpace
from nas.storage.handles import trial_id_of
from nas.storage.open import open_storage
from nas.storage.retry_storage import keep_without

#: learning rates that are searched
LOW, HIGH = 0.01, 0.1


def space_of(size: str, trials: int) -> dict[str, Any]:
    """The network of a size, its learning rate searched; the rest is what a space leaves out."""
    side, widths, depth, num_pictures, epochs = SIZES[size]
    stages = [{"width": width, "stride": 1 if i == 0 else 2} for i, width in enumerate(widths)]
    rate = {"low": LOW, "high": HIGH, "log": True}
    return {
        "name": "whole",
        "dataset": {
            "name": "cifar10",
            "image_size": side,
            "augment": ["crop", "flip"],
            "train_size": num_pictures,
            "validation_size": num_pictures // 4,
        },
        "architecture": {
            "stem": {"conv3x3": {"width": widths[0]}},
            "depth": depth,
            "shortcut": "identity",
            "transition": "zero_pad",
            "stages": stages,
        },
        "training": {
            "epochs": epochs,
            "batch_size": 128,
            "optimizer": {"name": "sgd", "lr": rate, "momentum": 0.9},
        },
        "search": {"trials": trials},
    }


def default_search(size: str, trials: int, *settings: str) -> Callable[[], int]:
    """A worker that does all trials of a search, one after another, with other settings if any."""
    folder, names = Path(tempfile.mkdtemp()), map(str, count())
    space = SearchSpace.from_dict(space_of(size, trials), settings)
    storage = open_storage(f"sqlite:///{folder}/nas.db", create=True)
    keep_without(storage, FOR_REPORTS, PROBES)
    place = TrialEnvironment(data_dir=data_dir(), out=folder, interrupted=lambda: False)
    heartbeat = Heartbeat(storage, lambda trial_id: None)

    def work() -> int:
        study = create_study(storage, next(names), space)
        refill_of(study, space, trials, trials)(study.get_trials(deepcopy=False))
        while (trial := acquire(storage, study)) is not None:
            heartbeat.start(trial_id_of(trial), None)
            run_trial(storage, study.study_name, space, trial, place)
            heartbeat.stop()
        return pictures(study, size)

    return work


def usual_search(size: str, trials: int) -> Callable[[], int]:
    """The usual script, with the pruner that Optuna has by default."""
    folder, ours = tempfile.mkdtemp(), candidate(size)
    usual.quiet()

    def objective(trial: optuna.Trial) -> float:
        rate = trial.suggest_float("lr", LOW, HIGH, log=True)
        optimizer = Named.of("sgd", lr=rate, momentum=0.9)
        drawn = replace(ours, training=replace(ours.training, optimizer=optimizer))
        return usual.objective(trial, drawn, usual.pillow, 0, folder)

    def work() -> int:
        storage = f"sqlite:///{folder}/optuna.db"
        study = optuna.create_study(direction="maximize", storage=storage)
        study.optimize(objective, n_trials=trials)
        return pictures(study, size)

    return work


def pictures(study: optuna.Study, size: str) -> int:
    """Pictures of all epochs that were trained."""
    return SIZES[size][3] * sum(len(trial.intermediate_values) for trial in study.trials)
