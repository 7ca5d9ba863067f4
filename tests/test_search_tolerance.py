"""What a search bears: storages that are away, output that breaks, trials that are another's."""

import io
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing import forkserver
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.exceptions import StorageInternalError
from optuna.storages import InMemoryStorage
from optuna.trial import TrialState
from rich.console import Console
from sqlalchemy.exc import OperationalError

import nas.common.waiting
import nas.storage.retry
from nas.common.errors import StudyError
from nas.common.processes import this_worker
from nas.search import trial as trial_module
from nas.search.failures import MAX_RETRIES, ConsecutiveFailures, cause_of, record_crash
from nas.search.lease import acquire, requeue
from nas.search.pools.local import start_process
from nas.search.progress import LastingStream
from nas.search.queue import refill_of
from nas.search.study import create_study
from nas.search.trial import TrialEnvironment, run_trial
from nas.search.warm_start import IMPORTED_FROM, warm_started
from nas.space.space import SearchSpace
from nas.storage.handles import engine_of
from nas.storage.open import open_storage
from nas.storage.retry import with_retry
from nas.storage.retry_storage import retried, stop_retrying
from nas.storage.url import hidden

Make = Callable[..., SearchSpace]
Run = Callable[..., Any]


@pytest.fixture
def backend(fast: Path) -> Any:
    return open_storage(f"sqlite:///{fast}/nas.db", create=True, wait=lambda text: None)


def storage_error(text: str) -> StorageInternalError:
    error = StorageInternalError("An exception is raised during the commit.")
    error.__cause__ = OperationalError("SELECT", {}, Exception(text))
    error.__cause__.__cause__ = Exception(text)
    return error


class Away:
    """A call that fails a few times."""

    __name__ = "get_trial"

    def __init__(self, times: int, error: Exception) -> None:
        self.left, self.error = times, error

    def __call__(self, *_: object) -> str:
        if self.left:
            self.left -= 1
            raise self.error
        return "here"


class AwayStorage(InMemoryStorage):
    """A storage whose database is away for a few calls."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.get_trial = Away(times, storage_error("server closed"))  # type: ignore[assignment]


# Storages that are away.


def test_a_storage_that_comes_back_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nas.storage.retry, "FIRST_BACKOFF", 0.05)
    monkeypatch.setattr(nas.common.waiting, "SILENT_SECONDS", 0.1)
    said: list[str] = []
    assert with_retry(Away(1, storage_error("server closed")), said.append)() == "here"
    assert said == [], "what passes at once is not worth a word"
    assert with_retry(Away(3, storage_error("server closed")), said.append)() == "here"
    assert said == [
        "The storage does not answer (the server closed the connection); waiting for it. "
        "Ctrl-C stops."
    ]


def test_a_storage_says_that_it_waits_and_goes_on(
    backend: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nas.storage.retry, "FIRST_BACKOFF", 0.05)
    monkeypatch.setattr(nas.common.waiting, "SILENT_SECONDS", 0.01)
    said: list[str] = []
    backend.inner, backend.log = AwayStorage(2), said.append
    assert backend.get_trial(0) == "here"
    assert len(said) == 1


def test_where_nobody_waits_and_where_nothing_helps_it_is_told_at_once() -> None:
    with pytest.raises(StudyError, match="does not answer: the server closed"):
        with_retry(Away(1, storage_error("server closed")), timeout=0.0)()
    with pytest.raises(StudyError, match="does not answer: it is read-only"):
        with_retry(Away(1, storage_error("attempt to write a readonly database")))()
    with pytest.raises(StorageInternalError):
        with_retry(Away(1, StorageInternalError("too long a name")))()


def test_a_study_that_was_deleted_is_told(backend: Any, space: Make) -> None:
    study = create_study(backend, "x", space())
    refill_of(study, space(), 1, 1)(study.get_trials(deepcopy=False))
    optuna.delete_study(study_name="x", storage=str(engine_of(backend).url))
    with pytest.raises(StudyError, match="somebody deleted it"):
        study.get_trials(deepcopy=False)
    with pytest.raises(StudyError, match="somebody deleted it"):
        acquire(backend, study)


def test_at_the_end_nobody_waits(backend: Any) -> None:
    stop_retrying(backend)
    backend.inner = AwayStorage(10**6)
    with pytest.raises(StudyError, match="does not answer: the server closed"):
        backend.get_trial(0)


def test_a_locked_database_is_asked_again_with_a_pause_until_the_time_is_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """SQLite answers at once, and not after a wait, where two processes wait for each other."""
    monkeypatch.setattr(nas.storage.retry, "FIRST_BACKOFF", 0.05)
    locked = storage_error("database is locked")
    call, start = Away(10**6, locked), time.monotonic()
    with pytest.raises(StudyError, match="does not answer: database is locked"):
        with_retry(call, timeout=0.5, lock_timeout=0.0)()
    assert 0.45 < time.monotonic() - start < 5
    assert 10**6 - call.left <= 12, "asked without a pause"
    with pytest.raises(StudyError):
        with_retry(Away(1, locked), timeout=0.0, lock_timeout=0.0)()
    assert with_retry(Away(1, locked), timeout=0.0)() == "here", "readers wait for locks too"


def test_what_must_not_be_done_twice_is_not_waited_for_longer(
    backend: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nas.storage.retry, "FIRST_BACKOFF", 0.05)
    locked = Away(2, storage_error("database is locked"))
    backend.inner.create_new_trial = locked
    assert backend.create_new_trial(0) == "here"
    backend.inner.create_new_trial = Away(10**6, storage_error("database is locked"))
    backend.timeout, backend.lock_timeout = 0.3, 0.0
    start = time.monotonic()
    with pytest.raises(StudyError, match="does not answer: database is locked"):
        backend.create_new_trial(0)
    with pytest.raises(StudyError, match="does not answer: database is locked"):
        retried(backend, backend.inner.create_new_trial)(0)
    assert time.monotonic() - start < 10
    backend.inner.create_new_trial = Away(1, storage_error("server closed"))
    with pytest.raises(StorageInternalError):
        backend.create_new_trial(0)


def test_a_call_needs_no_thread_to_say_that_it_waits(
    backend: Any, space: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where processes are limited, as in containers, there may be none left."""

    def start(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    study = create_study(backend, "x", space())
    assert refill_of(study, space(), 1, 1)(study.get_trials(deepcopy=False)) is False
    assert acquire(backend, study) is not None
    assert open_storage(str(engine_of(backend).url)).get_all_studies()


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://host/db?user=u&password=s3cret",
        "postgresql://u:s3cret@host/db?passfile=s3cret&x=1",
        "postgresql://u:p@s3cret@host/db",
    ],
)
def test_passwords_are_hidden_wherever_they_stand(url: str) -> None:
    assert "s3cret" not in hidden(url)
    assert hidden(url).startswith("postgresql://")


