"""Waiting for a database that is away: a restarted server, a broken network, a full disk."""

import time
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from optuna.exceptions import StorageInternalError
from optuna.storages import RDBStorage
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, PendingRollbackError

from nas.errors import StudyError, first_line

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

Say = Callable[[str], None]


def silent(text: str) -> None:
    """Say nothing."""


def patient(storage: RDBStorage, say: Say = silent) -> RDBStorage:
    """The storage, its repeatable calls made again while its database is away."""
    for name in REPEATABLE:
        setattr(storage, name, patiently(getattr(storage, name), say))
    return storage


def patiently(call: Callable[..., T], say: Say = silent) -> Callable[..., T]:
    """The call, made again while the database is away; StudyError after PATIENCE seconds."""

    @wraps(call)
    def again(*arguments: Any, **options: Any) -> T:
        deadline, pause = time.monotonic() + PATIENCE, FIRST_PAUSE
        while True:
            try:
                return call(*arguments, **options)
            except (StorageInternalError, DBAPIError) as error:
                if not is_away(error):
                    raise
                reason = first_line(error)
                if time.monotonic() > deadline:
                    raise StudyError(
                        f"the storage did not answer for {PATIENCE / 60:.0f} minutes: {reason}. "
                        "Nothing that finished is lost; run the same command again when it does."
                    ) from error
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
