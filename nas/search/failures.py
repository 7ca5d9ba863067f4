"""Failed trials: their causes, crashes of their workers, and when failures stop a search."""

import contextlib
import re
import signal
import traceback
from collections.abc import Sequence

from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

from nas.common.errors import StudyError, first_line
from nas.search.trial_attributes import (
    CAUSE,
    CRASHES,
    ERROR,
    cause_of_failure,
    crashes_of,
    is_counted,
    is_reused,
)
from nas.storage.handles import trial_id_of

#: consecutive failures of one cause that stop a search
MAX_CONSECUTIVE_FAILURES = 3
#: crashes of its workers, without one more epoch in between, after which a trial fails
MAX_RETRIES = 10
#: what errors say when memory runs out: the processor's allocator, and the GPU's
OUT_OF_MEMORY = re.compile(r"out of memory|can't allocate memory|cannot allocate memory", re.I)


def cause_of(error: BaseException) -> str:
    """An exception as the cause of a failure, in a few words."""
    if isinstance(error, MemoryError) or OUT_OF_MEMORY.search(str(error)):
        return "out of memory"
    return f"{type(error).__name__}: {first_line(error)}"[:300]


def fail_with(storage: BaseStorage, trial_id: int, error: BaseException) -> None:
    """End a trial as failed by an exception."""
    fail(storage, trial_id, cause_of(error), "".join(traceback.format_exception(error))[-4000:])


def fail(storage: BaseStorage, trial_id: int, cause: str, details: str = "") -> None:
    """End a trial as failed, unless it has ended."""
    with contextlib.suppress(UpdateFinishedTrialError):
        storage.set_trial_user_attr(trial_id, CAUSE, cause)
        storage.set_trial_user_attr(trial_id, ERROR, details or cause)
        storage.set_trial_state_values(trial_id, state=TrialState.FAIL)


def record_crash(storage: BaseStorage, trial: FrozenTrial, ending: str) -> bool:
    """Record that the worker of a trial crashed; True if that was one crash too many, and the trial
    has failed."""
    crashes, epoch = crashes_of(trial)
    reached = trial.last_step or 0
    crashes = crashes + 1 if reached <= epoch else 1
    storage.set_trial_system_attr(trial_id_of(trial), CRASHES, [crashes, reached])
    if crashes >= MAX_RETRIES:
        fail(storage, trial_id_of(trial), f"its worker was {ending} each of {crashes} times")
    return crashes >= MAX_RETRIES


def exit_reason(status: int) -> str:
    """How a process ended, by its exit status as multiprocessing reports it."""
    if status >= 0:
        return f"ended with status {status}"
    name = signal.Signals(-status).name
    hint = ", as when memory runs out" if -status == signal.SIGKILL else ""
    return f"killed by {name}{hint}"


class ConsecutiveFailures:
    """A circuit breaker: stops a search whose trials fail of one cause, one after another."""

    def __init__(self) -> None:
        self._seen: set[int] | None = None
        self._causes: list[str | None] = []

    def check(self, trials: Sequence[FrozenTrial]) -> None:
        """StudyError if the last few trials that ended since the first check failed alike."""
        ended = {trial.number: trial for trial in trials if trial.state.is_finished()}
        if self._seen is None:
            self._seen = set(ended)
        for number in sorted(set(ended) - self._seen):
            self._seen.add(number)
            trial = ended[number]
            if is_reused(trial) or not is_counted(trial):
                continue  # nothing was trained
            failed = trial.state == TrialState.FAIL
            self._add(cause_of_failure(trial) if failed else None)

    def _add(self, cause: str | None) -> None:
        """Add how one more trial ended; each counts, also where several ended between two looks."""
        self._causes.append(cause)
        last = self._causes[-MAX_CONSECUTIVE_FAILURES:]
        alike = {_without_numbers(cause) for cause in last}
        if len(last) == MAX_CONSECUTIVE_FAILURES and len(alike) == 1 and None not in alike:
            raise StudyError(
                f"{len(last)} trials in a row failed of one cause: {last[-1]}. What finished is "
                "kept. The whole message stands in the attribute `error` of these trials; "
                "mend the cause and run the same command again."
            )


def _without_numbers(cause: str | None) -> str | None:
    """A cause without the numbers in it, which differ between candidates."""
    return cause and re.sub(r"\d+", "#", cause)
