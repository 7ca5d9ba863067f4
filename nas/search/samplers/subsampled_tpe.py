"""What TPE sees of a long study: its best trials and a sample of the others."""

import copy
from collections.abc import Container, Sequence
from heapq import nlargest, nsmallest
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.samplers import TPESampler
from optuna.samplers._tpe.sampler import (
    _split_trials,
    default_gamma,
    default_gamma_multiobjective,
)
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

from nas.search.pruners.asha import loss_at
from nas.search.trial_attributes import CONTROL_RUNG, rung_of

STATES = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.RUNNING)
#: finished trials that TPE sees at most: it sets a tenth of so many, its best, against the others
WINDOW = 250


class WindowedTPE(TPESampler):
    """TPE whose draw takes as long in a study of 10,000 trials as in one of WINDOW.

    It sees the study as it was when it first drew for a trial; up to WINDOW finished trials it
    draws what TPE draws.
    """

    view: "View | None" = None

    def seen(self, study: Study, trial: FrozenTrial) -> Any:
        """The study as this trial sees it."""
        if self.view is None or self.view.number != trial.number:
            self.view = View(study, trial.number)
        return self.view

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Which parameters are drawn together."""
        return super().infer_relative_search_space(self.seen(study, trial), trial)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Draw what is drawn together."""
        return super().sample_relative(self.seen(study, trial), trial, search_space)

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Draw a parameter by itself."""
        return super().sample_independent(
            self.seen(study, trial), trial, param_name, param_distribution
        )


class View:
    """A study as one trial sees it."""

    def __init__(self, study: Study, number: int) -> None:
        self.number = number
        self._study = study
        trials = study._get_trials(deepcopy=False)
        if len(study.directions) == 1:  # of several objectives Optuna knows no pruned trials
            sign = 1 if study.direction == StudyDirection.MAXIMIZE else -1
            trials = [judged(trial, sign) for trial in trials]
        self._trials = chosen(study, [t for t in trials if t.state in STATES], number)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._study, name)

    def _get_trials(
        self,
        deepcopy: bool = False,
        states: Container[TrialState] | None = None,
        use_cache: bool = True,
    ) -> list[FrozenTrial]:
        return [trial for trial in self._trials if states is None or trial.state in states]


def judged(trial: FrozenTrial, sign: int) -> FrozenTrial:
    """A trial that was paused as one pruned at its last rung, by its loss there; and so a member of
    the control group that would not have been promoted on merit."""
    control_rung = trial.user_attrs.get(CONTROL_RUNG)
    rung = control_rung or rung_of(trial)
    if not rung or (trial.state == TrialState.COMPLETE and not control_rung):
        return trial
    seen = copy.copy(trial)
    seen.state = TrialState.PRUNED
    seen.intermediate_values = {rung: sign * -loss_at(trial, rung)}
    return seen


def chosen(study: Study, trials: Sequence[FrozenTrial], number: int) -> list[FrozenTrial]:
    """The running trials, the best finished ones and others drawn by the number of the trial."""
    done = [trial for trial in trials if trial.state.is_finished()]
    if len(done) <= WINDOW:
        return list(trials)
    best = {trial.number for trial in best_of(study, done)}
    rest = [trial.number for trial in done if trial.number not in best]
    drawn = np.random.RandomState(number).choice(len(rest), WINDOW - len(best), replace=False)
    kept = best | {rest[index] for index in drawn}
    return [trial for trial in trials if not trial.state.is_finished() or trial.number in kept]


def best_of(study: Study, done: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """Those that TPE sets against the others, mostly found without sorting all as TPE does."""
    if len(study.directions) > 1:
        return _split_trials(study, list(done), default_gamma_multiobjective(WINDOW))[0]
    count = default_gamma(WINDOW)
    first = nlargest if study.direction == StudyDirection.MAXIMIZE else nsmallest
    complete = [trial for trial in done if trial.state == TrialState.COMPLETE]
    leading = first(2 * count, complete, key=lambda trial: trial.values[0])
    allowed = [trial for trial in leading if max(trial.constraints.values(), default=0) <= 0]
    return allowed[:count] if len(allowed) >= count else _split_trials(study, list(done), count)[0]
