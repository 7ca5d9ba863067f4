"""Why a database did not do what it was asked, in our own words.

Drivers quote what they were given, and that may be a piece of a password: nothing of their messages
is shown, but for those of SQLite, which has no passwords.
"""

import re
import sqlite3

from optuna.exceptions import StorageInternalError
from sqlalchemy.exc import (
    DBAPIError,
    InterfaceError,
    NoSuchModuleError,
    OperationalError,
    PendingRollbackError,
)

from nas.common.errors import first_line

BAD_PASSWORD = "the user or the password is refused"
UNKNOWN_HOST = "the name of the host is not known"
NO_TABLES = "there are no tables of Optuna"
#: what waiting does not mend
REFUSED = {
    r"password|access denied|authentication": BAD_PASSWORD,
    r'database "?.*"? does not exist|unknown database': "there is no such database",
    r"role .* does not exist": "there is no such user",
    r"no pg_hba.conf entry|not allowed to connect": "this machine is not let in",
    r"resolve host|translate host|name or service not known|unknown \w+ server host|nodename": (
        UNKNOWN_HOST
    ),
    r"not support ssl|certificate": "no encrypted connection comes about",
    r"invalid (connection option|uri query|\w+ value)": (
        "an option of the URL is none of the driver's"
    ),
    r"unable to open database file": "unable to open database file",
}
READ_ONLY = r"read-?\s?only"
#: what may pass
PASSING = {
    READ_ONLY: "it is read-only",
    r"connection refused": "connection refused",
    r"timeout|timed out": "no answer in time",
    r"starting up|recovery": "the server is starting up",
    r"shutting down": "the server is shutting down",
    r"too many (clients|connections)|connection slots": "it has too many connections",
    r"no space left|disk full|disk is full|could not extend": "its disk is full",
    r"is locked": "database is locked",
    r"deadlock|could not serialize|lock wait": "other processes are in the way",
    r"unreachable|no route": "the network does not lead there",
    r"closed|terminat|lost|gone away|broken|reset by|consuming input|eof": (
        "the server closed the connection"
    ),
}
DAMAGED = r"disk image is malformed|file is not a database|malformed database schema"
THERE_ALREADY = r"already exists|duplicate key|UNIQUE constraint failed|Duplicate entry"
TABLES = r"no such table|relation .* does not exist|table .* doesn't exist"


def database_error(error: BaseException) -> DBAPIError | None:
    """The error of the database in one of Optuna or SQLAlchemy; None if it is of another kind."""
    cause = error if isinstance(error, DBAPIError) else error.__cause__
    if isinstance(cause, PendingRollbackError):  # Optuna tried again in the transaction that broke
        cause = cause.__context__
    return cause if isinstance(cause, DBAPIError) else None


def is_away(error: BaseException) -> bool:
    """Whether an error is one of the database and not of what was asked of it."""
    cause = database_error(error)
    return isinstance(cause, (OperationalError, InterfaceError)) or (
        cause is not None and cause.connection_invalidated
    )


def is_read_only(error: BaseException) -> bool:
    """Whether a database cannot be written to."""
    return bool(re.search(READ_ONLY, str(database_error(error)), re.IGNORECASE))


def is_damaged(error: BaseException) -> bool:
    """Whether an SQLite file is not what it was written as."""
    return bool(re.search(DAMAGED, str(database_error(error))))


def is_there_already(error: BaseException) -> bool:
    """Whether another process has made a table or a row in the meantime."""
    return bool(re.search(THERE_ALREADY, str(database_error(error)), re.IGNORECASE))


def is_locked(error: BaseException) -> bool:
    """Whether another process has locked an SQLite file: nothing was done then."""
    cause = database_error(error)
    return cause is not None and "is locked" in str(cause.orig)


def is_refusal(error: BaseException) -> bool:
    """Whether a database will give the same answer however long it is waited for."""
    return reason(error) in {*REFUSED.values(), NO_TABLES}


def reason(error: BaseException) -> str:
    """What an error says, less what a driver quotes."""
    cause = database_error(error)
    if isinstance(error, ImportError):
        return f"its driver is not installed here ({first_line(error)})"
    if isinstance(error, NoSuchModuleError):
        return "this kind of database is not known here"
    if cause is None:
        is_ours = isinstance(error, (OSError, RuntimeError, StorageInternalError))
        return first_line(error) if is_ours else type(error).__name__
    text = str(cause.orig)
    if re.search(TABLES, text, re.IGNORECASE):
        return NO_TABLES
    if isinstance(cause.orig, sqlite3.Error):
        return first_line(cause)
    for pattern, words in {**REFUSED, **PASSING}.items():
        if re.search(pattern, text, re.IGNORECASE):
            return words
    return f"{type(cause.orig).__name__} of the database's driver"
