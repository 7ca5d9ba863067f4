"""Which finished trials TPE counts as good: Optuna has no public function that tells."""

from collections.abc import Sequence

from optuna.samplers._tpe.sampler import (
    _split_trials,
    default_gamma,
    default_gamma_multiobjective,
)
from optuna.study import Study
from optuna.trial import FrozenTrial


def num_good(study: Study, finished: int) -> int:
    """How many of so many finished trials TPE counts as good."""
    is_single = len(study.directions) == 1
    return (default_gamma if is_single else default_gamma_multiobjective)(finished)


def good_trials(study: Study, finished: Sequence[FrozenTrial], count: int) -> list[FrozenTrial]:
    """The so many finished trials that TPE counts as good, by their numbers."""
    return _split_trials(study, list(finished), count)[0]
