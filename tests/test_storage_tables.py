"""Reading and writing in bulk, and what happens when the tables are not those that are known."""

import time
import warnings
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import Trial, TrialState
from optuna_dashboard import get_note
from sqlalchemy import Column, MetaData, String, Table, update

from nas.common.errors import NasWarning
from nas.storage import tables
from nas.storage.bulk_read import trials_of
from nas.storage.bulk_write import write
from nas.storage.dashboard import publish
from nas.storage.handles import engine_of, storage_of, study_id_of, trial_id_of
from nas.storage.open import open_storage


@pytest.fixture
def study(tmp_path: Path) -> optuna.Study:
    """Two objectives, a trial in every state, and every number that is not finite."""
    storage = open_storage(f"sqlite:///{tmp_path}/nas.db", create=True)
    sampler = optuna.samplers.RandomSampler(seed=0)
    study = optuna.create_study(storage=storage, directions=["minimize"] * 2, sampler=sampler)
    for values in ([1.0, float("inf")], [float("-inf"), 2.0], [3.0, 4.0]):
        study.tell(asked(study), values)
    study.tell(asked(study), state=TrialState.FAIL)
    study.tell(asked(study), state=TrialState.PRUNED)
    trial = asked(study)
    for step, value in enumerate((float("nan"), float("inf"), float("-inf"), 0.5)):
        storage.set_trial_intermediate_value(trial_id_of(trial), step, value)
    study.enqueue_trial({"x": 0.25})
    return study


def asked(study: optuna.Study) -> Trial:
    """A trial with parameters and attributes."""
    trial = study.ask()
    trial.suggest_float("x", 0, 1)
    trial.suggest_categorical("kind", ["plain", "wide"])
    trial.set_user_attr("layers", trial.number)
    trial.set_user_attr("result", {"loss": [1, 2, 3]})
    return trial


def seen(trial: optuna.trial.FrozenTrial) -> dict[str, Any]:
    """All of a trial that bulk reading tells."""
    names = ("number", "state", "params", "distributions", "user_attrs", "datetime_start")
    found = {name: getattr(trial, name) for name in (*names, "datetime_complete", "values")}
    reported = {} if trial.state == TrialState.COMPLETE else trial.intermediate_values
    return found | {"reported": str(reported), "id": trial_id_of(trial)}


def newer_revision(study: optuna.Study, patch: pytest.MonkeyPatch) -> None:
    """As if a newer version of Optuna had made the tables."""
    engine = engine_of(storage_of(study))
    assert engine is not None
    with engine.begin() as connection:
        connection.execute(update(tables.REVISION).values(version_num="v9.0.0.a"))


def renamed_column(study: optuna.Study, patch: pytest.MonkeyPatch) -> None:
    """As if the column were called otherwise by the version of Optuna that is installed."""
    known = MetaData()
    for table in tables.METADATA.sorted_tables:
        table.to_metadata(known)
    known.remove(known.tables["trial_values"])
    Table("trial_values", known, Column("kind_of_value", String))
    patch.setattr(tables, "METADATA", known)


CHANGES = [newer_revision, renamed_column]


def test_bulk_reading_tells_what_optuna_tells(study: optuna.Study) -> None:
    assert engine_of(storage_of(study)) is tables.known_tables(study)
    assert [seen(one) for one in trials_of(study)] == [seen(one) for one in study.trials]


def test_times_are_those_of_the_clock_of_this_machine(
    study: optuna.Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "Asia/Kathmandu")
    time.tzset()
    try:
        there = optuna.load_study(
            study_name=study.study_name,
            storage=str(engine_of(storage_of(study)).url),  # type: ignore[union-attr]
        )
        assert [seen(one) for one in trials_of(there)] == [seen(one) for one in there.trials]
        assert trials_of(there)[0].datetime_start != study.trials[0].datetime_start
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize("change", CHANGES)
def test_unknown_tables_are_read_through_optuna_and_that_is_said_once(
    study: optuna.Study, change: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    tables.checked.clear()
    change(study, monkeypatch)
    with pytest.warns(NasWarning, match="version of Optuna that is not known"):
        found = trials_of(study)
    assert [seen(one) for one in found] == [seen(one) for one in study.trials]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        brief = trials_of(study, only=["layers"], brief={"layers": str})
        less = trials_of(study, without=["layers"])
    assert [one.user_attrs.get("layers") for one in brief] == [*"012345", None]
    assert all("result" not in one.user_attrs for one in brief)
    assert [list(one.user_attrs) for one in less] == [["result"]] * 6 + [[]]
    assert "result" in study.trials[0].user_attrs, "what Optuna keeps is not changed"


@pytest.mark.filterwarnings("ignore:The tables of the storage")
@pytest.mark.parametrize("change", [None, *CHANGES])
def test_notes_and_figures_are_what_the_dashboard_reads(
    study: optuna.Study, change: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    tables.checked.clear()
    if change:
        change(study, monkeypatch)
    trial = asked(study)
    write(study, trial_id_of(trial), {"layers": 8})
    write(study, trial_id_of(trial), {"layers": 9})
    assert study.trials[-1].user_attrs["layers"] == 9
    for length in (5000, 10):
        figure = '{"data": [], "layout": {}}' + " " * length
        notes = {trial_id_of(trial): "b" * length}
        publish(study, {"edf": figure}, "verdict " * length, notes)
        assert get_note(study) == "verdict " * length
    attrs = storage_of(study).get_study_system_attrs(study_id_of(study))
    assert attrs["dashboard:note_ver"] == 2
    shown = [text for key, text in sorted(attrs.items()) if "plot_data:nas-edf:" in key]
    assert "".join(shown) == '{"data": [], "layout": {}}' + " " * 10
    study.tell(trial, state=TrialState.FAIL)
    with pytest.raises(optuna.exceptions.UpdateFinishedTrialError):
        write(study, trial_id_of(trial), {"layers": 10})
    assert get_note(trial) == "b" * 5000, "a note that is there is kept"
