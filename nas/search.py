"""Running a search: a coordinator that watches, and worker processes that train."""

import multiprocessing
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from optuna.storages import BaseStorage
from optuna.study import Study
from optuna.trial import TrialState
from rich.console import Console

from nas.data import ensure
from nas.environment import num_cores
from nas.errors import StudyError
from nas.progress import Progress
from nas.space import SearchSpace
from nas.study import (
    DEFAULT_STORAGE,
    add_due,
    create_study,
    open_storage,
    release_abandoned,
)
from nas.worker import PRELOAD, Job, work

#: seconds between two looks at the study
POLL = 0.5
#: seconds a worker gets to leave its trial before it is killed
GRACE = 20
#: times a worker that died is started again
RESTARTS = 3


@dataclass
class Crew:
    """The worker processes of a search, and what they say."""

    job: Job
    size: int
    context: Any = field(default_factory=lambda: multiprocessing.get_context("forkserver"))
    processes: list[Any] = field(default_factory=list)
    restarts: int = 0

    def __post_init__(self) -> None:
        self.context.set_forkserver_preload(PRELOAD)
        self.stop = self.context.Event()
        self.messages = self.context.Queue()

    def start(self) -> None:
        """Start all workers."""
        self.processes = [self._start_one() for _ in range(self.size)]

    def _start_one(self) -> Any:
        process = self.context.Process(target=work, args=(self.job, self.stop, self.messages), daemon=True)
        process.start()
        return process

    def check(self) -> bool:
        """Start workers that died again; whether any is left to wait for. Raises what one raised."""
        if not self.messages.empty():
            raise self.messages.get()
        for index, process in enumerate(self.processes):
            if process.exitcode not in (None, 0):
                self.restarts += 1
                if self.restarts > RESTARTS:
                    raise StudyError(f"workers keep dying (exit status {process.exitcode}).")
                self.processes[index] = self._start_one()
        return any(process.is_alive() for process in self.processes)

    def leave(self) -> None:
        """Have the workers leave their trials, and kill those that do not."""
        self.stop.set()
        deadline = time.monotonic() + GRACE
        for process in self.processes:
            process.join(max(0.0, deadline - time.monotonic()))
            if process.is_alive():
                process.kill()
                process.join()


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
    storage: str = DEFAULT_STORAGE,
    study: str | None = None,
    data_dir: str | Path = "data",
    out: str | Path = "runs",
    console: Console | None = None,
) -> Outcome:
    """Run or resume the study of a space until `trials` are done or `timeout` seconds are over.

    StudyError and DataError are sentences for the user. Ctrl-C ends the search cleanly: trials in
    training become due again.
    """
    console = console or Console()
    name = study or space.name
    num_trials = trials or space.search.trials
    backend = open_storage(storage)
    ensure(space.dataset, Path(data_dir))
    opened = create_study(backend, name, space)
    release_abandoned(backend, opened)
    add_due(opened, space, num_trials)
    size = min(workers or space.search.workers or num_cores(), num_trials)
    job = Job(storage=storage, study=name, data_dir=Path(data_dir), out=Path(out) / name, workers=size)
    crew = Crew(job, size)
    how = watch(crew, backend, opened, Progress(console, space.search.objectives, num_trials), timeout)
    return Outcome(opened, how)


def watch(crew: Crew, storage: BaseStorage, study: Study, progress: Progress, timeout: float | None) -> str:
    """Start the workers and show their progress until they are through; how it ended."""
    deadline = time.monotonic() + timeout if timeout else float("inf")
    how = "finished"
    try:
        with progress:
            if study.get_trials(deepcopy=False, states=(TrialState.WAITING,)):
                crew.start()
            while crew.check():
                progress.update(study.get_trials(deepcopy=False))
                release_abandoned(storage, study)
                if time.monotonic() > deadline:
                    how = "timeout"
                    break
                time.sleep(POLL)
            progress.update(study.get_trials(deepcopy=False))
    except KeyboardInterrupt:
        how = "interrupted"
    finally:
        crew.leave()
        release_abandoned(storage, study)
    return how
