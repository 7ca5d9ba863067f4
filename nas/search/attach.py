"""Joining a study that was started elsewhere, with workers of this machine."""

import time
from collections.abc import Sequence
from pathlib import Path

import optuna
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial
from rich.console import Console

from nas.common.errors import StudyError
from nas.common.machine import visible_gpus
from nas.common.paths import DATA_DIR, OUT, STORAGE, study_folder
from nas.data.given import given_module
from nas.data.survey import prepare
from nas.search.allow_code import require_trust
from nas.search.coordinator import (
    KeepDue,
    Outcome,
    crew_of,
    make_folder,
    num_workers,
    run,
    speaker,
    watch,
)
from nas.search.progress import Progress, lasting_console
from nas.search.study import NUM_TRIALS, TWINS, load_study, space_of
from nas.search.worker import Job
from nas.storage.open import open_storage
from nas.storage.url import hidden

#: seconds between two looks of one that joined: there may be many of them
POLL = 2.0
#: seconds without a trial to run after which those that joined leave the twins of a study
IDLE = 60.0


def join(
    name: str | None = None,
    *,
    storage: str = STORAGE,
    workers: int | None = None,
    workers_per_gpu: int = 1,
    timeout: float | None = None,
    data_dir: str | Path = DATA_DIR,
    out: str | Path = OUT,
    trust: bool = False,
    console: Console | None = None,
) -> Outcome:
    """Run trials of a study from this machine, and of its twins, until none is left.

    Whoever joins keeps trials due as well, so the process that began the study may be gone.
    """
    console = console or lasting_console()
    backend = open_storage(storage, wait=speaker(console))
    study = load_study(backend, name)
    require_trust(study, trust, speaker(console))
    space = space_of(study)
    if NUM_TRIALS not in study.user_attrs:
        raise StudyError(
            f"study {study.study_name!r} does not say how many trials it is to have: "
            "resume it once with `nas search`."
        )
    prepare(space.dataset, Path(data_dir), space.largest_batch, speaker(console))
    given_module(space.dataset, None)  # nobody hands it over here
    folder = study_folder(out, study.study_name)
    make_folder(folder)
    size = num_workers(workers, space, workers_per_gpu)
    speaker(console)(f"Joined {study.study_name!r} in {hidden(storage)} with {size} workers.")
    job = Job(
        storage=storage,
        study=study.study_name,
        data_dir=Path(data_dir),
        out=folder,
        workers=size,
        gpus=visible_gpus(),
    )
    deadline = None if timeout is None else time.monotonic() + timeout
    outcome = run(job, backend, study, space, timeout, console, poll=POLL)
    if outcome.how == "finished" and space.section.payoff:
        return join_twins(job, backend, outcome, deadline, console, trust)
    return outcome


def join_twins(
    job: Job,
    storage: BaseStorage,
    outcome: Outcome,
    deadline: float | None,
    console: Console,
    trust: bool,
) -> Outcome:
    """Run the twins that another process lays down, until it has none for a while."""
    name, start = job.study + TWINS, time.monotonic()
    while name not in optuna.get_all_study_names(storage):
        if time.monotonic() > start + IDLE:
            return outcome
        time.sleep(POLL)
    twins = load_study(storage, name)
    require_trust(twins, trust, speaker(console))
    job = Job(**vars(job) | {"study": name})
    left = None if deadline is None else max(1.0, deadline - time.monotonic())
    progress = Progress(console, ["val_accuracy"], len(twins.get_trials(deepcopy=False)))
    crew = crew_of(job, job.workers, None, speaker(console))
    return Outcome(twins, watch(crew, storage, twins, progress, until_quiet(), left, POLL))


def until_quiet() -> KeepDue:
    """A function that is True where no trial was due or ran for a while."""
    last = time.monotonic()

    def is_quiet(trials: Sequence[FrozenTrial]) -> bool:
        nonlocal last
        if not all(trial.state.is_finished() for trial in trials):
            last = time.monotonic()
        return time.monotonic() > last + IDLE

    return is_quiet
