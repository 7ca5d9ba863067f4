"""What every command that trains begins with: an open storage, a console, and its workers."""

import tempfile
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from optuna.storages import BaseStorage
from optuna.study import Study
from rich.console import Console

from nas.common.devices import Device, device_kind, device_of, sharing
from nas.common.errors import StudyError
from nas.common.machine import default_workers, num_cores
from nas.common.paths import study_folder
from nas.common.waiting import each_once
from nas.search.allow_code import AllowedCode
from nas.search.beside import folder_name
from nas.search.options import WorkerOptions
from nas.search.pools.base import WorkerPool
from nas.search.pools.local import LocalPool
from nas.search.pools.ray import RayPool
from nas.search.progress import lasting_console, print_plainly
from nas.search.worker import WorkerSpec
from nas.space.space import SearchSpace
from nas.storage.open import open_storage


@dataclass
class Session:
    """The options of a command, the storage it opens, and the console it reports to."""

    options: WorkerOptions
    console: Console = field(default_factory=lasting_console)
    create: bool = False

    @cached_property
    def storage(self) -> BaseStorage:
        """The storage, opened when first used; made with `create` if there is none."""
        return open_storage(self.options.storage, create=self.create, wait=self.log)

    def log(self, text: str) -> None:
        """Print a sentence for the user, also beside a live table."""
        print_plainly(self.console, text)

    def worker_spec(
        self,
        study: Study,
        space: SearchSpace,
        search: Study,
        allowed_code: AllowedCode,
        data: Any = None,
    ) -> WorkerSpec:
        """What the workers of a study are started with; the results of a search and of its twins
        lie in the folder of the search. data: a data module that a Python program hands over."""
        device = _device(self.options)
        folder = study_folder(self.options.out, folder_name(search))
        _make_folder(folder)
        return WorkerSpec(
            storage=self.options.storage,
            study=study.study_name,
            data_dir=Path(self.options.data_dir),
            out=folder,
            num_workers=num_workers(self.options, space, device),
            gpus=device.gpus,
            device=device.kind,
            allowed_code=allowed_code,
            data=data,
        )

    def pool(self, spec: WorkerSpec, num_trials: int) -> WorkerPool:
        """The workers, no more than there are trials: of this machine, or placed by Ray."""
        log = each_once(self.log)
        if self.options.cluster is not None:
            return RayPool(spec, self.options.cluster, num_trials, log)
        return LocalPool(spec, min(spec.num_workers, num_trials), log)


def _device(options: WorkerOptions) -> Device:
    """Where networks are trained; what GPUs there are on a cluster is known there alone."""
    if options.cluster is not None:
        return Device(device_kind(options.device))
    return device_of(options.device)


def num_workers(options: WorkerOptions, space: SearchSpace, device: Device) -> int:
    """Worker processes of this machine: as many as asked for, else as it has room for."""
    if options.workers is not None:
        return options.workers
    if space.search.workers:
        return space.search.workers
    return default_workers(options.workers_per_gpu or _sharing(space, device), device.num_gpus)


def _sharing(space: SearchSpace, device: Device) -> int:
    """Workers that share a GPU by the size of the largest network."""
    if not device.gpus:
        return 1
    _, (_, most) = space.extremes()
    return sharing(space.largest_batch * most.multiply_adds, num_cores() // len(device.gpus))


def _make_folder(folder: Path) -> None:
    """Make a folder for results; StudyError if that is impossible or nothing can be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise StudyError(
            f"the folder {folder} cannot be made or written: {error.strerror}. "
            "Give another one with --out DIR."
        ) from error
