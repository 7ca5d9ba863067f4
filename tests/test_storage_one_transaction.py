"""Writes that belong together are one transaction: all of them are there, or none."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.distributions import FloatDistribution, IntDistribution
from optuna.storages import BaseStorage, RDBStorage
from optuna.trial import FrozenTrial, TrialState, create_trial
from sqlalchemy import event, text
from sqlalchemy.exc import OperationalError

from nas.common.processes import this_worker
from nas.search.lease import acquire, requeue
from nas.storage import one_transaction, retry
from nas.storage.collecting import at_once, collected
from nas.storage.handles import engine_of, trial_id_of
from nas.storage.open import open_storage

FLOAT = FloatDistribution(0.0, 1.0)


@pytest.fixture
def url(fast: Path) -> str:
    """A database with a study of one trial that waits."""
    url = f"sqlite:///{fast}/nas.db"
    storage = open_storage(url, create=True)
    study = optuna.create_study(study_name="s", storage=storage)
    waiting = {"state": TrialState.WAITING, "user_attrs": {"paused": True}}
    study.add_trial(create_trial(**waiting))  # type: ignore[arg-type]
    return url


@pytest.fixture
def storage(url: str) -> BaseStorage:
    return open_storage(url, wait=lambda text: None)


@pytest.fixture
def study(storage: BaseStorage) -> optuna.Study:
    return optuna.load_study(study_name="s", storage=storage)


@pytest.fixture
def stored(url: str) -> Callable[[], FrozenTrial]:
    """The trial as Optuna reads it."""
    return lambda: RDBStorage(url).get_all_trials(1)[0]


@pytest.fixture
def written(storage: BaseStorage) -> list[str]:
    """What is written from now on: `commit` for each transaction that wrote something."""
    engine, told, open_writes = engine_of(storage), list[str](), list[str]()
    assert engine is not None

    @event.listens_for(engine, "before_cursor_execute")
    def executed(_: Any, cursor: Any, statement: str, *more: Any) -> None:
        if not statement.startswith(("SELECT", "PRAGMA")):
            open_writes.append(statement)

    @event.listens_for(engine, "commit")
    def committed(_: Any) -> None:
        if open_writes:
            told.append("commit")
            open_writes.clear()

    return told


def fail(*given: object) -> None:
    raise RuntimeError("killed here")


def test_a_trial_is_taken_and_given_back_in_one_transaction_each(
    storage: BaseStorage,
    study: optuna.Study,
    written: list[str],
    stored: Callable[[], FrozenTrial],
) -> None:
    taken = acquire(storage, study)
    assert taken is not None
    assert written == ["commit"]
    assert stored().state == TrialState.RUNNING
    assert stored().user_attrs == {"paused": False, "worker": this_worker()}
    assert requeue(storage, trial_id_of(taken), this_worker())
    assert written == ["commit"] * 2
    assert stored().state == TrialState.WAITING
    assert stored().user_attrs["worker"] is None


def test_of_a_claim_that_breaks_off_nothing_is_left(
    storage: BaseStorage,
    study: optuna.Study,
    stored: Callable[[], FrozenTrial],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(storage, "set_trial_user_attr", fail)
        with pytest.raises(RuntimeError, match="killed here"):
            acquire(storage, study)
    assert stored().state == TrialState.WAITING, "nobody would know whose it is"
    assert acquire(storage, study) is not None


def test_a_claim_whose_answer_was_lost_is_known(
    storage: BaseStorage, study: optuna.Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    end, ends = one_transaction.HeldSession.end, list[int]()

    def lost(session: one_transaction.HeldSession) -> None:
        end(session)
        ends.append(1)
        if len(ends) == 1:
            raise OperationalError("commit", {}, Exception("server closed the connection"))

    monkeypatch.setattr(one_transaction.HeldSession, "end", lost)
    monkeypatch.setattr(retry, "FIRST_BACKOFF", 0.0)
    assert acquire(storage, study) is not None, "it runs in the name of this process"
    assert len(ends) == 2


def test_another_process_is_not_taken_for_this_one(url: str, study: optuna.Study) -> None:
    pending = study.get_trials()
    storage = open_storage(url)
    assert acquire(storage, study, lambda _: pending) is not None
    assert acquire(storage, study, lambda _: pending) is None


def test_what_a_trial_draws_is_written_at_once_and_before_it_is_read(
    storage: BaseStorage,
    study: optuna.Study,
    written: list[str],
    stored: Callable[[], FrozenTrial],
) -> None:
    acquire(storage, study)
    written.clear()
    trial = optuna.trial.Trial(study, 1)
    with collected(storage):
        drawn = {name: trial.suggest_float(name, 0.0, 1.0) for name in "xyz"}
        trial.set_user_attr("candidate", "of it")
        assert not written
    assert written == ["commit"]
    assert stored().params == drawn
    assert list(stored().params) == ["x", "y", "z"]
    assert stored().user_attrs["candidate"] == "of it"
    with collected(storage):
        trial.set_user_attr("candidate", "another")
        assert storage.get_trial(1).user_attrs["candidate"] == "another"
        trial.set_user_attr("seed", 1)
    assert stored().user_attrs["seed"] == 1


def test_what_was_drawn_before_an_error_is_kept(
    storage: BaseStorage, study: optuna.Study, stored: Callable[[], FrozenTrial]
) -> None:
    acquire(storage, study)

    def draw() -> None:
        with collected(storage):
            storage.set_trial_param(1, "x", 0.5, FLOAT)
            fail()

    with pytest.raises(RuntimeError, match="killed here"):
        draw()
    assert stored().params == {"x": 0.5}
    storage.set_trial_param(1, "y", 0.5, FLOAT)
    assert stored().params == {"x": 0.5, "y": 0.5}


def test_a_parameter_that_is_there_already_takes_no_other_with_it(
    url: str, storage: BaseStorage, study: optuna.Study, stored: Callable[[], FrozenTrial]
) -> None:
    acquire(storage, study)
    RDBStorage(url).set_trial_param(1, "y", 0.25, FLOAT)
    with collected(storage):
        for name in "xyz":
            storage.set_trial_param(1, name, 0.5, FLOAT)
    assert stored().params == {"x": 0.5, "y": 0.25, "z": 0.5}


def test_parameters_are_checked_as_optuna_does(storage: BaseStorage, study: optuna.Study) -> None:
    acquire(storage, study)
    storage.set_trial_param(1, "x", 0.5, FLOAT)
    with pytest.raises(ValueError, match="distribution"), collected(storage):
        storage.set_trial_param(1, "x", 1, IntDistribution(0, 3))
    storage.set_trial_state_values(1, TrialState.FAIL)
    with pytest.raises(optuna.exceptions.UpdateFinishedTrialError), collected(storage):
        storage.set_trial_param(1, "z", 0.5, FLOAT)


def test_calls_see_what_others_of_their_transaction_have_written(
    storage: BaseStorage, study: optuna.Study
) -> None:
    acquire(storage, study)

    def calls() -> FrozenTrial:
        storage.set_trial_user_attr(1, "seed", 3)
        return storage.get_trial(1)

    assert at_once(storage, calls).user_attrs["seed"] == 3


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE trial_params SET distribution_json = '{'",
        "UPDATE trial_user_attributes SET value_json = '{'",
        "UPDATE trial_intermediate_values SET intermediate_value_type = 'NAN'",
    ],
)
def test_a_damaged_value_of_a_trial_is_no_number(
    url: str, storage: BaseStorage, study: optuna.Study, change: str
) -> None:
    acquire(storage, study)
    storage.set_trial_param(1, "x", 0.5, FLOAT)
    storage.set_trial_intermediate_value(1, 1, 0.5)
    engine = engine_of(storage)
    assert engine is not None
    with engine.begin() as connection:
        connection.execute(text(change))
    with pytest.raises((ValueError, TypeError, AssertionError)):
        storage.get_trial(1)


def test_a_value_that_is_no_number_is_not_taken_for_one(
    storage: BaseStorage, study: optuna.Study
) -> None:
    acquire(storage, study)
    storage.set_trial_param(1, "x", 0.5, FLOAT)
    engine = engine_of(storage)
    assert engine is not None
    with engine.begin() as connection:
        connection.execute(text("UPDATE trial_params SET param_value = 'none'"))
    assert storage.get_trial(1).params == {"x": "none"}
