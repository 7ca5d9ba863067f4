"""Leases: a process takes a waiting trial (claim) and gives it back (release)."""

import contextlib
from collections.abc import Callable
from random import SystemRandom

from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import BaseStorage
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from nas.common.processes import this_worker
from nas.storage.handles import trial_id_of
from nas.storage.locks import file_locked, locked
from nas.storage.retry import with_retry

#: the attribute of a trial that waits, but not for a worker: it rests until it is promoted
PAUSED = "paused"
#: the trials of a study that a worker may take, those to be preferred first
Due = Callable[[Study], list[FrozenTrial]]


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
                if storage.set_trial_state_values(trial_id_of(trial), state=TrialState.RUNNING):
                    storage.set_trial_user_attr(trial_id_of(trial), "worker", this_worker())
                    if trial.user_attrs.get(PAUSED):
                        storage.set_trial_user_attr(trial_id_of(trial), PAUSED, False)
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
    return with_retry(release_once)(storage, trial_id, worker)


def release_once(storage: BaseStorage, trial_id: int, worker: str | None) -> bool:
    """One try, given up where the lock was lost."""
    with contextlib.suppress(UpdateFinishedTrialError), locked(storage) as hold:
        if is_ours(storage.get_trial(trial_id), worker):
            hold()
            storage.set_trial_user_attr(trial_id, "worker", None)
            return storage.set_trial_state_values(trial_id, state=TrialState.WAITING)
    return False
