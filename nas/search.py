"""Running a search: a coordinator that watches, and worker processes that train."""

import math
import multiprocessing
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing import forkserver
from pathlib import Path
from typing import Any

from optuna.storages import BaseStorage
from optuna.study import Study
from optuna.trial import FrozenTrial
from rich.console import Console

from nas.claims import release_abandoned
from nas.data import ensure
from nas.defaults import DATA_DIR, OUT, STORAGE
from nas.environment import num_cores, use_huge_pages
from nas.errors import StudyError
from nas.progress import Progress
from nas.space import SearchSpace
from nas.study import (
    create_study,
    open_storage,
    supply,
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
    """The worker processes of a search, each with a pipe for what it cannot go on with."""

    job: Job
    size: int
    context: Any = field(default_factory=lambda: multiprocessing.get_context("forkserver"))
    processes: list[Any] = field(default_factory=list)
    pipes: list[Any] = field(default_factory=list)
    restarts: int = 0

    def start(self) -> None:
        """Start all workers; Ctrl-C is for this process alone, also while they load libraries."""
        self.context.set_forkserver_preload(PRELOAD)
        use_huge_pages()
        with ignored_interrupt():
            forkserver.ensure_running()
        for _ in range(self.size):
            self.processes.append(self._start_one())

    def _start_one(self) -> Any:
        ours, theirs = self.context.Pipe(duplex=False)
        process = self.context.Process(target=work, args=(self.job, theirs), daemon=True)
        process.start()
        theirs.close()
        self.pipes.append(ours)
        return process

    def check(self) -> None:
        """Start the workers, and again those that died. Raises what one of them raised."""
        if not self.processes:
            self.start()
        for pipe in self.pipes:
            with suppress(EOFError):
                if pipe.poll():
                    raise pipe.recv()
        for index, process in enumerate(self.processes):
            if process.exitcode is not None:
                self.restarts += 1
                if self.restarts > RESTARTS:
                    raise StudyError(f"workers keep dying (exit status {process.exitcode}).")
                self.processes[index] = self._start_one()

    def leave(self) -> None:
        """Have the workers leave their trials, and kill those that do not."""
        for process in self.processes:
            process.terminate()
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
    storage: str = STORAGE,
    study: str | None = None,
    data_dir: str | Path = DATA_DIR,
    out: str | Path = OUT,
    console: Console | None = None,
) -> Outcome:
    """Run or resume the study of a space until `trials` are done or `timeout` seconds are over.

    StudyError and DataError are sentences for the user. Ctrl-C ends the search cleanly: trials in
    training become due again.
    """
    console = console or Console()
    name = study or space.name
    num_trials = trials or space.search.trials
    ensure(space.dataset, Path(data_dir))
    make_folder(Path(out) / name)
    backend = open_storage(storage, create=True)
    opened = create_study(backend, name, space)
    size = min(workers or space.search.workers or num_cores(), num_trials)
    job = Job(
        storage=storage, study=name, data_dir=Path(data_dir), out=Path(out) / name, workers=size
    )
    progress = Progress(console, space.search.objectives, num_trials)
    keep_due = supply(opened, space, num_trials, 2 * size)
    return Outcome(opened, watch(Crew(job, size), backend, opened, progress, keep_due, timeout))


def make_folder(folder: Path) -> None:
    """Make a folder for results; StudyError where that is impossible."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StudyError(f"the folder {folder} cannot be made: {error.strerror}.") from error


def watch(
    crew: Crew,
    storage: BaseStorage,
    study: Study,
    progress: Progress,
    keep_due: Callable[[Sequence[FrozenTrial]], bool],
    timeout: float | None,
) -> str:
    """Keep trials due and workers running, and show their progress, to the end; how it ended."""
    deadline = time.monotonic() + timeout if timeout else math.inf
    try:
        with progress, terminated_like_interrupted():
            while not step(crew, storage, study, progress, keep_due):
                if time.monotonic() > deadline:
                    return "timeout"
                time.sleep(POLL)
        return "finished"
    except KeyboardInterrupt:
        return "interrupted"
    finally:
        crew.leave()
        release_abandoned(storage, study.get_trials(deepcopy=False))


@contextmanager
def ignored_interrupt() -> Iterator[None]:
    """Have processes started meanwhile ignore Ctrl-C."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def terminated_like_interrupted() -> Iterator[None]:
    """Have SIGTERM end the search as Ctrl-C does; outside the main thread nothing is changed."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def step(
    crew: Crew,
    storage: BaseStorage,
    study: Study,
    progress: Progress,
    keep_due: Callable[[Sequence[FrozenTrial]], bool],
) -> bool:
    """One look at the study; whether every trial asked for is finished."""
    trials = study.get_trials(deepcopy=False)
    progress.update(trials)
    release_abandoned(storage, trials)
    if keep_due(trials) and all(trial.state.is_finished() for trial in trials):
        return True
    crew.check()
    return False
