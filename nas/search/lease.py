"""Leases: a worker takes a trial (acquire: WAITING to RUNNING) and gives it back (requeue)."""

import contextlib
from collections.abc import Callable
from functools import partial
from random import SystemRandom
from typing import Any

from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import BaseStorage
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from nas.common.processes import this_worker
from nas.search.trial_attributes import PAUSED, WORKER
from nas.storage.collecting import at_once
from nas.storage.handles import trial_id_of
from nas.storage.locks import file_locked, locked
from nas.storage.retry_storage import retried

#: the trials of a study that a worker may take, in order of preference
Pending = Callable[[Study], list[FrozenTrial]]


def waiting(study: Study) -> list[FrozenTrial]:
    """All trials that wait, in their order."""
    return study.get_trials(deepcopy=False, states=(TrialState.WAITING,))


def acquire(storage: BaseStorage, study: Study, pending: Pending = waiting) -> FrozenTrial | None:
    """Take a pending trial for this process, so that no other process does; None if there is none.

    SQLite has no row locks, so a file lock stands in for them; other databases lock the row.
    """
    found = pending(study)
    if not found:
        return None
    with file_locked(storage):
        for trial in _first_then_shuffled(found):
            with contextlib.suppress(UpdateFinishedTrialError):
                if at_once(storage, taking(storage, trial)):
                    return trial
    return None


def taking(storage: BaseStorage, trial: FrozenTrial) -> Callable[[], bool]:
    """A function that takes a trial for this process; False if another one has it. Where it is
    called again, as the answer was lost, this process may have it already."""
    trial_id, was_taken = trial_id_of(trial), False

    def take() -> bool:
        nonlocal was_taken
        if not storage.set_trial_state_values(trial_id, state=TrialState.RUNNING):
            return was_taken and is_held_by(storage.get_trial(trial_id), this_worker())
        storage.set_trial_user_attr(trial_id, WORKER, this_worker())
        if trial.user_attrs.get(PAUSED):
            storage.set_trial_user_attr(trial_id, PAUSED, False)
        was_taken = True
        return True

    return take


def _first_then_shuffled(trials: list[FrozenTrial]) -> list[FrozenTrial]:
    """The trials, all but the first shuffled: workers that lose the race for the first trial should
    not compete for the same next one."""
    others = trials[1:]
    SystemRandom().shuffle(others)
    return [*trials[:1], *others]


def is_held_by(trial: FrozenTrial, worker: Any) -> bool:
    """Whether a trial is run by that worker (None: by one that has not written its name yet)."""
    return trial.state == TrialState.RUNNING and trial.user_attrs.get(WORKER) == worker


def requeue(storage: BaseStorage, trial_id: int, worker: Any) -> bool:
    """Make a trial that a worker holds pending again; it keeps its number and its parameters.

    False if the worker does not hold it any more.
    """
    return retried(storage, _requeue_once)(storage, trial_id, worker)


def _requeue_once(storage: BaseStorage, trial_id: int, worker: Any) -> bool:
    """One attempt, which fails if the lock was lost meanwhile."""
    with contextlib.suppress(UpdateFinishedTrialError), locked(storage) as hold:
        if is_held_by(storage.get_trial(trial_id), worker):
            hold()
            return at_once(storage, partial(_give_back, storage, trial_id))
    return False


def _give_back(storage: BaseStorage, trial_id: int) -> bool:
    """Make a trial pending that nobody holds."""
    storage.set_trial_user_attr(trial_id, WORKER, None)
    return storage.set_trial_state_values(trial_id, state=TrialState.WAITING)
