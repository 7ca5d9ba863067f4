"""The storage that studies are kept in: opened, and waited for."""

import contextlib
from functools import partial
from pathlib import Path

from optuna.storages import BaseStorage, RDBStorage
from sqlalchemy import URL
from sqlalchemy.exc import DBAPIError

from nas.common.errors import StudyError
from nas.common.paths import STORAGE
from nas.common.waiting import Log, Waiting, log_warning
from nas.storage.locks import CONNECT, locked_place
from nas.storage.reasons import (
    BAD_PASSWORD,
    NO_TABLES,
    UNKNOWN_HOST,
    is_away,
    is_refusal,
    is_there_already,
    reason,
)
from nas.storage.retry import with_retry
from nas.storage.retry_storage import RetryStorage
from nas.storage.url import ESCAPE, FORMS, hidden, parsed


def open_storage(
    url: str, *, create: bool = False, wait: Log | None = None, known: bool = False
) -> BaseStorage:
    """The storage at a URL; its file and tables are made only with `create`, else nothing is
    locked or written. StudyError if it cannot be opened.

    With `wait`, which is told of it, the storage is waited for while it is away, from the first
    connection on; unless it refuses, as with a wrong password. One that is `known` to be right is
    waited for then too.
    """
    place = parsed(url)
    try:
        if place.get_backend_name() == "sqlite":
            check_file(place.database or ":memory:", create=create)
        log = wait or log_warning
        if wait is None:
            with Waiting(f"Waiting for the storage {hidden(url)}.", log):
                return RetryStorage(made(url, place, create, log), wait)
        opened = with_retry(made, log, is_passing=is_away if known else may_come)
        return RetryStorage(opened(url, place, create, log), wait)
    except StudyError:
        raise
    except Exception as error:
        why = reason(error)
    if why == NO_TABLES and not create:
        raise no_study(hidden(url))
    way = f"{FORMS} {ESCAPE}" if why in (BAD_PASSWORD, UNKNOWN_HOST) else FORMS
    raise StudyError(f"the storage {hidden(url)} cannot be opened: {why}. {way}")


def may_come(error: BaseException) -> bool:
    """Whether a storage that was never open may be there later."""
    return is_away(error) and not is_refusal(error)


def made(url: str, place: URL, create: bool, log: Log) -> RDBStorage:
    """The storage, its tables made with `create` if they are missing."""
    options = {"pool_pre_ping": True, "connect_args": CONNECT.get(place.get_backend_name(), {})}
    # two processes may make its tables
    with locked_place(place, log) if create else contextlib.nullcontext():
        opened = partial(RDBStorage, url, engine_kwargs=options, skip_table_creation=not create)
        try:
            return opened()
        except DBAPIError as error:
            if not is_there_already(error):
                raise
        # Optuna notes the version of new tables also where it only reads them: another process did
        return opened()


def check_file(file: str, *, create: bool) -> None:
    """Make the folder of an SQLite file; StudyError if there is none and none is to be made."""
    if file == ":memory:":
        raise StudyError(f"the storage must be a file that workers share, as in {STORAGE}.")
    if create:
        Path(file).parent.mkdir(parents=True, exist_ok=True)
    elif not Path(file).exists():
        raise no_study(file)


def no_study(place: str) -> StudyError:
    """What is wrong with a storage that no search has used yet."""
    return StudyError(f"there is no study here yet ({place}): start one with `nas search digits`.")
