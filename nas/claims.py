"""Which process runs which trial: taking due ones and giving them back."""

import contextlib
import os
import socket
from collections.abc import Callable, Iterator
from functools import cache
from hashlib import sha256
from pathlib import Path
from random import SystemRandom
from typing import Any

from filelock import FileLock
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import BaseStorage
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import URL, Connection, Engine, NullPool, create_engine, text
from sqlalchemy.exc import DBAPIError

from nas.patience import patiently

#: the attribute of a trial that waits, but not for a worker: it rests until it is promoted
PAUSED = "paused"
#: the trials of a study that a worker may take, those to be preferred first
Due = Callable[[Study], list[FrozenTrial]]
#: how to connect: SQLite waits for locks, PostgreSQL sees within a minute that a peer is dead
CONNECT: dict[str, dict[str, int]] = {
    "sqlite": {"timeout": 120},
    "postgresql": {
        "connect_timeout": 10,
        "keepalives_idle": 30,
        "keepalives_interval": 10,
        "keepalives_count": 3,
        "tcp_user_timeout": 60_000,
    },
}


def due(study: Study) -> list[FrozenTrial]:
    """The trials that wait for a worker, in their order."""
    return study.get_trials(deepcopy=False, states=(TrialState.WAITING,))


def claim(storage: BaseStorage, study: Study, due: Due = due) -> FrozenTrial | None:
    """Take one due trial for this process, so that no other does; None where none is due."""
    found = due(study)
    if not found:
        return None
    with file_locked(storage):  # other databases lock the row
        for trial in first_then_any(found):
            with contextlib.suppress(UpdateFinishedTrialError):
                if storage.set_trial_state_values(trial._trial_id, state=TrialState.RUNNING):
                    storage.set_trial_user_attr(trial._trial_id, "worker", this_worker())
                    if trial.user_attrs.get(PAUSED):
                        storage.set_trial_user_attr(trial._trial_id, PAUSED, False)
                    return trial
    return None


def first_then_any(trials: list[FrozenTrial]) -> list[FrozenTrial]:
    """The trials, all but the first in no order: those who lose the first should not meet again."""
    others = trials[1:]
    SystemRandom().shuffle(others)
    return [*trials[:1], *others]


def is_ours(trial: FrozenTrial, worker: str | None) -> bool:
    """Whether a trial is still run by that worker."""
    return trial.state == TrialState.RUNNING and trial.user_attrs.get("worker") == worker


def release(storage: BaseStorage, trial_id: int, worker: str | None) -> bool:
    """Make a trial that a worker runs due again; it keeps its number and its parameters.

    False where the worker does not run it any more.
    """
    return patiently(release_once)(storage, trial_id, worker)


def release_once(storage: BaseStorage, trial_id: int, worker: str | None) -> bool:
    """One try, given up where the lock was lost."""
    with contextlib.suppress(UpdateFinishedTrialError), locked(storage) as hold:
        if is_ours(storage.get_trial(trial_id), worker):
            hold()
            storage.set_trial_user_attr(trial_id, "worker", None)
            return storage.set_trial_state_values(trial_id, state=TrialState.WAITING)
    return False


@contextlib.contextmanager
def locked(storage: BaseStorage) -> Iterator[Callable[[], object]]:
    """One process at a time for all that use a storage: a file lock beside SQLite, an advisory one
    of PostgreSQL. Other servers have none: two searches of one study may add a trial too many.

    A server that restarts forgets its locks: what it yields raises where that happened, and is to
    be called between what was read and what is written of it.
    """
    engine = engine_of(storage)
    if engine is not None and engine.url.get_backend_name() == "postgresql":
        with server_lock(engine) as hold:
            yield hold
    else:
        with file_locked(storage):
            yield lambda: None


def file_locked(storage: BaseStorage) -> contextlib.AbstractContextManager[Any]:
    """A lock beside an SQLite file, which has no row locks: two processes could claim one trial."""
    engine = engine_of(storage)
    if engine is None or engine.url.get_backend_name() != "sqlite" or not engine.url.database:
        return contextlib.nullcontext()
    return FileLock(f"{engine.url.database}.lock")


def locked_place(url: URL) -> contextlib.AbstractContextManager[Any]:
    """The same lock where the database is not open yet; errors pass through."""
    if url.get_backend_name() == "postgresql":
        return contextlib.closing(take_lock(lock_engine(url)))
    if url.get_backend_name() == "sqlite":
        return FileLock(f"{url.database}.lock")
    return contextlib.nullcontext()


def lock_engine(url: URL) -> Engine:
    """Connections for a lock alone."""
    return create_engine(url, poolclass=NullPool, connect_args=CONNECT["postgresql"])


def engine_of(storage: BaseStorage) -> Engine | None:
    """The connections of a storage that is a database."""
    return getattr(getattr(storage, "_backend", storage), "engine", None)


@contextlib.contextmanager
def server_lock(engine: Engine) -> Iterator[Callable[[], object]]:
    """A lock of the server, held until its connection is given back."""
    connection = patiently(take_lock)(engine)
    try:
        yield lambda: connection.execute(text("SELECT 1"))
    finally:
        with contextlib.suppress(DBAPIError):
            connection.close()


def take_lock(engine: Engine) -> Connection:
    """A connection in whose transaction the lock is held."""
    key = int.from_bytes(sha256(b"nas").digest()[:7], "big")
    connection = engine.connect()
    connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = '60s'"))
    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": key})
    return connection


def this_worker() -> str:
    """The name of this process as a worker."""
    return worker_name(os.getpid())


def worker_name(pid: int) -> str:
    """machine:pid:start of a process of this machine."""
    return f"{this_machine()}:{pid}:{process_start(pid)}"


@cache
def this_machine() -> str:
    """The host's name, its boot and its process numbers: containers may share the first two."""
    parts = [socket.gethostname()]
    with contextlib.suppress(OSError):
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8")[:8])
        parts.append(str(os.stat("/proc/self/ns/pid").st_ino))
    return "/".join(parts)


def is_alive(worker: str) -> bool:
    """Whether a worker of this machine runs; of another one that cannot be told: it counts as
    running."""
    machine, pid, start = worker.rsplit(":", 2)
    return machine != this_machine() or process_start(int(pid)) == start


def process_start(pid: int) -> str:
    """When a process started, in clock ticks since boot; empty where there is no such process."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] == "Z" else fields[19]
