"""Retries: calls are made again while their database is away (restarted, cut off, disk full).

A database that cannot be written to is reported at once.
"""

import time
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from optuna.exceptions import StorageInternalError
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, PendingRollbackError

from nas.common.errors import StudyError, first_line

P = ParamSpec("P")
T = TypeVar("T")
#: takes a sentence for the user
Log = Callable[[str], None]

#: seconds a database may be away before what needs it gives up
RETRY_TIMEOUT = 900.0
#: seconds between two tries, at first and at most
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 15.0
KEPT = "Nothing that finished is lost; run the same command again when it does."


def no_log(text: str) -> None:
    """Log nothing."""


def each_once(log: Log) -> Log:
    """The same, which logs each sentence once."""
    logged: set[str] = set()

    def log_once(text: str) -> None:
        if text not in logged:
            logged.add(text)
            log(text)

    return log_once


def with_retry(
    call: Callable[P, T], log: Log = no_log, timeout: float = RETRY_TIMEOUT
) -> Callable[P, T]:
    """The call, made again while the database is away; StudyError after so many seconds."""

    @wraps(call)
    def again(*arguments: P.args, **options: P.kwargs) -> T:
        deadline, pause = time.monotonic() + timeout, FIRST_PAUSE
        while True:
            try:
                return call(*arguments, **options)
            except (StorageInternalError, DBAPIError) as error:
                if not is_away(error):
                    raise
                reason = first_line(error)
                if time.monotonic() >= deadline or "readonly" in reason:
                    raise StudyError(f"the storage does not answer: {reason}. {KEPT}") from error
            if pause == FIRST_PAUSE:
                log(f"The storage does not answer ({reason}); waiting for it.")
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    return again


def is_away(error: BaseException) -> bool:
    """Whether an error is one of the database and not of what was asked of it."""
    cause = error if isinstance(error, DBAPIError) else error.__cause__
    if isinstance(cause, PendingRollbackError):  # Optuna tried again in the transaction that broke
        cause = cause.__context__
    return isinstance(cause, (OperationalError, InterfaceError)) or (
        isinstance(cause, DBAPIError) and cause.connection_invalidated
    )
