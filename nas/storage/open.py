"""The storage that studies are kept in: opened, waited for, and named without its password."""

import re
from pathlib import Path

from optuna.storages import BaseStorage, RDBStorage
from sqlalchemy import URL, make_url

from nas.common.errors import StudyError, first_line
from nas.common.paths import STORAGE
from nas.storage.locks import CONNECT, locked_place
from nas.storage.retry import Log, with_retry
from nas.storage.retry_storage import RetryStorage


def open_storage(
    url: str, *, create: bool = False, wait: Log | None = None, known: bool = False
) -> BaseStorage:
    """The storage at a URL; an SQLite file is made only with `create`.

    With `wait`, which is told of it, the storage is waited for when it is away later; one that is
    known to be right also when it is away now. SQLite waits for locks.
    """
    make = with_retry(made, wait) if wait and known else made
    try:
        place = make_url(url)
        if place.get_backend_name() == "sqlite":
            check_file(place.database or ":memory:", create=create)
        return RetryStorage(make(url, place), wait)
    except StudyError:
        raise
    except Exception as error:
        raise StudyError(
            f"the storage {hidden(url)} cannot be opened: {first_line(error)}. "
            f"Write it as {STORAGE} or postgresql://user@host/database."
        ) from error


def made(url: str, place: URL) -> RDBStorage:
    """The storage, its tables made where they are missing."""
    options = {"pool_pre_ping": True, "connect_args": CONNECT.get(place.get_backend_name(), {})}
    with locked_place(place):  # two processes may make its tables
        return RDBStorage(url, engine_kwargs=options)


def check_file(file: str, *, create: bool) -> None:
    """Make the folder of an SQLite file; StudyError where there is none and none is to be made."""
    if file == ":memory:":
        raise StudyError(f"the storage must be a file that workers share, as in {STORAGE}.")
    if create:
        Path(file).parent.mkdir(parents=True, exist_ok=True)
    elif not Path(file).exists():
        raise StudyError(
            f"there is no study here yet ({file}): start one with `nas search digits`."
        )


def hidden(url: str) -> str:
    """A storage URL without its password."""
    scheme, separator, rest = url.partition("://")
    rest = re.sub(r"([?&](?:password|passfile)=)[^&]*", r"\1***", rest)
    credentials, at, host = rest.rpartition("@")
    user = credentials.partition(":")[0]
    return (
        f"{scheme}{separator}{user}{':***' if ':' in credentials else ''}{at}{host}"
        if at
        else scheme + separator + rest
    )
