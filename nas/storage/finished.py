"""What Optuna's cache keeps of finished trials, made smaller.

The cache keeps every trial of a study that was read, in every process, with names, distributions
and provenance of its own: 8 KiB for a trial of one epoch, 17 KiB for one of the bundled digits.
"""

import json
from collections.abc import Callable, Iterable
from sys import intern
from typing import Any

from optuna.distributions import distribution_to_json
from optuna.trial import FrozenTrial

from nas.storage.handles import trial_id_of

#: attributes that are the same in most trials, and are no text
SHARED = ("provenance",)


def nothing(key: str) -> bool:
    """Leave out no attribute."""
    return False


class FinishedTrials:
    """Makes trials smaller, once each: what they have in common is one object, and attributes that
    are `left_out` are gone. All of a trial is still in the database."""

    def __init__(self) -> None:
        self.left_out: Callable[[str], bool] = nothing
        self._known: dict[str, Any] = {}
        self._smaller: set[int] = set()

    def is_partial(self, trial_id: int) -> bool:
        """Whether attributes of a trial may have been left out."""
        return self.left_out is not nothing and trial_id in self._smaller

    def keep(self, trials: Iterable[FrozenTrial]) -> None:
        """Make those of the trials smaller that have finished since the last time."""
        for trial in trials:
            if trial.state.is_finished() and trial_id_of(trial) not in self._smaller:
                self._smaller.add(trial_id_of(trial))
                self._keep(trial)

    def _keep(self, trial: FrozenTrial) -> None:
        """Make a trial smaller."""
        trial.user_attrs = {
            one_name(key): self._first(json.dumps(value), value) if key in SHARED else value
            for key, value in trial.user_attrs.items()
            if not (type(key) is str and self.left_out(key))
        }
        trial.system_attrs = {one_name(key): one for key, one in trial.system_attrs.items()}
        trial.params = {one_name(name): value for name, value in trial.params.items()}
        trial.distributions = {
            one_name(name): self._first(distribution_to_json(one), one)
            for name, one in trial.distributions.items()
        }

    def _first(self, text: str, value: Any) -> Any:
        """The first value with the same JSON."""
        return self._known.setdefault(text, value)


def one_name(name: str) -> str:
    """A name as the one object that there is of it; in a damaged database it may be no text."""
    return intern(name) if type(name) is str else name
