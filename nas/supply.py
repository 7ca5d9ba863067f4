"""Which trials of a study are due: as many as its workers need, and what of halving goes on."""

import contextlib
from collections.abc import Callable, Sequence

import optuna
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from nas.claims import Due, due, locked
from nas.errors import StudyError
from nas.halving import Halving, halving_of, is_paused
from nas.patience import patiently
from nas.space import SearchSpace
from nas.study import NUM_TRIALS, counting, pruned_ending

#: rejected candidates for each one trained, before the constraints are taken to leave nothing
MOST_REJECTED = 50


def supply(
    study: Study, space: SearchSpace, num_trials: int, ahead: int
) -> Callable[[Sequence[FrozenTrial]], bool]:
    """A function that keeps `ahead` trials due until there are `num_trials`; True when there are.

    Few are kept due, as every look at the study reads them all. Their parameters are drawn when
    they start. Candidates that constraints reject do not count, unless the space is a grid.
    """
    grid = space.grid(num_trials) if space.search.sampler == "grid" else None
    total = num_trials if grid is None else len(grid)
    halving, counted = halving_of(space), counting if grid is None else list

    def missing(trials: Sequence[FrozenTrial]) -> range:
        count = len(counted(trials))
        refuse_hopeless(len(trials) - count, total)
        return range(count, min(total, count + num_wanted(trials, ahead)))

    def add_missing() -> None:
        with locked(study._storage) as hold:  # another search of the study may add at the same time
            for index in missing(study.get_trials(deepcopy=False)):
                hold()
                if grid is None:
                    study.add_trial(optuna.trial.create_trial(state=TrialState.WAITING))
                else:
                    study.enqueue_trial(grid[index])

    def keep_due(trials: Sequence[FrozenTrial]) -> bool:
        end_hopeless(study, halving, counted(trials), total)
        if missing(trials):
            patiently(add_missing)()
        return missing(trials).start >= total

    return keep_due


def num_wanted(trials: Sequence[FrozenTrial], ahead: int) -> int:
    """How many trials to add so that `ahead` are due, or more where more run, as other machines
    may have joined: twice as many, or half as many where they are many, as all read them all."""
    waiting = sum(t.state == TrialState.WAITING and not is_paused(t) for t in trials)
    running = sum(trial.state == TrialState.RUNNING for trial in trials)
    return max(0, max(ahead, min(2 * running, running // 2 + 8)) - waiting)


def due_of(study: Study, space: SearchSpace) -> Due:
    """Which trials of a study its workers may take."""
    halving = halving_of(space)
    if halving is None:
        return due

    def promoted_first(study: Study) -> list[FrozenTrial]:
        return halving.due(counting(study.get_trials(deepcopy=False)), num_trials)

    num_trials = study.user_attrs.get(NUM_TRIALS, 0)
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
        study._storage.set_trial_state_values(trial._trial_id, state, values)


def refuse_hopeless(rejected: int, total: int) -> None:
    """StudyError where the constraints reject nearly everything that is drawn."""
    if rejected > MOST_REJECTED * total:
        raise StudyError(
            f"the constraints rejected {rejected} candidates: widen them, or narrow the space."
        )
