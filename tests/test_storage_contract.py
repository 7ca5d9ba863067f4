"""What is relied on of Optuna and of its dashboard: an upgrade that breaks it fails here."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from optuna.storages import BaseStorage, InMemoryStorage
from optuna.study import StudyDirection
from optuna.testing.pytest_storages import StorageTestCase

from nas.storage.one_objective import OneObjectiveStorage
from nas.storage.open import open_storage


class TestOptunasContract(StorageTestCase):
    """What Optuna asks of every storage, of those that stand before its own."""

    @pytest.fixture(params=["in a database", "in memory"])
    def storage(self, request: pytest.FixtureRequest, fast: Path) -> Iterator[BaseStorage]:
        if request.param == "in memory":
            yield Passing(InMemoryStorage())
        else:
            yield open_storage(f"sqlite:///{fast}/nas.db", create=True, wait=print)


class Passing(OneObjectiveStorage):
    """One that changes nothing: the contract asks for directions as they were given."""

    def __init__(self, inner: BaseStorage) -> None:
        super().__init__(inner, StudyDirection.MINIMIZE)

    def get_study_directions(self, study_id: int) -> list[StudyDirection]:
        return self.inner.get_study_directions(study_id)
