"""Optuna's pruners, which stop trials for good by the values reported after each epoch."""

import copy

from optuna.pruners import BasePruner
from optuna.study import Study, StudyDirection
from optuna.trial import Trial

from nas.search.pruners.base import NoPruner
from nas.storage.handles import storage_of, trial_id_of
from nas.storage.one_objective import with_one_objective
from nas.training.result import OBJECTIVES


class StoppingPruner(NoPruner):
    """One of Optuna's pruners, judging trials by one objective of the study.

    objective: one that is known after every epoch; None if the study has none, and nothing is
    pruned.
    """

    def __init__(self, pruner: BasePruner, objective: str | None) -> None:
        self._pruner = pruner
        self._objective = objective

    @property
    def of_optuna(self) -> BasePruner:
        """The pruner itself."""
        return self._pruner

    def should_prune(self, study: Study, trial: Trial, epoch: int) -> bool:
        """What Optuna's pruner answers. Values of later epochs are left over from before an
        interruption, and are hidden from it."""
        if self._objective is None:
            return False
        frozen = copy.copy(storage_of(study).get_trial(trial_id_of(trial)))
        values = frozen.intermediate_values.items()
        frozen.intermediate_values = {step: value for step, value in values if step <= epoch}
        direction = StudyDirection[OBJECTIVES[self._objective].direction.upper()]
        return bool(self._pruner.prune(with_one_objective(study, direction), frozen))
