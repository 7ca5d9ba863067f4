"""What Optuna's objects hold under private names: their storage, their ids, its connections."""

from typing import Any

from optuna.storages import BaseStorage, RDBStorage
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial
from sqlalchemy import Engine

from nas.storage.delegate import DelegatingStorage


def storage_of(study: Study) -> BaseStorage:
    """The storage that a study is kept in."""
    return study._storage


def study_id_of(study: Any) -> int:
    """The id of a study, or of an entry of `get_all_studies`, in its storage."""
    number: int = study._study_id
    return number


def trial_id_of(trial: FrozenTrial | Trial) -> int:
    """The id of a trial, which is unique in its storage; its number is so in its study alone."""
    return trial._trial_id


def every_trial(study: Study) -> list[FrozenTrial]:
    """The trials of a study, those of the other brackets too where Hyperband shows one of them."""
    return storage_of(study).get_all_trials(study_id_of(study), deepcopy=False)


def engine_of(storage: BaseStorage) -> Engine | None:
    """The connections of a storage that is a database; None if it is in memory."""
    while isinstance(storage, DelegatingStorage):
        storage = storage.inner
    database = getattr(storage, "_backend", storage)
    return database.engine if isinstance(database, RDBStorage) else None
