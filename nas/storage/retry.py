"""Retries: calls are made again while their database is away (restarted, cut off, disk full).

A database that cannot be written to is reported at once.
"""

import time
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from optuna.exceptions import StorageInternalError
from sqlalchemy.exc import DBAPIError

from nas.common.errors import StudyError
from nas.common.waiting import SILENT_SECONDS, Log, Waiting, no_log
from nas.storage.reasons import is_away, is_damaged, is_locked, is_read_only, reason

P = ParamSpec("P")
T = TypeVar("T")

#: seconds a database may be away before what needs it gives up
RETRY_TIMEOUT = 900.0
#: seconds another process may have locked it, also where nobody waits for a database that is away
LOCK_TIMEOUT = 120.0
#: seconds between two tries, at first and at most; of a locked one always the first
FIRST_BACKOFF, LONGEST_BACKOFF = 0.5, 15.0
#: what is known while no call has come back, be it with an error
NO_ANSWER = (
    f"The storage has not answered for {SILENT_SECONDS:g} s: it or this machine is slow, or "
    "another process has locked it. Waiting for it."
)
DAMAGED = "the database is damaged ({}): `sqlite3 FILE .recover` tells as SQL what can be read."
KEPT = "Nothing that finished is lost; run the same command again when it does."


def with_retry(
    call: Callable[P, T],
    log: Log = no_log,
    timeout: float = RETRY_TIMEOUT,
    is_passing: Callable[[BaseException], bool] = is_away,
    lock_timeout: float = LOCK_TIMEOUT,
) -> Callable[P, T]:
    """The call, made again while the database is away; StudyError after so many seconds, or after
    `lock_timeout` if that is more and another process has locked it. Errors that are not
    `is_passing` come through.
    """

    @wraps(call)
    def again(*arguments: P.args, **options: P.kwargs) -> T:
        start, pause = time.monotonic(), FIRST_BACKOFF
        with Waiting(NO_ANSWER, log) as waiting:
            while True:
                try:
                    return call(*arguments, **options)
                except (StorageInternalError, DBAPIError) as error:
                    if is_damaged(error):
                        raise StudyError(DAMAGED.format(reason(error))) from error
                    if not is_passing(error):
                        raise
                    why, is_final, busy = reason(error), is_read_only(error), is_locked(error)
                limit = max(timeout, lock_timeout) if busy else timeout
                left = limit - (time.monotonic() - start)
                if is_final or left <= 0:
                    raise StudyError(f"the storage does not answer: {why}. {KEPT}")
                waiting.text = f"The storage does not answer ({why}); waiting for it."
                # SQLite has waited for a lock, but not where two processes wait for each other
                time.sleep(min(left, FIRST_BACKOFF if busy else pause))
                pause = pause if busy else min(2 * pause, LONGEST_BACKOFF)

    return again
