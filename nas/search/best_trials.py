"""The best trials of a study: the best one, or the Pareto front of several objectives."""

from collections.abc import Iterable, Sequence

from optuna.study import Study
from optuna.trial import FrozenTrial

from nas.search.trial_attributes import is_complete

#: for each objective 1 if more is better, else -1
Signs = Sequence[int]


def best_trials(study: Study, trials: Iterable[FrozenTrial] | None = None) -> list[FrozenTrial]:
    """The best completely trained trial, or with several objectives the Pareto front, by number.

    trials: those of the study, if they have been read already.
    """
    complete = complete_trials(study) if trials is None else filter(is_complete, trials)
    front = pareto_front(complete, signs_of(study))
    return sorted(front, key=lambda trial: trial.number)


def pareto_front(trials: Iterable[FrozenTrial], signs: Signs) -> list[FrozenTrial]:
    """The trials that no other one dominates, best first by the first objective. Of equal trials
    the earliest counts, so a single objective has one best trial."""
    front: list[FrozenTrial] = []
    whole = [trial for trial in trials if len(trial.values or ()) == len(signs)]
    # by falling objectives no later one dominates an earlier one
    for trial in sorted(whole, key=lambda one: _descending(one, signs)):
        if not any(_dominates(other, trial, signs) for other in front):
            front.append(trial)
    return front


def is_among_best(study: Study, number: int) -> bool:
    """Whether a completely trained trial is one of the best, at the cost of one look at each."""
    complete, signs = complete_trials(study), signs_of(study)
    own = next(trial for trial in complete if trial.number == number)
    return not any(_dominates(other, own, signs) for other in complete)


def best_first(study: Study) -> list[FrozenTrial]:
    """The completely trained trials, best first by the first objective."""
    sign = signs_of(study)[0]
    return sorted(complete_trials(study), key=lambda t: (-sign * t.values[0], t.number))


def complete_trials(study: Study) -> list[FrozenTrial]:
    """The trials of a study that were trained to their end, with a value for each objective."""
    count = len(study.directions)
    trials = study.get_trials(deepcopy=False)
    return [one for one in trials if is_complete(one) and len(one.values or ()) == count]


def signs_of(study: Study) -> list[int]:
    """For each objective of a study, 1 if more is better, else -1."""
    return [1 if direction.name == "MAXIMIZE" else -1 for direction in study.directions]


def _descending(trial: FrozenTrial, signs: Signs) -> tuple[list[float], int]:
    """A key that sorts a trial before all it may dominate."""
    values = [-sign * value for sign, value in zip(signs, trial.values, strict=True)]
    return values, trial.number


def _dominates(one: FrozenTrial, other: FrozenTrial, signs: Signs) -> bool:
    """Whether one trial is as good everywhere and better somewhere, or equal and earlier."""
    ours = [sign * value for sign, value in zip(signs, one.values, strict=True)]
    theirs = [sign * value for sign, value in zip(signs, other.values, strict=True)]
    if ours == theirs:
        return one.number < other.number
    return all(a >= b for a, b in zip(ours, theirs, strict=True))
