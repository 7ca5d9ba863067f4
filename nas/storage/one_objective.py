"""A study of several objectives as Optuna's pruners need it: with one of them."""

from optuna import load_study
from optuna.storages import BaseStorage
from optuna.study import Study, StudyDirection

from nas.storage.delegate import DelegatingStorage
from nas.storage.handles import storage_of


class OneObjectiveStorage(DelegatingStorage):
    """A storage whose studies have one direction."""

    def __init__(self, inner: BaseStorage, direction: StudyDirection) -> None:
        super().__init__(inner)
        self.direction = direction

    def get_study_directions(self, study_id: int) -> list[StudyDirection]:
        """The one direction."""
        return [self.direction]


def with_one_objective(study: Study, direction: StudyDirection) -> Study:
    """The same study, as if it had one objective of that direction."""
    return load_study(
        study_name=study.study_name,
        storage=OneObjectiveStorage(storage_of(study), direction),
        sampler=study.sampler,
        pruner=study.pruner,
    )
