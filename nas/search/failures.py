"""Trials that failed: what of, and when that is reason to stop."""

import contextlib
import re
import signal
import traceback
from collections.abc import Sequence

from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

from nas.common.errors import StudyError, first_line
from nas.storage.handles import trial_id_of

#: failures of one cause in a row that stop a search
IN_A_ROW = 3
#: times a trial may lose its worker without one more epoch before it is given up
DEATHS = 10
#: the attribute with the number of deaths, and the epoch it had reached
DIED = "nas:died"
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
        storage.set_trial_user_attr(trial_id, "cause", cause)
        storage.set_trial_user_attr(trial_id, "error", details or cause)
        storage.set_trial_state_values(trial_id, state=TrialState.FAIL)


def cause(trial: FrozenTrial) -> str:
    """What a failed trial failed of; the whole message is its attribute `error`."""
    return str(trial.user_attrs.get("cause", "unknown"))


def blame(storage: BaseStorage, trial: FrozenTrial, ending: str) -> bool:
    """Note that a trial lost its worker; True where it did so too often and is given up now."""
    died, epoch = trial.system_attrs.get(DIED, (0, 0))
    reached = trial.last_step or 0
    died = died + 1 if reached <= epoch else 1
    storage.set_trial_system_attr(trial_id_of(trial), DIED, [died, reached])
    if died >= DEATHS:
        fail(storage, trial_id_of(trial), f"its worker was {ending} each of {died} times")
    return died >= DEATHS


def ending_of(status: int) -> str:
    """How a process ended, by its exit status as multiprocessing tells it."""
    if status >= 0:
        return f"ended with status {status}"
    name = signal.Signals(-status).name
    hint = ", as when memory runs out" if -status == signal.SIGKILL else ""
    return f"killed by {name}{hint}"


class Streak:
    """Stops a search whose trials fail of one cause, one after another."""

    def __init__(self) -> None:
        self.seen: set[int] | None = None
        self.causes: list[str | None] = []

    def look(self, trials: Sequence[FrozenTrial]) -> None:
        """StudyError where the last few trials to end since the first look failed alike."""
        ended = {trial.number: trial for trial in trials if trial.state.is_finished()}
        if self.seen is None:
            self.seen = set(ended)
        for number in sorted(set(ended) - self.seen):
            self.seen.add(number)
            trial = ended[number]
            if "rejected" in trial.user_attrs or "reused_from" in trial.user_attrs:
                continue  # nothing was trained
            failed = trial.state == TrialState.FAIL
            self.causes.append(cause(trial) if failed else None)
        alike = {kind(cause) for cause in self.causes[-IN_A_ROW:]}
        if len(self.causes) >= IN_A_ROW and len(alike) == 1 and None not in alike:
            raise StudyError(
                f"{IN_A_ROW} trials in a row failed of one cause: {self.causes[-1]}. What finished "
                "is kept. The whole message stands in the attribute `error` of these trials; "
                "mend the cause and run the same command again."
            )


def kind(cause: str | None) -> str | None:
    """A cause without the numbers in it, which differ between candidates."""
    return cause and re.sub(r"\d+", "#", cause)
