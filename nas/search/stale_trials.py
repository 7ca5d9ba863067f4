"""Watching over running trials: those whose worker is gone become due again."""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

from nas.common.processes import is_alive
from nas.search.failures import blame
from nas.search.heartbeat import beat_of
from nas.search.lease import release
from nas.storage.handles import trial_id_of

#: seconds without a beat after which a worker counts as gone
SILENCE = 90.0
#: seconds a trial may run before it names its worker
NAMELESS = 60.0
#: most seconds that pass between two looks by this clock: what lies between them went unseen
LONGEST_GAP = 5.0


class Vigil:
    """Notices by its own clock which trials have no worker: dates of other machines, clocks that
    are set and a storage that was away for a while do not mislead it."""

    def __init__(
        self,
        storage: BaseStorage,
        kill: Callable[[str], bool] = lambda worker: False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.storage = storage
        self.kill = kill
        self.clock = clock
        self.last = clock()
        self.now = 0.0
        self.heard: dict[int, tuple[tuple[str | None, int], float]] = {}

    def look(self, trials: Sequence[FrozenTrial]) -> None:
        """Make the trials due again whose worker is gone."""
        clock = self.clock()
        self.now += min(clock - self.last, LONGEST_GAP)
        self.last = clock
        running = [trial for trial in trials if trial.state == TrialState.RUNNING]
        self.heard = {t.number: self.hear(t) for t in running}
        for trial in running:
            if self.is_abandoned(trial):
                release(self.storage, trial_id_of(trial), trial.user_attrs.get("worker"))

    def hear(self, trial: FrozenTrial) -> tuple[tuple[str | None, int], float]:
        """The last sign of a trial, and when it was first heard."""
        sign = (trial.user_attrs.get("worker"), beat_of(trial))
        before = self.heard.get(trial.number)
        return before if before and before[0] == sign else (sign, self.now)

    def is_abandoned(self, trial: FrozenTrial) -> bool:
        """Whether no worker runs a running trial. One that is dead or silent and that `kill` knows
        is left to whom it tells of its workers' deaths."""
        worker = trial.user_attrs.get("worker")
        silent = self.now - self.heard[trial.number][1]
        if worker is None:
            return silent > NAMELESS
        return (silent > SILENCE or not is_alive(worker)) and not self.kill(worker)


def mourn(storage: BaseStorage, trials: Sequence[FrozenTrial], worker: str, ending: str) -> None:
    """Blame the trial of a worker that died for it, and make it due again unless it is given up."""
    for trial in trials:
        if trial.state == TrialState.RUNNING and trial.user_attrs.get("worker") == worker:
            with suppress(UpdateFinishedTrialError):
                if not blame(storage, trial, ending):
                    release(storage, trial_id_of(trial), worker)
