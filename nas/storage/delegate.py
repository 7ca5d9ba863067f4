"""A storage that stands before another one: the base of those that change something about it."""

from collections.abc import Callable, Container, Sequence
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from optuna.distributions import BaseDistribution
from optuna.storages import BaseStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

if TYPE_CHECKING:
    from optuna.study._frozen import FrozenStudy

P = ParamSpec("P")
T = TypeVar("T")


class DelegatingStorage(BaseStorage):
    """Passes every call on to the storage `inner`.

    Calls that change nothing when they are made twice go through `call`, others through
    `call_once`. What Optuna derives from other calls, as the number of trials from the trials, is
    derived from those of this storage.
    """

    def __init__(self, inner: BaseStorage) -> None:
        self.inner = inner

    def call(self, method: Callable[P, T], *arguments: P.args, **options: P.kwargs) -> T:
        """Make a call that may be made again."""
        return method(*arguments, **options)

    def call_once(self, method: Callable[P, T], *arguments: P.args, **options: P.kwargs) -> T:
        """Make a call that must not be made twice."""
        return method(*arguments, **options)

    # What must not be done twice.

    def create_new_study(
        self, directions: Sequence[StudyDirection], study_name: str | None = None
    ) -> int:
        """See Optuna's BaseStorage, as of all methods below."""
        return self.call_once(self.inner.create_new_study, directions, study_name)

    def delete_study(self, study_id: int) -> None:
        self.call_once(self.inner.delete_study, study_id)

    def create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> int:
        return self.call_once(self.inner.create_new_trial, study_id, template_trial)

    # Studies.

    def get_all_studies(self) -> "list[FrozenStudy]":
        return self.call(self.inner.get_all_studies)

    def get_study_id_from_name(self, study_name: str) -> int:
        return self.call(self.inner.get_study_id_from_name, study_name)

    def get_study_name_from_id(self, study_id: int) -> str:
        return self.call(self.inner.get_study_name_from_id, study_id)

    def get_study_directions(self, study_id: int) -> list[StudyDirection]:
        return self.call(self.inner.get_study_directions, study_id)

    def get_study_user_attrs(self, study_id: int) -> dict[str, Any]:
        return self.call(self.inner.get_study_user_attrs, study_id)

    def get_study_system_attrs(self, study_id: int) -> dict[str, Any]:
        return self.call(self.inner.get_study_system_attrs, study_id)

    def set_study_user_attr(self, study_id: int, key: str, value: Any) -> None:
        self.call(self.inner.set_study_user_attr, study_id, key, value)

    def set_study_system_attr(self, study_id: int, key: str, value: Any) -> None:
        self.call(self.inner.set_study_system_attr, study_id, key, value)

    # Trials.

    def get_trial(self, trial_id: int) -> FrozenTrial:
        return self.call(self.inner.get_trial, trial_id)

    def get_all_trials(
        self,
        study_id: int,
        deepcopy: bool = True,
        states: Container[TrialState] | None = None,
    ) -> list[FrozenTrial]:
        return self.call(self.inner.get_all_trials, study_id, deepcopy, states)

    def get_trial_id_from_study_id_trial_number(self, study_id: int, trial_number: int) -> int:
        find = self.inner.get_trial_id_from_study_id_trial_number
        return self.call(find, study_id, trial_number)

    def get_best_trial(self, study_id: int) -> FrozenTrial:
        return self.call(self.inner.get_best_trial, study_id)

    def set_trial_param(
        self,
        trial_id: int,
        param_name: str,
        param_value_internal: float,
        distribution: BaseDistribution,
    ) -> None:
        arguments = (trial_id, param_name, param_value_internal, distribution)
        self.call(self.inner.set_trial_param, *arguments)

    def set_trial_state_values(
        self, trial_id: int, state: TrialState, values: Sequence[float] | None = None
    ) -> bool:
        return self.call(self.inner.set_trial_state_values, trial_id, state, values)

    def set_trial_intermediate_value(
        self, trial_id: int, step: int, intermediate_value: float
    ) -> None:
        self.call(self.inner.set_trial_intermediate_value, trial_id, step, intermediate_value)

    def set_trial_user_attr(self, trial_id: int, key: str, value: Any) -> None:
        self.call(self.inner.set_trial_user_attr, trial_id, key, value)

    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        self.call(self.inner.set_trial_system_attr, trial_id, key, value)
