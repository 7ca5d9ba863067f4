"""Which trials of a study are due: as many as its workers need, and what of halving goes on."""

import contextlib
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, NamedTuple

import optuna
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from nas.common.errors import StudyError
from nas.search.asha import Halving, halving_of, is_paused
from nas.search.lease import Due, due
from nas.search.study import NUM_TRIALS, counting, pruned_ending
from nas.space.space import SearchSpace
from nas.storage.handles import storage_of, trial_id_of
from nas.storage.locks import locked
from nas.storage.retry import with_retry

#: rejected candidates for each one trained, before the constraints are taken to leave nothing
MOST_REJECTED = 50


def supply(
    study: Study, space: SearchSpace, num_trials: int, ahead: int
) -> Callable[[Sequence[FrozenTrial]], bool]:
    """A function that keeps `ahead` trials due until there are `num_trials`; True when there are.

    Few are kept due, as every look at the study reads them all. Their parameters are drawn when
    they start. Candidates that constraints reject do not count, unless the space is a grid.
    """
    halving, demand = halving_of(space), demands(study, space, num_trials)

    def missing(asked: Demand, trials: Sequence[FrozenTrial]) -> range:
        count = len(asked.counted(trials))
        refuse_hopeless(len(trials) - count, asked.total)
        return range(count, min(asked.total, count + num_wanted(trials, ahead)))

    def add_missing(asked: Demand) -> None:
        with locked(
            storage_of(study)
        ) as hold:  # another search of the study may add at the same time
            for index in missing(asked, study.get_trials(deepcopy=False)):
                hold()
                if asked.grid is None:
                    study.add_trial(optuna.trial.create_trial(state=TrialState.WAITING))
                else:
                    study.enqueue_trial(asked.grid[index])

    def keep_due(trials: Sequence[FrozenTrial]) -> bool:
        asked = demand()
        end_hopeless(study, halving, asked.counted(trials), asked.total)
        if missing(asked, trials):
            with_retry(add_missing)(asked)
        return missing(asked, trials).start >= asked.total

    return keep_due


class Demand(NamedTuple):
    """The trials that a study is to have: so many, or one for each point of a grid."""

    total: int
    grid: list[dict[str, Any]] | None

    def counted(self, trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
        """Those that count towards the total; in a grid also those that constraints reject."""
        return counting(trials) if self.grid is None else list(trials)


def demands(study: Study, space: SearchSpace, least: int = 0) -> Callable[[], Demand]:
    """A function that tells what a study is to have now: whoever resumes it may ask for more."""
    grid_of = cache(space.grid)

    def demand() -> Demand:
        asked = max(least, study.user_attrs.get(NUM_TRIALS, 0))
        grid = grid_of(asked) if space.search.sampler == "grid" else None
        return Demand(asked if grid is None else len(grid), grid)

    return demand


def num_wanted(trials: Sequence[FrozenTrial], ahead: int) -> int:
    """How many trials to add so that `ahead` are due, or more where more run, as other machines
    may have joined: twice as many, or half as many where they are many, as all read them all."""
    waiting = sum(t.state == TrialState.WAITING and not is_paused(t) for t in trials)
    running = sum(trial.state == TrialState.RUNNING for trial in trials)
    return max(0, max(ahead, min(2 * running, running // 2 + 8)) - waiting)


def due_of(study: Study, space: SearchSpace) -> Due:
    """Which trials of a study its workers may take."""
    halving, demand = halving_of(space), demands(study, space)
    if halving is None:
        return due

    def promoted_first(study: Study) -> list[FrozenTrial]:
        asked = demand()
        return halving.due(asked.counted(study.get_trials(deepcopy=False)), asked.total)

    return promoted_first


def end_hopeless(
    study: Study, halving: Halving | None, trials: Sequence[FrozenTrial], num_trials: int
) -> None:
    """End the resting trials that cannot go on any more."""
    for trial in halving.hopeless(trials, num_trials) if halving else ():
        end_pruned(study, trial)


def end_pruned(study: Study, trial: FrozenTrial) -> None:
    """End a resting trial for good, with what it had reached."""
    with contextlib.suppress(optuna.exceptions.UpdateFinishedTrialError):
        state, values = pruned_ending(study, trial)
        storage_of(study).set_trial_state_values(trial_id_of(trial), state, values)


def refuse_hopeless(rejected: int, total: int) -> None:
    """StudyError where the constraints reject nearly everything that is drawn."""
    if rejected > MOST_REJECTED * total:
        raise StudyError(
            f"the constraints rejected {rejected} candidates: widen them, or narrow the space."
        )
