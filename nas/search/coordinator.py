"""The coordinator: keeps the trial queue filled and supervises the workers, until all is done."""

import math
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from optuna.exceptions import StorageInternalError
from optuna.storages import BaseStorage
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from nas.common.errors import StudyError
from nas.search.failures import ConsecutiveFailures
from nas.search.pools.base import WorkerPool
from nas.search.progress import Progress
from nas.search.queue import Refill, are_same
from nas.search.stale_trials import StaleTrialMonitor
from nas.storage.handles import storage_of
from nas.storage.retry_storage import stop_retrying, watched

#: seconds between two looks at the study, and at most where reading it takes more than this share
#: of a core and nothing changes
POLL, LONGEST_POLL, SHARE = 0.5, 5.0, 0.005
#: looks without a change after which the next ones may be later
QUIET_LOOKS = 10


@dataclass(frozen=True)
class Outcome:
    """How the run of a study ended: `finished`, `timeout` or `interrupted`."""

    study: Study
    how: str


def run_trials(
    study: Study,
    pool: WorkerPool,
    progress: Progress,
    refill: Refill,
    *,
    timeout: float | None = None,
    poll: float = POLL,
) -> Outcome:
    """Run the trials of a study until all have ended and none are left to add.

    It ends before after `timeout` seconds, or on Ctrl-C and SIGTERM; trials in training are then
    requeued. StudyError if trials or workers fail one after another.
    """
    storage, how = storage_of(study), "finished"
    try:
        with progress, terminated_like_interrupted():
            if not _run(study, pool, progress, refill, timeout, poll):
                how = "timeout"
    except KeyboardInterrupt:
        stop_retrying(storage)
        how = "interrupted"
    except StudyError:
        stop_retrying(storage)
        raise
    finally:
        pool.stop()
        _requeue_left_trials(storage, study)
    return Outcome(study, how)


def _run(
    study: Study,
    pool: WorkerPool,
    progress: Progress,
    refill: Refill,
    timeout: float | None,
    poll: float,
) -> bool:
    """The loop; False if it ended as the time was up."""
    storage = storage_of(study)
    deadline = time.monotonic() + timeout if timeout else math.inf
    monitor, failures = StaleTrialMonitor(storage, pool.kill), ConsecutiveFailures()
    trials: Sequence[FrozenTrial] = ()
    running: Sequence[FrozenTrial] = ()
    reads, quiet = [0.0], -1
    while True:
        start, before = time.thread_time(), trials
        trials = watched(study)
        reads = [*reads[-1:], time.thread_time() - start]
        quiet = quiet + 1 if are_same(trials, before) else 0
        progress.update(trials)
        if not quiet:
            failures.check(trials)
            running = [trial for trial in trials if trial.state == TrialState.RUNNING]
        if refill(trials) and _all_finished(trials):
            return True
        if time.monotonic() > deadline:
            return False
        pool.check(storage, trials)
        monitor.check(running)
        left = max(0.0, deadline - time.monotonic())
        time.sleep(min(left, poll if quiet < QUIET_LOOKS else pause_after(reads, poll)))


def pause_after(reads: Sequence[float], poll: float) -> float:
    """Seconds until the next look of a study in which nothing changes, by the processor time of the
    last readings; a single one may take long, as the first does."""
    return max(poll, min(LONGEST_POLL, min(reads) / SHARE))


def _all_finished(trials: Sequence[FrozenTrial]) -> bool:
    """Whether no trial waits or runs."""
    return all(trial.state.is_finished() for trial in trials)


def _requeue_left_trials(storage: BaseStorage, study: Study) -> None:
    """Requeue the trials of workers that were killed."""
    with suppress(StudyError, StorageInternalError, KeyError):
        StaleTrialMonitor(storage).check(study.get_trials(deepcopy=False))


@contextmanager
def terminated_like_interrupted() -> Iterator[None]:
    """Have SIGTERM end a search as Ctrl-C does; outside the main thread nothing is changed."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
