"""TPE for long studies: it sees the best trials and a sample of the others."""

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from heapq import nlargest, nsmallest
from typing import Any

import numpy as np
from optuna import create_study
from optuna.distributions import BaseDistribution
from optuna.samplers import RandomSampler, TPESampler
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial

from nas.search.trial_attributes import CONTROL_RUNG, loss_at, rung_of
from nas.storage.handles import every_trial, storage_of, trial_id_of
from nas.storage.tpe_split import good_trials, num_good

#: states of trials that TPE learns from
SHOWN_STATES = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.RUNNING)
#: finished trials that TPE sees at most: it sets a tenth of so many, its best, against the others
MOST_FINISHED = 250


@dataclass(frozen=True)
class History:
    """What one trial sees of its study: a study in memory, and itself as a trial of that study."""

    number: int
    study: Study
    trial: FrozenTrial


class SubsampledTPESampler(TPESampler):
    """TPE whose draw takes as long in a study of 10,000 trials as in one of MOST_FINISHED.

    It sees the study as it was when it first drew for a trial; up to MOST_FINISHED finished trials
    it draws what TPE draws, with groups of parameters that are drawn together.
    """

    def __init__(self, seed: int | None = None, *, n_startup_trials: int = 10) -> None:
        super().__init__(
            seed=seed, n_startup_trials=n_startup_trials, group=True, multivariate=True
        )
        self.history: History | None = None

    def _history_for(self, study: Study, trial: FrozenTrial) -> History:
        """The study as this trial sees it."""
        if self.history is None or self.history.number != trial.number:
            self.history = history_of(study, trial.number)
        return self.history

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Which parameters are drawn together."""
        history = self._history_for(study, trial)
        return super().infer_relative_search_space(history.study, history.trial)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Draw what is drawn together, and store what TPE notes of it for other processes."""
        history = self._history_for(study, trial)
        params = super().sample_relative(history.study, history.trial, search_space)
        noted = history.study.get_trials(deepcopy=False)[-1].system_attrs
        for key, value in noted.items():
            storage_of(study).set_trial_system_attr(trial_id_of(trial), key, value)
        return params

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Draw a parameter by itself."""
        history = self._history_for(study, trial)
        return super().sample_independent(
            history.study, history.trial, param_name, param_distribution
        )


def history_of(study: Study, number: int) -> History:
    """What the trial of a number sees of a study."""
    trials = [trial for trial in every_trial(study) if trial.number != number]
    if len(study.directions) == 1:  # of several objectives Optuna knows no pruned trials
        sign = 1 if study.direction == StudyDirection.MAXIMIZE else -1
        trials = [as_pruned_at_rung(trial, sign) for trial in trials]
    kept = subsample(study, [trial for trial in trials if trial.state in SHOWN_STATES], number)
    memory = create_study(directions=study.directions, sampler=RandomSampler())
    memory.add_trials(
        [shown_to_tpe(trial, trial.state, trial.intermediate_values) for trial in kept]
    )
    memory.ask()
    return History(number, memory, memory.get_trials(deepcopy=False)[-1])


def as_pruned_at_rung(trial: FrozenTrial, sign: int) -> FrozenTrial:
    """A trial that was paused as one pruned at its last rung, by its loss there; and so a member of
    the control group that would not have been promoted on merit."""
    control_rung = trial.user_attrs.get(CONTROL_RUNG)
    rung = control_rung or rung_of(trial)
    if not rung or (trial.state == TrialState.COMPLETE and not control_rung):
        return trial
    loss = loss_at(trial, rung)
    if loss is None:
        raise KeyError(f"trial {trial.number} has no loss at rung {rung}")
    shown = copy(trial)
    shown.state, shown.values = TrialState.PRUNED, None
    shown.intermediate_values = {rung: sign * -loss}
    return shown


def shown_to_tpe(trial: FrozenTrial, state: TrialState, reported: dict[int, float]) -> FrozenTrial:
    """What TPE looks at of a trial, in that state and with those values on the way."""
    return create_trial(
        state=state,
        values=trial.values if state == TrialState.COMPLETE else None,
        params=trial.params,
        distributions=trial.distributions,
        system_attrs=trial.system_attrs,
        intermediate_values=reported,
    )


def subsample(study: Study, trials: Sequence[FrozenTrial], number: int) -> list[FrozenTrial]:
    """The running trials, the best finished ones and others drawn by the number of the trial."""
    done = [trial for trial in trials if trial.state.is_finished()]
    if len(done) <= MOST_FINISHED:
        return list(trials)
    best = {trial.number for trial in best_finished(study, done)}
    rest = [trial.number for trial in done if trial.number not in best]
    size = MOST_FINISHED - len(best)
    drawn = np.random.RandomState(number).choice(len(rest), size, replace=False)
    kept = best | {rest[index] for index in drawn}
    return [trial for trial in trials if not trial.state.is_finished() or trial.number in kept]


def best_finished(study: Study, done: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """The trials that TPE sets against the others, mostly found without sorting all as TPE does."""
    count = num_good(study, MOST_FINISHED)
    if len(study.directions) > 1:
        return good_trials(study, done, count)
    first = nlargest if study.direction == StudyDirection.MAXIMIZE else nsmallest
    complete = [trial for trial in done if trial.state == TrialState.COMPLETE]
    leading = first(2 * count, complete, key=lambda trial: trial.values[0])
    allowed = [trial for trial in leading if max(trial.constraints.values(), default=0) <= 0]
    return allowed[:count] if len(allowed) >= count else good_trials(study, done, count)
