"""Databases with rows that cannot be read: the trial is named and left out, all else goes on."""

import re
import sqlite3
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from optuna.trial import TrialState, create_trial
from report_studies import make_study, make_twins

from nas.common.errors import StudyError
from nas.report.build import write_report
from nas.report.deletion import deleted
from nas.report.status import status_lines
from nas.report.studies import study_lines
from nas.search.lease import acquire
from nas.search.queue import refill_of
from nas.search.study import create_study, load_study
from nas.search.trial import TrialEnvironment, run_trial
from nas.search.warm_start import warm_started
from nas.space.space import SearchSpace
from nas.storage.bulk_read import trials_of
from nas.storage.open import open_storage

#: what is done to the rows of the second of three trials
DAMAGE = {
    "foreign distribution": """update trial_params set distribution_json='{"name": "X"}'""",
    "distribution without a name": "update trial_params set distribution_json='{}'",
    "distribution that is no JSON": "update trial_params set distribution_json='x'",
    "distribution of a number": "update trial_params set distribution_json='3'",
    "attribute that is no JSON": "update trial_user_attributes set value_json='{'",
    "deep JSON": f"update trial_user_attributes set value_json='{'[' * 9000}'",
    "state": "update trials set state='NOPE'",
    "date": "update trials set datetime_start='yesterday'",
    "value": "update trial_values set value='many'",
    "number": "update trials set number='many'",
    "reported value": "update trial_intermediate_values set intermediate_value='many'",
    "reported nothing": "update trial_intermediate_values set intermediate_value=null",
}


@pytest.fixture
def damaged(
    request: pytest.FixtureRequest, space: Callable[..., SearchSpace], search_here: Any, fast: Path
) -> str:
    """The URL of a study of three trials, the second of which is damaged."""
    search_here(space("search.duplicates=new_seed", "training.epochs=1"), 3)
    with sqlite3.connect(fast / "nas.db") as connection:
        changed = connection.execute(f"{DAMAGE[request.param]} where trial_id=2").rowcount
    assert changed > 0
    return f"sqlite:///{fast}/nas.db"


@pytest.mark.parametrize("damaged", DAMAGE, indirect=True)
def test_a_damaged_trial_is_named_and_left_out(
    damaged: str, space: Callable[..., SearchSpace], fast: Path
) -> None:
    logged: list[str] = []
    storage = open_storage(damaged, wait=logged.append)
    study = load_study(storage, None)
    for _ in range(2):
        assert [trial.number for trial in study.get_trials(deepcopy=False)] == [0, 2]
        assert [trial.number for trial in study.trials] == [0, 2]
    assert len(logged) == 1, "it is named once"
    assert re.match("Trial (1|many) cannot be read and is left out", logged[0])
    assert [trial.number for trial in trials_of(study)] in ([0, 2], [0, 1, 2])
    assert study.get_trials(states=(TrialState.RUNNING,)) == []
    # another trial takes its place
    study_space = space("search.duplicates=new_seed", "training.epochs=1")
    refill = refill_of(study, study_space, 3, 2)
    assert not refill(study.get_trials(deepcopy=False))
    storage = open_storage(damaged, wait=logged.append)  # as a worker opens it
    taken = acquire(storage, load_study(storage, None))
    assert taken.number == 3
    environment = TrialEnvironment(data_dir=fast, out=fast / "out", interrupted=lambda: False)
    run_trial(storage, "study", study_space, taken, environment)
    trials = study.get_trials(deepcopy=False)
    assert [trial.number for trial in trials] == [0, 2, 3]
    assert trials[-1].state == TrialState.COMPLETE


@pytest.mark.parametrize("damaged", DAMAGE, indirect=True)
@pytest.mark.filterwarnings("ignore::nas.common.errors.NasWarning")
def test_status_and_report_of_a_damaged_study(damaged: str, fast: Path) -> None:
    assert status_lines(damaged, None)[0].startswith("study study in")
    assert write_report(damaged, None, fast / "out")
    assert not list(fast.rglob("*.part"))


def test_a_study_that_was_deleted_is_no_damage(
    space: Callable[..., SearchSpace], search_here: Any, fast: Path
) -> None:
    search_here(space("training.epochs=1"), 1)
    study = load_study(open_storage(f"sqlite:///{fast}/nas.db"), None)
    with sqlite3.connect(fast / "nas.db") as connection:
        connection.execute("delete from studies")
    with pytest.raises(StudyError, match="somebody deleted it"):
        study.get_trials(deepcopy=False)


#: what is done to a study itself, of that id
STUDY_DAMAGE = [
    "update study_directions set direction='WAITING' where study_id=ID",
    "delete from study_directions where study_id=ID",
    "update study_user_attributes set value_json='{' where key='space' and study_id=ID",
    "insert into study_system_attributes values (99, ID, 'x', '{')",
]


