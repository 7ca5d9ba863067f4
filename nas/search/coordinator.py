"""Running a search: a coordinator that keeps trials due, and worker processes that train."""

import math
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from optuna.exceptions import StorageInternalError
from optuna.storages import BaseStorage
from optuna.study import Study
from optuna.trial import FrozenTrial
from rich.console import Console

from nas.common.errors import StudyError
from nas.common.machine import default_workers, visible_gpus
from nas.common.paths import DATA_DIR, OUT, STORAGE, checkpoint_file, study_folder
from nas.common.waiting import Log, each_once
from nas.data.given import given_module
from nas.data.survey import prepare
from nas.search.allow_code import vouch
from nas.search.failures import ConsecutiveFailures
from nas.search.pools.local import Crew, terminated_like_interrupted
from nas.search.pools.ray import RayCluster, RayCrew
from nas.search.progress import Progress, lasting_console
from nas.search.queue import refill_of
from nas.search.stale_trials import StaleTrialMonitor
from nas.search.study import NUM_TRIALS, create_study
from nas.search.trial_attributes import RUNG
from nas.search.warm_start import extended
from nas.search.worker import Job
from nas.space.space import SearchSpace
from nas.storage.open import open_storage
from nas.storage.retry_storage import stop_retrying

#: seconds between two looks at the study
POLL = 0.5
#: tops up the trials that are due; True where none is to come
KeepDue = Callable[[Sequence[FrozenTrial]], bool]


@dataclass(frozen=True)
class Outcome:
    """How a search ended: `finished`, `timeout` or `interrupted`."""

    study: Study
    how: str


def search(
    space: SearchSpace,
    *,
    trials: int | None = None,
    timeout: float | None = None,
    workers: int | None = None,
    workers_per_gpu: int = 1,
    cluster: RayCluster | None = None,
    storage: str = STORAGE,
    study: str | None = None,
    extend: bool = False,
    data_dir: str | Path = DATA_DIR,
    out: str | Path = OUT,
    trust: bool = False,
    data: Any = None,
    console: Console | None = None,
) -> Outcome:
    """Run or resume the study of a space until `trials` are done or `timeout` seconds are over.

    StudyError and DataError are sentences for the user. Ctrl-C ends the search cleanly: trials in
    training become due again. With `extend` a study whose space has changed is gone on with in
    another one, which takes over the trials that still fit. With no `workers` of its own it keeps
    trials due for those that joined from elsewhere. With a `cluster` Ray places the workers.
    `data` is a LightningDataModule, a torch Dataset, or a mapping of "train", "validation" and
    "test" to such, for a space with `dataset: {name: object, ...}`.
    """
    console = console or lasting_console()
    name = study or space.name
    prepare(space.dataset, Path(data_dir), space.largest_batch, speaker(console))
    given = given_module(space.dataset, data)
    backend = open_storage(storage, create=True, wait=speaker(console))
    if extend:
        name = extended(backend, name, space)
    folder = study_folder(out, name)
    make_folder(folder)
    opened = create_study(backend, name, space)
    vouch(opened, space.dataset, trust, speaker(console))
    opened.set_user_attr(NUM_TRIALS, trials or space.search.trials)
    job = Job(
        storage=storage,
        study=name,
        data_dir=Path(data_dir),
        out=folder,
        workers=num_workers(workers, space, workers_per_gpu),
        gpus=visible_gpus(),
        data=given,
    )
    return run(job, backend, opened, space, timeout, console, cluster)


def run(
    job: Job,
    storage: BaseStorage,
    study: Study,
    space: SearchSpace,
    timeout: float | None,
    console: Console,
    cluster: RayCluster | None = None,
    poll: float = POLL,
) -> Outcome:
    """Keep the trials of a study due and run them until as many are done as were asked for."""
    num_trials = study.user_attrs[NUM_TRIALS]
    progress = Progress(console, space.search.objectives, num_trials)
    refill = refill_of(study, space, num_trials, 2 * max(1, job.workers))

    def keep_due(trials: Sequence[FrozenTrial]) -> bool:
        remove_left_checkpoints(job.out, job.study, trials)
        return refill(trials)

    crew = crew_of(job, num_trials, cluster, speaker(console))
    return Outcome(study, watch(crew, storage, study, progress, keep_due, timeout, poll))


def remove_left_checkpoints(folder: Path, study: str, trials: Sequence[FrozenTrial]) -> None:
    """Remove the checkpoints of trials that ended while they were paused."""
    kept = set((folder / "checkpoints").glob("*.pt"))
    for trial in trials if kept else ():
        if trial.state.is_finished() and RUNG in trial.user_attrs:
            left = checkpoint_file(folder, study, trial.number)
            if left in kept:
                left.unlink(missing_ok=True)


def crew_of(job: Job, most: int, cluster: RayCluster | None, say: Log) -> Crew | RayCrew:
    """The workers of a job, `most` at most: of this machine, or placed by Ray."""
    if cluster is not None:
        return RayCrew(job, cluster, most, each_once(say))
    return Crew(job, min(job.workers, most), each_once(say))


def num_workers(asked: int | None, space: SearchSpace, per_gpu: int = 1) -> int:
    """Worker processes of this machine: as many as asked for, else as it has room for."""
    return asked if asked is not None else space.search.workers or default_workers(per_gpu)


def speaker(console: Console) -> Log:
    """A function that prints a remark for the user, also beside a live table."""
    return partial(console.print, markup=False, highlight=False, soft_wrap=True)


def make_folder(folder: Path) -> None:
    """Make a folder for results; StudyError where that is impossible or nothing can be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise StudyError(
            f"the folder {folder} cannot be made or written: {error.strerror}. "
            "Give another one with --out DIR."
        ) from error


def watch(
    crew: Crew | RayCrew,
    storage: BaseStorage,
    study: Study,
    progress: Progress,
    keep_due: KeepDue,
    timeout: float | None,
    poll: float = POLL,
) -> str:
    """Keep trials due and workers running, and show their progress, to the end; how it ended."""
    deadline = time.monotonic() + timeout if timeout else math.inf
    monitor, failures = StaleTrialMonitor(storage, crew.kill), ConsecutiveFailures()
    try:
        with progress, terminated_like_interrupted():
            while True:
                trials = study.get_trials(deepcopy=False)
                if is_done(trials, progress, failures, keep_due):
                    return "finished"
                if time.monotonic() > deadline:
                    return "timeout"
                crew.check(storage, trials)
                monitor.check(trials)
                time.sleep(poll)
    except KeyboardInterrupt:
        stop_retrying(storage)
        return "interrupted"
    except StudyError:
        stop_retrying(storage)
        raise
    finally:
        crew.leave()
        with suppress(StudyError, StorageInternalError, KeyError):
            StaleTrialMonitor(storage).check(study.get_trials(deepcopy=False))


def is_done(
    trials: Sequence[FrozenTrial],
    progress: Progress,
    failures: ConsecutiveFailures,
    keep_due: KeepDue,
) -> bool:
    """Show and judge the trials; whether every one asked for is finished."""
    progress.update(trials)
    failures.check(trials)
    return keep_due(trials) and all(trial.state.is_finished() for trial in trials)
