"""The attributes a search keeps at its trials: their names, and what they say.

A storage may hold anything, put there by other programs or by hand: what is not of the type it
should have counts as not there. The names are those of the first version, so that old studies
resume.
"""

import math
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from nas.training.candidate import Candidate

#: the name of the worker that runs the trial, as in nas.common.processes
WORKER = "worker"
#: true while a trial waits at a rung and not for a worker
PAUSED = "paused"
#: epochs after which a trial was paused last
RUNG = "rung"
#: the rung from which it was promoted only as a member of the control group; 0: on merit
CONTROL_RUNG = "spared"
#: rung -> training loss in the epoch before it
RUNG_LOSSES = "rung_losses"
#: of a failed trial: the cause in a few words, and the traceback
CAUSE, ERROR = "cause", "error"
#: names of the constraints that a trial breaks, which is not trained then
REJECTED = "rejected"
#: the number of the trial whose result was copied
REUSED_FROM = "reused_from"
#: of a twin: what is measured of its finished network
AFTER_TRAINING = "after_training"
#: on which split that is measured, where it is not the validation split
MEASURED_SPLIT = "after_training_split"
#: system attribute: a counter that the worker of a running trial increments
HEARTBEAT = "nas:beat"
#: system attribute: crashes of its workers since it last got further, and the epoch it had reached
CRASHES = "nas:died"

#: what reports and exports alone read of other trials, and how the names of their probes begin
FOR_REPORTS = ("candidate", "result", "provenance", ERROR)
PROBES = "probes_"

#: states of trials that ended well
DONE = (TrialState.COMPLETE, TrialState.PRUNED)


def is_complete(trial: FrozenTrial) -> bool:
    """Whether a trial was trained to its end. With several objectives pruned trials are COMPLETE
    for Optuna; an attribute tells them apart."""
    return trial.state == TrialState.COMPLETE and not trial.user_attrs.get("pruned")


def is_paused(trial: FrozenTrial) -> bool:
    """Whether a trial is paused at a rung."""
    return trial.state == TrialState.WAITING and bool(trial.user_attrs.get(PAUSED))


def rung_of(trial: FrozenTrial) -> int:
    """Epochs after which a trial was paused last; 0 if it never was."""
    rung = trial.user_attrs.get(RUNG)
    return rung if isinstance(rung, int) else 0


def rung_losses(trial: FrozenTrial) -> dict[str, float]:
    """Rung -> training loss in the epoch before it."""
    losses = trial.user_attrs.get(RUNG_LOSSES)
    known = losses.items() if isinstance(losses, dict) else ()
    return {rung: loss for rung, loss in known if is_number(loss)}


def loss_at(trial: FrozenTrial, rung: int) -> float | None:
    """The training loss of a trial in the epoch before a rung; None if it did not get there."""
    losses = trial.user_attrs.get(RUNG_LOSSES)
    loss = losses.get(str(rung)) if isinstance(losses, dict) else None
    return loss if isinstance(loss, (int, float)) and math.isfinite(loss) else None


def crashes_of(trial: FrozenTrial) -> tuple[int, int]:
    """How often the workers of a trial crashed, and the epoch it had reached the last time."""
    match trial.system_attrs.get(CRASHES):
        case [int(count), int(epoch)]:
            return count, epoch
    return 0, 0


def candidate_of(trial: FrozenTrial) -> Candidate | None:
    """The candidate a trial has drawn; None if it has none yet, or one that cannot be read."""
    text = trial.user_attrs.get("candidate")
    if not isinstance(text, str):
        return None
    with suppress(ValueError, TypeError, KeyError, AttributeError, AssertionError, RecursionError):
        return Candidate.read(text)
    return None


def cause_of_failure(trial: FrozenTrial) -> str:
    """Why a trial failed, in a few words; the traceback is in its attribute `error`."""
    return str(trial.user_attrs.get(CAUSE, "unknown"))


def is_reused(trial: FrozenTrial) -> bool:
    """Whether the result of a trial is a copy of another one's."""
    return REUSED_FROM in trial.user_attrs


def is_counted(trial: FrozenTrial) -> bool:
    """Whether a trial counts towards the number asked for: not if its constraints rejected it."""
    return REJECTED not in trial.user_attrs


def counted(trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """The trials that count towards the number asked for."""
    return [trial for trial in trials if REJECTED not in trial.user_attrs]


def is_number(value: Any) -> bool:
    """Whether a value is a finite number."""
    return isinstance(value, (int, float)) and math.isfinite(value)
