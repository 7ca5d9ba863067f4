"""The heartbeat of a worker: a counter at its running trial that a thread increments."""

import os
import threading
import time
from collections.abc import Callable

from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import BaseStorage

from nas.common.errors import StudyError
from nas.common.processes import this_worker
from nas.search.lease import is_held_by
from nas.search.trial_attributes import HEARTBEAT

#: seconds between two heartbeats
HEARTBEAT_INTERVAL = 15.0
#: exit status of a worker whose trial took too long, or would not stop when it was told to
EXIT_TIMED_OUT = 70
#: seconds a trial may go on after the worker was told to stop
TRIAL_STOP_TIMEOUT = 30.0


class Heartbeat:
    """Sends heartbeats for the trial of this process, from a thread, so also while it hangs.

    It ends the process if the trial takes longer than its limit, or goes on although the worker was
    told to stop. `lost` is True if the trial was requeued meanwhile, as happens to a worker that
    was cut off from the storage.
    """

    def __init__(
        self,
        storage: BaseStorage,
        on_timeout: Callable[[int], None],
        is_stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        self.lost = False
        self._in_storage = storage
        self._on_timeout = on_timeout
        self._is_stopped = is_stopped
        self._current_id: int | None = None
        self._deadline = self._next = float("inf")
        self._changed = threading.Condition()
        threading.Thread(target=self._run, name="heartbeat", daemon=True).start()

    def start(self, trial_id: int, limit: float | None) -> None:
        """Send heartbeats for a trial from now on, for at most `limit` seconds: the first when one
        is due for this worker, not at once, as taking the trial has told as much."""
        with self._changed:
            self._current_id, self.lost = trial_id, False
            self._next = min(self._next, time.monotonic() + HEARTBEAT_INTERVAL)
            self._deadline = time.monotonic() + limit if limit else float("inf")
            self._changed.notify()

    def stop(self) -> None:
        """Send none until the next trial starts."""
        with self._changed:
            self._current_id = None

    def _run(self) -> None:
        """The loop of the thread."""
        count, stopped_at = 0, float("inf")
        while True:
            with self._changed:
                while self._current_id is None:
                    stopped_at = float("inf")
                    self._changed.wait()
                left = min(self._next, self._deadline) - time.monotonic()
                if left > 0:
                    self._changed.wait(left)
                    continue
                trial_id, late = self._current_id, time.monotonic() > self._deadline
                self._next = time.monotonic() + HEARTBEAT_INTERVAL
            if late:
                self._end_process(trial_id)
            stopped_at = min(stopped_at, time.monotonic()) if self._is_stopped() else float("inf")
            if time.monotonic() > stopped_at + TRIAL_STOP_TIMEOUT:
                os._exit(EXIT_TIMED_OUT)
            count += 1
            self._send(trial_id, count)

    def _end_process(self, trial_id: int) -> None:
        """End this process; the trial fails first."""
        try:
            self._on_timeout(trial_id)
        finally:
            os._exit(EXIT_TIMED_OUT)

    def _send(self, trial_id: int, count: int) -> None:
        """Write the counter, and look whether this worker still holds the trial."""
        start = time.monotonic()
        try:
            held = is_held_by(self._in_storage.get_trial(trial_id), this_worker())
            if held:
                self._in_storage.set_trial_system_attr(trial_id, HEARTBEAT, count)
        except (UpdateFinishedTrialError, StudyError):
            held = False
        with self._changed:
            if self._current_id == trial_id:
                self.lost = not held
                self._deadline += time.monotonic() - start  # a storage that was away