@pytest.mark.parametrize("change", STUDY_DAMAGE)
@pytest.mark.filterwarnings("ignore::nas.common.errors.NasWarning")
def test_a_damaged_study_is_a_sentence(
    change: str, space: Callable[..., SearchSpace], fast: Path
) -> None:
    url = f"sqlite:///{fast}/nas.db"
    create_study(open_storage(url, create=True), "study", space()).add_trial(create_trial(value=1))
    with sqlite3.connect(fast / "nas.db") as connection:
        assert connection.execute(change.replace("ID", "1")).rowcount
    for look in (status_lines, write_report):
        for name in ("study", None):
            try:
                look(url, name)
            except StudyError as error:
                told = str(error)
                assert told.startswith("a study in this storage is damaged (")  # noqa: PT017


@pytest.mark.parametrize("change", STUDY_DAMAGE)
@pytest.mark.filterwarnings("ignore::nas.common.errors.NasWarning")
def test_a_damaged_study_does_not_hide_the_others(
    change: str, space: Callable[..., SearchSpace], fast: Path, caplog: pytest.LogCaptureFixture
) -> None:
    url = f"sqlite:///{fast}/nas.db"
    for name in ("sound", "damaged"):
        create_study(open_storage(url, create=True), name, space()).add_trial(create_trial(value=1))
    with sqlite3.connect(fast / "nas.db") as connection:
        assert connection.execute(change.replace("ID", "2")).rowcount
    assert status_lines(url, None)[0].startswith("study sound in")
    assert "Study 'damaged' is damaged and left out (" in caplog.text
    assert write_report(url, None, fast / "out")[0].parent.name == "sound"
    states = {line.split()[0]: line.split()[2] for line in study_lines(url)[2:]}
    assert states == {"sound": "finished", "damaged": "damaged"}
    # and others are searched, extended and deleted beside it
    for name in ("sound", "third"):
        assert create_study(open_storage(url), name, space()).study_name == name
    wider = space("architecture.depth=[1, 2, 3]")
    assert warm_started(open_storage(url), "third", wider) == "third-2"
    assert deleted(url, "third", fast).studies == ["third"]
    with pytest.raises(StudyError, match="there is damaged, sound, third, third-2"):
        load_study(open_storage(url), "fourth")


@pytest.mark.parametrize(
    "change",
    [
        "update trial_params set param_value=99 where trial_id=3",
        "update trial_values set value_type='X'",
        """update trial_params set distribution_json='{"name": "CategoricalDistribution",
        "attributes": {"choices": [[1], {"a": 1}]}}', param_value=0""",
        "update trial_user_attributes set value_json='1.5' where key='result'",
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_a_report_leaves_out_what_is_damaged(change: str, fast: Path) -> None:
    """A value outside of its range, one of no kind, results that are none, of twins too."""
    url = f"sqlite:///{fast}/nas.db"
    study = make_study(open_storage(url, create=True), "digits", trials=20)
    make_twins(study, depths=[1, 2], seeds=2, top=0, orders=("post_activation",))
    with sqlite3.connect(fast / "nas.db") as connection:
        assert connection.execute(change).rowcount
    assert write_report(url, "digits", fast / "out")


@pytest.mark.filterwarnings("ignore::nas.common.errors.NasWarning")
def test_a_damaged_file_is_a_sentence(space: Callable[..., SearchSpace], fast: Path) -> None:
    """Every page but the first, one after the other."""
    url, file = f"sqlite:///{fast}/nas.db", fast / "nas.db"
    create_study(open_storage(url, create=True), "study", space()).add_trial(create_trial(value=1))
    whole = file.read_bytes()
    told = set()
    for start in range(4096, len(whole), 4096):
        file.write_bytes(whole[:start] + b"\xe8" * 9 + whole[start + 9 :])
        for look in (status_lines, partial(write_report, out=fast / "out")):
            try:
                look(url, None)
            except StudyError as error:
                told.add(str(error).partition(" (")[0])
    assert "the database is damaged" in told
    assert not list(fast.rglob("*.part"))


def test_values_that_are_more_than_the_objectives_are_no_best_trial(
    space: Callable[..., SearchSpace], fast: Path
) -> None:
    url = f"sqlite:///{fast}/nas.db"
    study = create_study(open_storage(url, create=True), "study", space())
    for value in (1, 2):
        study.add_trial(create_trial(value=value))
    with sqlite3.connect(fast / "nas.db") as connection:
        connection.execute("insert into trial_values values (99, 2, 1, 0.5, 'FINITE')")
    assert "best: trial 0" in status_lines(url, None)[-1]
    assert write_report(url, None, fast / "out")
