"""Locks of a storage: a file beside SQLite, an advisory lock of PostgreSQL."""

import contextlib
from collections.abc import Callable, Iterator
from hashlib import sha256
from typing import Any

from optuna.storages import BaseStorage
from sqlalchemy import URL, Connection, Engine, NullPool, create_engine, text
from sqlalchemy.exc import DBAPIError

from nas.common.waiting import Log, Waiting, WaitingLock, log_warning
from nas.storage.handles import engine_of
from nas.storage.retry_storage import log_of, retried

#: how to connect: SQLite waits for locks, not longer than Ctrl-C may wait, and is asked again;
#: PostgreSQL sees within a minute that a peer is dead
CONNECT: dict[str, dict[str, int]] = {
    "sqlite": {"timeout": 10},
    "postgresql": {
        "connect_timeout": 10,
        "keepalives_idle": 30,
        "keepalives_interval": 10,
        "keepalives_count": 3,
        "tcp_user_timeout": 60_000,
    },
}


@contextlib.contextmanager
def locked(storage: BaseStorage) -> Iterator[Callable[[], object]]:
    """One process at a time for all that use a storage: a file lock beside SQLite, an advisory one
    of PostgreSQL. Other servers have none: two searches of one study may add a trial too many.

    A server that restarts forgets its locks: what it yields raises if that happened, and is to
    be called between what was read and what is written of it.
    """
    engine = engine_of(storage)
    if engine is not None and engine.url.get_backend_name() == "postgresql":
        with server_lock(storage, engine) as hold:
            yield hold
    else:
        with file_locked(storage):
            yield lambda: None


def file_locked(storage: BaseStorage) -> contextlib.AbstractContextManager[Any]:
    """A lock beside an SQLite file, which has no row locks: two processes could claim one trial."""
    engine = engine_of(storage)
    if engine is None or engine.url.get_backend_name() != "sqlite" or not engine.url.database:
        return contextlib.nullcontext()
    return WaitingLock(f"{engine.url.database}.lock", log_of(storage))


def locked_place(url: URL, log: Log) -> contextlib.AbstractContextManager[Any]:
    """The same lock if the database is not open yet; errors pass through."""
    if url.get_backend_name() == "postgresql":
        return contextlib.closing(take_lock(lock_engine(url), log))
    if url.get_backend_name() == "sqlite":
        return WaitingLock(f"{url.database}.lock", log)
    return contextlib.nullcontext()


def lock_engine(url: URL) -> Engine:
    """Connections for a lock alone."""
    return create_engine(url, poolclass=NullPool, connect_args=CONNECT["postgresql"])


@contextlib.contextmanager
def server_lock(storage: BaseStorage, engine: Engine) -> Iterator[Callable[[], object]]:
    """A lock of the server, held until its connection is given back."""
    connection = retried(storage, take_lock)(engine, log_of(storage))
    try:
        yield lambda: connection.execute(text("SELECT 1"))
    finally:
        with contextlib.suppress(DBAPIError):
            connection.close()


def take_lock(engine: Engine, log: Log = log_warning) -> Connection:
    """A connection in whose transaction the lock is held."""
    key = int.from_bytes(sha256(b"nas").digest()[:7], "big")
    with Waiting("Waiting for the storage, which another process has locked.", log):
        connection = engine.connect()
        connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = '60s'"))
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": key})
    return connection
