"""What is relied on of Optuna and of its dashboard: an upgrade that breaks it fails here."""

import json
import pickle
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from wsgiref.util import setup_testing_defaults

import optuna
import pytest
from optuna.exceptions import StorageInternalError
from optuna.storages import BaseStorage, InMemoryStorage, RDBStorage
from optuna.study import StudyDirection
from optuna.testing.pytest_storages import StorageTestCase
from optuna.trial import TrialState
from optuna_dashboard import wsgi

from nas.common.errors import StudyError
from nas.storage.bulk_write import write
from nas.storage.dashboard import publish
from nas.storage.handles import engine_of, storage_of, study_id_of, trial_id_of
from nas.storage.one_objective import OneObjectiveStorage, with_one_objective
from nas.storage.open import open_storage
from nas.storage.reasons import NO_TABLES, reason
from nas.storage.retry_storage import RecordGoneError, RetryStorage
from nas.storage.tables import known_tables
from nas.storage.tpe_split import good_trials, num_good


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


@pytest.fixture
def study(fast: Path) -> optuna.Study:
    """A study in a database, with one running trial."""
    storage = open_storage(f"sqlite:///{fast}/nas.db", create=True, wait=print)
    study = optuna.create_study(storage=storage, study_name="x")
    study.ask()
    return study


# Handles: `_storage`, `_study_id`, `_trial_id`, `_backend`.


def test_ids_and_connections_are_found_behind_each_object(study: optuna.Study) -> None:
    storage = storage_of(study)
    assert isinstance(storage, RetryStorage)
    assert storage.get_study_id_from_name("x") == study_id_of(study)
    assert [study_id_of(one) for one in storage.get_all_studies()] == [study_id_of(study)]
    (trial,) = study.get_trials()
    there = storage.get_trial_id_from_study_id_trial_number(study_id_of(study), 0)
    assert trial_id_of(trial) == there
    assert trial_id_of(optuna.Trial(study, there)) == there


def test_connections_are_those_of_optunas_storage(study: optuna.Study, fast: Path) -> None:
    url = f"sqlite:///{fast}/nas.db"
    plain = optuna.load_study(study_name="x", storage=url)
    before = OneObjectiveStorage(storage_of(study), StudyDirection.MINIMIZE)
    for storage in (storage_of(study), storage_of(plain), RDBStorage(url), before):
        engine = engine_of(storage)
        assert engine is not None
        assert str(engine.url) == url
    assert engine_of(InMemoryStorage()) is None
    assert engine_of(before) is engine_of(storage_of(study))


# The storage that waits.


def test_what_is_gone_is_a_key_error_with_a_sentence(study: optuna.Study) -> None:
    storage, number = storage_of(study), study_id_of(study)
    trial = study.get_trials()[0]
    optuna.delete_study(study_name="x", storage=storage)
    for call in (
        lambda: storage.get_all_trials(number),
        lambda: storage.get_trial(trial_id_of(trial)),
        lambda: storage.set_trial_user_attr(trial_id_of(trial), "key", 1),
        lambda: storage.create_new_trial(number),
    ):
        with pytest.raises(KeyError) as gone:
            call()
        assert isinstance(gone.value, RecordGoneError)
        assert isinstance(gone.value, StudyError)
        assert str(gone.value).startswith("the study is not there any more")
    with pytest.raises(KeyError) as none:
        storage.get_study_id_from_name("x")
    assert not isinstance(none.value, StudyError)


def test_a_pickled_storage_opens_the_same_database_and_speaks_for_itself(
    study: optuna.Study,
) -> None:
    again = pickle.loads(pickle.dumps(study))
    assert again.get_trials() == study.get_trials()
    assert engine_of(storage_of(again)) is not engine_of(storage_of(study))
    storage = storage_of(again)
    assert isinstance(storage, RetryStorage)
    assert storage.log is not print
    assert storage.timeout > 0


def test_tables_are_made_only_when_asked_for(tmp_path: Path) -> None:
    """RDBStorage's `skip_table_creation`."""
    sqlite3.connect(tmp_path / "nas.db").close()
    with pytest.raises(StorageInternalError) as none:
        RDBStorage(f"sqlite:///{tmp_path}/nas.db", skip_table_creation=True)
    assert reason(none.value) == NO_TABLES


# Tables, and how the dashboard keeps notes and figures.


def test_the_tables_that_this_optuna_makes_are_known(study: optuna.Study) -> None:
    assert known_tables(study) is not None


def test_the_dashboard_shows_notes_and_figures_as_they_are_written(study: optuna.Study) -> None:
    trial = study.get_trials()[0]
    figure = {"data": [], "layout": {"title": {"text": "t" * 3000}}}
    trial_id = trial_id_of(trial)
    publish(study, {"edf": json.dumps(figure)}, "verdict " * 400, {trial_id: "note " * 900})
    write(study, trial_id, {"layers": 8})
    shown = page(storage_of(study), f"/api/studies/{study_id_of(study)}")
    assert shown["note"]["body"] == "verdict " * 400
    (plot,) = shown["plotly_graph_objects"]
    assert json.loads(plot["graph_object"]) == figure
    (seen,) = shown["trials"]
    assert seen["note"]["body"] == "note " * 900
    assert seen["user_attrs"] == [{"key": "layers", "value": "8"}]


def page(storage: BaseStorage, path: str) -> Any:
    """What the dashboard answers."""
    environ: dict[str, Any] = {"PATH_INFO": path, "QUERY_STRING": "after=0"}
    setup_testing_defaults(environ)
    return json.loads(b"".join(wsgi(storage)(environ, lambda *_: None)))


# One objective of several, for pruners, and TPE's good trials.


def test_pruners_judge_by_one_objective(fast: Path) -> None:
    storage = open_storage(f"sqlite:///{fast}/nas.db", create=True)
    study = optuna.create_study(
        storage=storage,
        directions=["minimize", "maximize"],
        pruner=optuna.pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=2),
    )
    seen = with_one_objective(study, StudyDirection.MAXIMIZE)
    assert seen.directions == [StudyDirection.MAXIMIZE]
    assert seen.pruner is study.pruner
    pruned = []
    for value in (0.5, 0.9, 0.1):
        trial = study.ask()
        storage.set_trial_intermediate_value(trial_id_of(trial), 1, value)
        pruned.append(seen.pruner.prune(seen, storage.get_trial(trial_id_of(trial))))
    assert pruned == [False, False, True]
    assert "completed_rung_0" in study.get_trials()[0].system_attrs, "what the pruner notes is kept"


@pytest.mark.parametrize("directions", [["minimize"], ["minimize", "maximize"]])
def test_tpe_counts_a_tenth_as_good(directions: list[str]) -> None:
    study = optuna.create_study(directions=directions)
    for number in range(50):
        values = [float(number), float(number % 7)][: len(directions)]
        study.add_trial(optuna.trial.create_trial(values=values))
    assert num_good(study, 250) == 25
    good = good_trials(study, study.get_trials(), 6)
    assert len(good) == 6
    assert all(trial.state == TrialState.COMPLETE for trial in good)
    assert len(directions) == 2 or [trial.number for trial in good] == list(range(6))
