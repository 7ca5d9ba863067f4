"""Several calls of Optuna's database in one transaction: a commit takes longer than what it writes.

Optuna asks for a session in each call, commits it and closes it.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from optuna.storages import RDBStorage
from sqlalchemy import Engine
from sqlalchemy.orm import Session, scoped_session, sessionmaker


class HeldSession(Session):
    """A session whose transaction goes on until `end`, whatever is committed and closed before."""

    is_undone = False

    def commit(self) -> None:
        """Send what is to be written."""
        self.flush()

    def close(self) -> None:
        """Forget what was read, as the next call reads it again."""
        self.expunge_all()

    def rollback(self) -> None:
        """Undo all calls, which Optuna may keep to itself."""
        self.is_undone = True
        super().rollback()

    def end(self) -> None:
        """Commit all calls."""
        super().commit()


class Held(threading.local):
    """What a thread holds: a session, and writes that it collects; None if it does not."""

    session: HeldSession | None = None
    writes: list[Callable[[], object]] | None = None


class Sessions(scoped_session[Session]):
    """The sessions of a database, the same one for all calls of a thread that holds one."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(sessionmaker(bind=engine))
        self.of_thread = Held()

    def __call__(self, **options: Any) -> Session:
        """A session of this thread."""
        return self.of_thread.session or super().__call__(**options)

    @contextmanager
    def held(self, engine: Engine) -> Iterator[HeldSession]:
        """Hold a session; without its `end` nothing is left of what was done in it."""
        self.of_thread.session = session = HeldSession(engine)
        try:
            yield session
        finally:
            self.of_thread.session = None
            Session.close(session)


def sessions_of(database: RDBStorage) -> Sessions:
    """The sessions of a database, which Optuna makes anew in another process."""
    if not isinstance(database.scoped_session, Sessions):
        database.scoped_session = Sessions(database.engine)
    return database.scoped_session
