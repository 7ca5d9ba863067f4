"""What a search asks of its pruner."""

from collections.abc import Sequence
from typing import Any, Protocol

from optuna.pruners import BasePruner, NopPruner
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState


class Pruner(Protocol):
    """Decides after each epoch whether a trial stops for good or is paused, and which paused trials
    go on. `num_trials` is the number of trials that the study is to have."""

    @property
    def of_optuna(self) -> BasePruner:
        """What Optuna takes for the pruner of the study: with its Hyperband, samplers learn from
        the trials of the same bracket alone."""

    def should_prune(self, study: Study, trial: Trial, epoch: int) -> bool:
        """Whether a trial stops for good after an epoch whose value was reported."""

    def should_pause(self, study: Study, trial: Trial, record: dict[str, float]) -> bool:
        """Whether a trial is paused after an epoch with that record; also asked again when a trial
        is resumed after that epoch."""

    def resumed(self, trials: Sequence[FrozenTrial], trial: FrozenTrial) -> dict[str, Any]:
        """Attributes to write at a paused trial that goes on."""

    def pending(self, trials: Sequence[FrozenTrial], num_trials: int) -> list[FrozenTrial]:
        """The trials that a worker may take, in order of preference."""

    def unreachable(self, trials: Sequence[FrozenTrial], num_trials: int) -> list[FrozenTrial]:
        """The paused trials that cannot go on any more, whatever the others do."""


class NoPruner:
    """Trains every trial to its end; the base of the pruners that never pause one."""

    @property
    def of_optuna(self) -> BasePruner:
        """Optuna's own of this kind."""
        return NopPruner()

    def should_prune(self, study: Study, trial: Trial, epoch: int) -> bool:
        """Never."""
        return False

    def should_pause(self, study: Study, trial: Trial, record: dict[str, float]) -> bool:
        """Never."""
        return False

    def resumed(self, trials: Sequence[FrozenTrial], trial: FrozenTrial) -> dict[str, Any]:
        """Nothing."""
        return {}

    def pending(self, trials: Sequence[FrozenTrial], num_trials: int) -> list[FrozenTrial]:
        """All that wait, in their order."""
        return [trial for trial in trials if trial.state == TrialState.WAITING]

    def unreachable(self, trials: Sequence[FrozenTrial], num_trials: int) -> list[FrozenTrial]:
        """None, as none is paused."""
        return []
