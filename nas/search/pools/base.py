"""What the coordinator asks of a pool of workers, on this machine or on a cluster."""

from collections.abc import Sequence
from typing import Protocol

from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial

from nas.common.errors import StudyError

#: seconds a worker gets to leave its trial before it is killed
POOL_STOP_TIMEOUT = 20
#: workers that may end, one after another, before one of them was ready
MAX_FAILED_STARTS = 10
#: what a worker sends once it looks for trials
READY = "ready"


class WorkerPool(Protocol):
    """Worker processes that run the pending trials of a study, and are replaced when they die.

    The workers of a pool do not get Ctrl-C: it is for the process that has the pool.
    """

    def check(self, storage: BaseStorage, trials: Sequence[FrozenTrial]) -> None:
        """Start the workers, and replace those that died, whose trials are requeued. Raises what a
        worker raised; StudyError if workers die as soon as they start."""

    def kill(self, worker: str) -> bool:
        """Kill a worker that sends no heartbeats, by its name; False if it is not of this pool.
        The next check replaces it."""

    def stop(self) -> None:
        """Have the workers leave their trials, which are requeued, and kill those that do not."""


class FailedStarts:
    """Counts the workers that ended, one after another, before one of them was ready."""

    def __init__(self) -> None:
        self._count = 0

    def ready(self) -> None:
        """A worker is ready: the count starts anew."""
        self._count = 0

    def record(self, ending: str) -> None:
        """A worker ended; StudyError if that was one too many."""
        self._count += 1
        if self._count > MAX_FAILED_STARTS:
            raise StudyError(f"workers die as soon as they start: {ending}.")