# Output that breaks.


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_a_search_outlives_its_output() -> None:
    with suppress(OSError), open("/dev/full", "w", buffering=1, encoding="utf-8") as full:
        console = Console(file=LastingStream(full))  # type: ignore[arg-type]
        console.print("a line")
        closed = io.StringIO()
        closed.close()
        Console(file=LastingStream(closed)).print("another")  # type: ignore[arg-type]
        with pytest.raises(OSError, match="No space left") as without:
            Console(file=full).print("without")
    assert without


# Trials that are another's.


def test_a_worker_that_lost_its_trial_does_not_end_it(
    backend: Any, space: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = create_study(backend, "x", space())
    refill_of(study, space(), 1, 1)(study.get_trials(deepcopy=False))
    claimed = acquire(backend, study)
    checkpoint = tmp_path / "checkpoints" / "x-0.pt"
    checkpoint.parent.mkdir()
    checkpoint.touch()

    def lost(*arguments: Any, **options: Any) -> Any:
        assert requeue(backend, claimed._trial_id, this_worker())
        raise RuntimeError("what happens to those who were cut off")

    monkeypatch.setattr(trial_module, "train", lost)
    environment = TrialEnvironment(data_dir=tmp_path, out=tmp_path, interrupted=lambda: False)
    run_trial(backend, "x", space(), claimed, environment)
    assert study.get_trials()[0].state == TrialState.WAITING
    assert checkpoint.exists(), "it belongs to whoever takes the trial now"


def test_a_trial_is_given_up_when_it_loses_worker_after_worker(backend: Any, space: Make) -> None:
    study = create_study(backend, "x", space())
    refill_of(study, space(), 1, 1)(study.get_trials(deepcopy=False))
    trial_id = acquire(backend, study)._trial_id
    for epoch in (1, 2, 2):  # an epoch more, and the count begins anew
        backend.set_trial_intermediate_value(trial_id, epoch, 0.5)
        assert not record_crash(backend, backend.get_trial(trial_id), "killed by SIGKILL")
    for _ in range(MAX_RETRIES - 3):
        assert not record_crash(backend, backend.get_trial(trial_id), "killed by SIGKILL")
    assert record_crash(backend, backend.get_trial(trial_id), "killed by SIGKILL")
    (trial,) = study.get_trials()
    assert trial.state == TrialState.FAIL
    assert (
        trial.user_attrs["cause"] == f"its worker was killed by SIGKILL each of {MAX_RETRIES} times"
    )


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (MemoryError(), "out of memory"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: 1 bytes"), "out of memory"),
        (RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"), "out of memory"),
        (ValueError("no\nsuch thing"), "ValueError: no"),
    ],
)
def test_causes(error: Exception, cause: str) -> None:
    assert cause_of(error) == cause


def ended(number: int, cause: str | None, **attrs: Any) -> Any:
    state = TrialState.FAIL if cause else TrialState.PRUNED
    trial = optuna.trial.create_trial(state=state, user_attrs={"cause": cause, **attrs})
    trial.number = number
    return trial


def test_three_failures_of_one_cause_in_a_row_stop_a_search() -> None:
    failures = ConsecutiveFailures()
    trials = [ended(n, "E: 1") for n in range(3)]
    failures.check(trials)  # from before: the cause may be mended
    trials += [ended(3, "E: 7"), ended(4, "F"), ended(5, "E: 8"), ended(6, None, rejected="depth")]
    failures.check(trials)
    trials.append(ended(7, "E: 9"))
    failures.check(trials)
    trials.append(ended(8, "E: 10"))
    with pytest.raises(StudyError, match="3 trials in a row failed of one cause: E: 10"):
        failures.check(trials)


def test_three_failures_stop_a_search_though_a_fourth_trial_ended_before_it_looked() -> None:
    failures = ConsecutiveFailures()
    failures.check([])
    with pytest.raises(StudyError, match="3 trials in a row failed of one cause: E: 2"):
        failures.check([ended(0, "E: 0"), ended(1, "E: 1"), ended(2, "E: 2"), ended(3, None)])


# Spaces that have changed.


def test_a_changed_space_takes_over_what_fits(space: Make, search_here: Run, fast: Path) -> None:
    old = space("search.duplicates=new_seed")
    study = search_here(old, 6, name="x")
    backend = open_storage(f"sqlite:///{fast}/nas.db")
    assert warm_started(backend, "x", old) == "x"
    wider = space("architecture.depth=[1, 2, 3]")
    assert warm_started(backend, "x", wider) == "x-2"
    taken = optuna.load_study(study_name="x-2", storage=backend).get_trials()
    assert [trial.params for trial in taken] == [trial.params for trial in study.trials]
    assert [trial.values for trial in taken] == [trial.values for trial in study.trials]
    assert warm_started(backend, "x", wider) == "x-2", "the same command goes on there"
    assert len(optuna.load_study(study_name="x-2", storage=backend).trials) == 6
    narrower = space("architecture.depth=[1]")
    assert warm_started(backend, "x", narrower) == "x-3"
    third = optuna.load_study(study_name="x-3", storage=backend).get_trials()
    assert third == [], "a depth that is not drawn any more is another candidate's parameter"
    assert len(study.get_trials()) == 6, "the old study stays"


def test_what_breaks_new_constraints_or_has_other_objectives_is_not_taken(
    space: Make, search_here: Run, fast: Path
) -> None:
    study = search_here(space(), 4, name="x")
    backend = open_storage(f"sqlite:///{fast}/nas.db")
    sizes = sorted({trial.user_attrs["parameters"] for trial in study.trials})
    bounded = space(f"constraints={{parameters: {{max: {sizes[0]}}}}}")
    name = warm_started(backend, "x", bounded)
    kept = optuna.load_study(study_name=name, storage=backend).get_trials()
    assert {trial.user_attrs["parameters"] for trial in kept} == {sizes[0]}
    assert all(trial.user_attrs[IMPORTED_FROM][0] == "x" for trial in kept)
    with pytest.raises(StudyError, match="other objectives"):
        warm_started(backend, "x", space("training.epochs=3", "search.objectives=[val_loss]"))


def test_a_worker_starts_though_the_fork_server_dies_of_it() -> None:
    """It is held, asked for a process, and killed before it answers."""
    forkserver.ensure_running()
    server = forkserver._forkserver._forkserver_pid  # type: ignore[attr-defined]
    os.kill(server, signal.SIGSTOP)
    threading.Timer(1.0, os.kill, (server, signal.SIGKILL)).start()
    process = multiprocessing.get_context("forkserver").Process(target=time.sleep, args=(0,))
    start_process(process)
    process.join(60)
    assert process.exitcode == 0
    assert forkserver._forkserver._forkserver_pid != server  # type: ignore[attr-defined]
