"""Waiting for a database that is away: a restarted server, a broken network, a full disk.

Databases that cannot be written, and studies that were deleted, are told at once.
"""

import time
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from optuna.exceptions import StorageInternalError
from optuna.storages import RDBStorage
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, PendingRollbackError

from nas.common.errors import StudyError, first_line

T = TypeVar("T")

#: seconds a database may be away before what needs it gives up
PATIENCE = 900.0
#: seconds between two tries, at first and at most
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 15.0
#: calls that are safe to repeat: a lost answer to the first try changes nothing
REPEATABLE = (
    "check_trial_is_updatable",
    "get_all_studies",
    "get_study_directions",
    "get_study_id_from_name",
    "get_study_name_from_id",
    "get_study_system_attrs",
    "get_study_user_attrs",
    "get_trial",
    "get_trial_id_from_study_id_trial_number",
    "set_study_system_attr",
    "set_study_user_attr",
    "set_trial_intermediate_value",
    "set_trial_state_values",
    "set_trial_system_attr",
    "set_trial_user_attr",
    "_get_trials",
    "_set_trial_param",
)

#: calls that look for something that need not be there
LOOK_UPS = ("get_study_id_from_name", "get_trial_id_from_study_id_trial_number")
GONE = "the study is not there any more: somebody deleted it, as the dashboard can."
KEPT = "Nothing that finished is lost; run the same command again when it does."

Say = Callable[[str], None]


def silent(text: str) -> None:
    """Say nothing."""


def once(say: Say) -> Say:
    """The same, which says each sentence once."""
    said: set[str] = set()

    def say_once(text: str) -> None:
        if text not in said:
            said.add(text)
            say(text)

    return say_once


def patient(storage: RDBStorage, say: Say | None) -> RDBStorage:
    """The storage, its repeatable calls made again while its database is away; without `say` a
    database that is away is a StudyError at once."""
    for name in REPEATABLE:
        call = getattr(storage, name)
        call = call if name in LOOK_UPS else told_when_gone(call)
        setattr(storage, name, patiently(call, say or silent, PATIENCE if say else 0.0))
    return storage


def told_when_gone(call: Callable[..., T]) -> Callable[..., T]:
    """The call, with a StudyError where what it is about was deleted."""

    @wraps(call)
    def told(*arguments: Any, **options: Any) -> T:
        try:
            return call(*arguments, **options)
        except KeyError as error:
            raise StudyError(GONE) from error

    return told


def impatient(storage: Any) -> None:
    """Wait for a storage no more, as nobody waits for what is done with it now."""
    backend = getattr(storage, "_backend", storage)
    for name in REPEATABLE:
        vars(backend).pop(name, None)


def patiently(
    call: Callable[..., T], say: Say = silent, patience: float = PATIENCE
) -> Callable[..., T]:
    """The call, made again while the database is away; StudyError after so many seconds."""

    @wraps(call)
    def again(*arguments: Any, **options: Any) -> T:
        deadline, pause = time.monotonic() + patience, FIRST_PAUSE
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
                say(f"The storage does not answer ({reason}); waiting for it.")
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
