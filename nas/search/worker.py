"""A process that takes due trials from a study and runs them, one after another."""

import contextlib
import multiprocessing
import os
import signal
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TextIO

from optuna.storages import BaseStorage

from nas.common.errors import Remark, UserError
from nas.common.machine import memory_share
from nas.common.processes import this_worker
from nas.search.failures import fail
from nas.search.heartbeat import Pulse
from nas.search.lease import claim, is_ours
from nas.search.queue import due_of
from nas.search.study import load_study, space_of
from nas.space.space import SearchSpace
from nas.storage.handles import trial_id_of
from nas.storage.open import open_storage
from nas.storage.retry import Log

#: seconds between two looks for a due trial, at first and at most
PATIENCE, MOST_PATIENCE = 0.2, 5.0
#: what a new worker process finds already loaded
PRELOAD = ["nas.search.worker", "nas.search.trial", "optuna_dashboard"]
PRELOAD += ["alembic.command", "alembic.migration", "sqlalchemy.orm"]
PRELOAD += ["sqlalchemy.dialects.mysql", "sqlalchemy.dialects.postgresql"]
PRELOAD += ["sqlalchemy.dialects.sqlite", "psycopg"]  # where it is installed
#: what a worker says when it begins to look for trials
READY = "ready"


@dataclass(frozen=True, kw_only=True)
class Job:
    """What a worker needs to know; it reads the rest from the study.

    gpus: names of the GPUs that workers share in turn; none where there are none.
    """

    storage: str
    study: str
    data_dir: Path
    out: Path
    workers: int
    gpus: tuple[str, ...] = ()


def work(job: Job, index: int, messages: Connection) -> None:
    """Run due trials until SIGTERM or the end of the coordinator; exceptions go to `messages`."""
    import torch

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the coordinator says when to stop
    stopped = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    torch.set_num_threads(1)
    if job.gpus:
        os.environ["CUDA_VISIBLE_DEVICES"] = job.gpus[index % len(job.gpus)]
    parent = multiprocessing.parent_process()

    def interrupted() -> bool:
        return stopped.is_set() or (parent is not None and not parent.is_alive())

    def say(message: str | Exception) -> None:
        with contextlib.suppress(OSError):  # the coordinator is gone
            messages.send(message)

    try:
        run_due(job, interrupted, say)
    except UserError as error:
        say(error)
    except Exception:
        say(RuntimeError(traceback.format_exc()))


def run_due(job: Job, interrupted: Callable[[], bool], say: Log) -> None:
    """The loop of a worker."""
    from nas.search.trial import Place, run_trial

    storage = open_storage(job.storage, wait=say, known=True)
    study = load_study(storage, job.study)
    space = space_of(study)
    due = due_of(study, space)
    pulse = Pulse(storage, partial(give_up, storage, space), interrupted)
    place = Place(
        data_dir=job.data_dir,
        out=job.out,
        interrupted=lambda: interrupted() or pulse.lost,
        memory=memory_share(job.workers),
    )
    forward_remarks(say)
    say(READY)
    pause = PATIENCE
    while not interrupted():
        claimed = claim(storage, study, due)
        if claimed is None:
            rest(pause, interrupted)
            pause = min(2 * pause, MOST_PATIENCE)
            continue
        pause = PATIENCE
        with beating(pulse, trial_id_of(claimed), space.trial_timeout):
            run_trial(storage, job.study, space, claimed, place)


def rest(seconds: float, interrupted: Callable[[], bool]) -> None:
    """Do nothing for a while, unless interrupted."""
    until = time.monotonic() + seconds
    while time.monotonic() < until and not interrupted():
        time.sleep(PATIENCE)


def forward_remarks(say: Log) -> None:
    """Have remarks said, and not written to the error output of this process."""
    show = warnings.showwarning
    warnings.simplefilter("always", Remark)

    def forward(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        if issubclass(category, Remark):
            say(str(message))
        else:
            show(message, category, filename, lineno, file, line)

    warnings.showwarning = forward


@contextlib.contextmanager
def beating(pulse: Pulse, trial_id: int, limit: float | None) -> Iterator[None]:
    """Give signs of life for a trial."""
    from nas.training.lightning import StoppedError

    pulse.start(trial_id, limit)
    try:
        with contextlib.suppress(StoppedError):
            yield
    finally:
        pulse.stop()


def give_up(storage: BaseStorage, space: SearchSpace, trial_id: int) -> None:
    """End a trial that took too long as failed, if it is ours still."""
    if is_ours(storage.get_trial(trial_id), this_worker()):
        cause = f"it took longer than search.trial_timeout, {space.trial_timeout:g} s"
        fail(storage, trial_id, cause)
