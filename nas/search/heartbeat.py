"""The sign of life of a worker: a counter it moves on while it runs a trial."""

import os
import threading
import time
from collections.abc import Callable
from typing import Any

from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import BaseStorage

from nas.common.errors import StudyError
from nas.common.processes import this_worker
from nas.search.lease import is_ours

#: the attribute of a running trial that its worker moves on
BEAT = "nas:beat"
#: seconds between two beats
INTERVAL = 15.0
#: exit status of a worker whose trial took too long, or would not stop when it was told to
TIMED_OUT = 70
#: seconds a trial may go on after it was told to stop
GRACE = 30.0


class Pulse:
    """Beats for the trial of this process; ends the process when the trial takes too long, or goes
    on although it was interrupted, as one that hangs while its coordinator is gone.

    A thread, so that it goes on while a candidate hangs. `lost` tells whether the trial was given
    to another worker meanwhile, as when this one was cut off from the storage.
    """

    def __init__(
        self,
        storage: BaseStorage,
        too_long: Callable[[int], None],
        interrupted: Callable[[], bool] = lambda: False,
    ) -> None:
        self.storage = storage
        self.too_long = too_long
        self.interrupted = interrupted
        self.trial_id: int | None = None
        self.deadline = float("inf")
        self.lost = False
        self.wake = threading.Condition()
        threading.Thread(target=self.run, name="pulse", daemon=True).start()

    def start(self, trial_id: int, limit: float | None) -> None:
        """Beat for a trial from now on, for at most `limit` seconds."""
        with self.wake:
            self.trial_id, self.lost = trial_id, False
            self.deadline = time.monotonic() + limit if limit else float("inf")
            self.wake.notify()

    def stop(self) -> None:
        """The trial is over."""
        with self.wake:
            self.trial_id = None

    def run(self) -> None:
        """The loop of the thread."""
        count, told = 0, float("inf")
        while True:
            with self.wake:
                while self.trial_id is None:
                    told = float("inf")
                    self.wake.wait()
                self.wake.wait(max(0.0, min(INTERVAL, self.deadline - time.monotonic())))
                trial_id, late = self.trial_id, time.monotonic() > self.deadline
            if trial_id is None:
                continue
            if late:
                self.end(trial_id)
            told = min(told, time.monotonic()) if self.interrupted() else float("inf")
            if time.monotonic() > told + GRACE:
                os._exit(TIMED_OUT)
            count += 1
            self.beat(trial_id, count)

    def end(self, trial_id: int) -> None:
        """End this process, the trial told of as one that took too long."""
        try:
            self.too_long(trial_id)
        finally:
            os._exit(TIMED_OUT)

    def beat(self, trial_id: int, count: int) -> None:
        """Move the counter on, and see whether the trial is still ours."""
        start = time.monotonic()
        try:
            mine = is_ours(self.storage.get_trial(trial_id), this_worker())
            if mine:
                self.storage.set_trial_system_attr(trial_id, BEAT, count)
        except (UpdateFinishedTrialError, StudyError):
            mine = False
        with self.wake:
            if self.trial_id == trial_id:
                self.lost = not mine
                self.deadline += time.monotonic() - start  # a storage that was away


def beat_of(trial: Any) -> int:
    """How often the worker of a running trial has beaten."""
    return trial.system_attrs.get(BEAT, 0)
