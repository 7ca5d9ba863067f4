"""The stale-trial monitor: running trials without a live worker become pending again."""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

from nas.common.processes import is_alive
from nas.search.failures import record_crash
from nas.search.lease import is_held_by, requeue
from nas.search.trial_attributes import HEARTBEAT, WORKER
from nas.storage.handles import trial_id_of

#: seconds without a heartbeat after which a worker counts as gone
HEARTBEAT_TIMEOUT = 90.0
#: seconds a trial may be RUNNING before its worker has written its name
UNNAMED_TIMEOUT = 60.0
#: most seconds counted between two checks: what happened in a longer gap was not seen
LONGEST_GAP = 5.0


class StaleTrialMonitor:
    """Requeues running trials whose worker is gone.

    Silence is measured by the clock of this process alone, from one check to the next: clocks of
    other machines, clocks that are set, and a storage that was away for a while do not mislead it.
    `kill` kills a worker by its name and tells whether it could: the owner of that worker then
    learns of its death and requeues the trial.
    """

    def __init__(
        self,
        storage: BaseStorage,
        kill: Callable[[str], bool] = lambda worker: False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._in_storage = storage
        self._kill = kill
        self._clock = clock
        self._last_check = clock()
        self._now = 0.0
        self._last_heartbeats: dict[int, tuple[Any, float]] = {}

    def check(self, trials: Sequence[FrozenTrial]) -> None:
        """Requeue the trials whose worker is gone."""
        clock = self._clock()
        self._now += min(clock - self._last_check, LONGEST_GAP)
        self._last_check = clock
        running = [trial for trial in trials if trial.state == TrialState.RUNNING]
        self._last_heartbeats = {trial.number: self._last_heartbeat(trial) for trial in running}
        for trial in running:
            if self._is_stale(trial):
                requeue(self._in_storage, trial_id_of(trial), trial.user_attrs.get(WORKER))

    def _last_heartbeat(self, trial: FrozenTrial) -> tuple[Any, float]:
        """The last heartbeat of a trial, and when it was first seen."""
        heartbeat = (trial.user_attrs.get(WORKER), trial.system_attrs.get(HEARTBEAT))
        known = self._last_heartbeats.get(trial.number)
        return known if known and known[0] == heartbeat else (heartbeat, self._now)

    def _is_stale(self, trial: FrozenTrial) -> bool:
        """Whether a running trial has no live worker, and nobody else is to requeue it."""
        worker = trial.user_attrs.get(WORKER)
        silent = self._now - self._last_heartbeats[trial.number][1]
        if worker is None:
            return silent > UNNAMED_TIMEOUT
        return (silent > HEARTBEAT_TIMEOUT or not is_alive(worker)) and not self._kill(worker)


def requeue_trials_of(
    storage: BaseStorage, trials: Sequence[FrozenTrial], worker: str, ending: str | None
) -> None:
    """Requeue the trial of a dead worker. With an ending, the crash is recorded at the trial, which
    fails if that was one too many; without one, the trial is not to blame."""
    for trial in trials:
        if is_held_by(trial, worker):
            with suppress(UpdateFinishedTrialError):
                if ending is None or not record_crash(storage, trial, ending):
                    requeue(storage, trial_id_of(trial), worker)
