"""Which process runs which trial: taking due ones, and giving back those left behind."""

import contextlib
import os
import socket
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from filelock import FileLock
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import BaseStorage
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import URL

#: seconds a trial may run before it names its worker
NAMELESS = 60


def claim(storage: BaseStorage, study: Study) -> FrozenTrial | None:
    """Take one due trial for this process, so that no other does; None where none is due."""
    if not study.get_trials(deepcopy=False, states=(TrialState.WAITING,)):
        return None
    with locked(storage):
        for trial in study.get_trials(deepcopy=False, states=(TrialState.WAITING,)):
            with contextlib.suppress(UpdateFinishedTrialError):
                if storage.set_trial_state_values(trial._trial_id, state=TrialState.RUNNING):
                    storage.set_trial_user_attr(trial._trial_id, "worker", this_worker())
                    return trial
    return None


def locked(storage: BaseStorage) -> contextlib.AbstractContextManager[Any]:
    """The lock of a storage."""
    backend: Any = getattr(storage, "_backend", storage)
    return one_at_a_time(backend.engine.url)


def one_at_a_time(url: URL) -> contextlib.AbstractContextManager[Any]:
    """A lock beside an SQLite file, which has no row locks: two processes could claim one trial."""
    if url.get_backend_name() != "sqlite" or not url.database:
        return contextlib.nullcontext()
    return FileLock(f"{url.database}.lock")


def release(storage: BaseStorage, trial_id: int) -> None:
    """Make a running trial due again; it keeps its number and its parameters."""
    with contextlib.suppress(UpdateFinishedTrialError):
        storage.set_trial_user_attr(trial_id, "worker", None)
        storage.set_trial_state_values(trial_id, state=TrialState.WAITING)


def release_abandoned(storage: BaseStorage, trials: Sequence[FrozenTrial]) -> None:
    """Make trials due again whose process on this machine is gone."""
    for trial in trials:
        if trial.state == TrialState.RUNNING and is_abandoned(trial):
            release(storage, trial._trial_id)


def is_abandoned(trial: FrozenTrial) -> bool:
    """Whether no living process runs a running trial."""
    worker = trial.user_attrs.get("worker")
    if worker is not None:
        return not is_alive(worker)
    started = trial.datetime_start
    return started is None or datetime.now() - started > timedelta(seconds=NAMELESS)


def this_worker() -> str:
    """host:pid:start of this process."""
    return f"{socket.gethostname()}:{os.getpid()}:{process_start(os.getpid())}"


def is_alive(worker: str) -> bool:
    """Whether a worker runs; one on another machine counts as running."""
    host, pid, start = worker.rsplit(":", 2)
    return host != socket.gethostname() or process_start(int(pid)) == start


def process_start(pid: int) -> str:
    """When a process started, in clock ticks since boot; empty where there is no such process."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] == "Z" else fields[19]
