"""A process that takes due trials from a study and runs them, one after another."""

import contextlib
import multiprocessing
import signal
import threading
import time
import traceback
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from nas.claims import claim
from nas.environment import memory_share
from nas.errors import UserError
from nas.study import load_study, open_storage, space_of

#: seconds between two looks for a due trial
PATIENCE = 0.2
#: what a new worker process finds already loaded
PRELOAD = ["nas.worker", "nas.trial", "optuna_dashboard"]


@dataclass(frozen=True, kw_only=True)
class Job:
    """What a worker needs to know; it reads the rest from the study."""

    storage: str
    study: str
    data_dir: Path
    out: Path
    workers: int


def work(job: Job, messages: Connection) -> None:
    """Run due trials until SIGTERM or the end of the coordinator; exceptions go to `messages`."""
    import torch

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the coordinator says when to stop
    stopped = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    torch.set_num_threads(1)
    parent = multiprocessing.parent_process()

    def interrupted() -> bool:
        return stopped.is_set() or (parent is not None and not parent.is_alive())

    try:
        run_due(job, interrupted)
    except UserError as error:
        messages.send(error)
    except Exception:
        messages.send(RuntimeError(traceback.format_exc()))


def run_due(job: Job, interrupted: Any) -> None:
    """The loop of a worker."""
    from nas.training import StoppedError
    from nas.trial import Place, run_trial

    storage = open_storage(job.storage)
    study = load_study(storage, job.study)
    space = space_of(study)
    place = Place(
        data_dir=job.data_dir,
        out=job.out,
        interrupted=interrupted,
        memory=memory_share(job.workers),
    )
    with contextlib.suppress(StoppedError):
        while not interrupted():
            claimed = claim(storage, study)
            if claimed is None:
                time.sleep(PATIENCE)
            else:
                run_trial(storage, job.study, space, claimed, place)
