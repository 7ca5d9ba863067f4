"""One contract for all worker pools, with real processes: of this machine, and placed by Ray."""

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from conftest import TINY
from optuna.trial import FrozenTrial, TrialState, create_trial

from nas.common.errors import StudyError
from nas.common.processes import is_alive
from nas.search.options import RayCluster
from nas.search.pools.base import MAX_FAILED_STARTS, FailedStarts, WorkerPool
from nas.search.pools.local import LocalPool
from nas.search.pools.ray import RayPool
from nas.search.study import NUM_TRIALS, create_study
from nas.search.trial_attributes import crashes_of
from nas.search.worker import WorkerSpec
from nas.space.space import SearchSpace
from nas.storage.open import open_storage

#: long enough that a worker is killed in the middle; `search.duplicates` has each trial trained
LONG = TINY.replace("epochs: 2", "epochs: 400").replace("workers: 1", "duplicates: new_seed")
MakePool = Callable[[WorkerSpec], WorkerPool]


def local(spec: WorkerSpec) -> WorkerPool:
    return LocalPool(spec, 1)


def ray(spec: WorkerSpec) -> WorkerPool:
    return RayPool(spec, RayCluster(workers=1), 1)


@pytest.fixture(params=[local, ray], ids=["local", "ray"])
def make_pool(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> MakePool:
    """Makes a pool of one worker; Ray on the loopback address, without usage statistics."""
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setenv("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
    (tmp_path / "token").write_text("0123456789abcdef" * 2)
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path / "token"))
    return request.param


class Running:
    """A study of long trials, and a pool that runs them."""

    def __init__(self, folder: Path, space: SearchSpace, make_pool: MakePool) -> None:
        url = f"sqlite:///{folder}/nas.db"
        self.storage = open_storage(url, create=True)
        self.study = create_study(self.storage, "long", space)
        self.study.set_user_attr(NUM_TRIALS, 2)
        for _ in range(2):
            self.study.add_trial(create_trial(state=TrialState.WAITING))
        self.spec = WorkerSpec(
            storage=url, study="long", data_dir=folder, out=folder / "out", num_workers=1
        )
        self.pool = make_pool(self.spec)

    def trials(self) -> list[FrozenTrial]:
        return self.study.get_trials(deepcopy=False)

    def until(self, condition: Callable[[], Any], seconds: float = 120) -> Any:
        """Check the pool until something is so."""
        deadline = time.monotonic() + seconds
        while not (found := condition()):
            assert time.monotonic() < deadline, "it did not happen in time"
            self.pool.check(self.storage, self.trials())
            time.sleep(0.2)
        return found

    def in_training(self, *, unlike: str = "") -> FrozenTrial | None:
        """A trial with an epoch behind it that a worker (another than one) runs."""
        for trial in self.trials():
            worker = trial.user_attrs.get("worker")  # None while it is being requeued
            is_held = trial.state == TrialState.RUNNING and worker not in (None, unlike)
            if is_held and trial.last_step:
                return trial
        return None


@pytest.fixture
def running(
    tmp_path: Path, space: Callable[..., SearchSpace], make_pool: MakePool
) -> Iterator[Running]:
    started = Running(tmp_path, space(text=LONG), make_pool)
    yield started
    started.pool.stop()


def process_of(worker: str) -> psutil.Process:
    return psutil.Process(int(worker.split(":")[1]))


def test_workers_are_replaced_killed_by_name_and_stopped(running: Running) -> None:
    first = running.until(running.in_training)
    name = first.user_attrs["worker"]
    assert not running.pool.kill("somebody:1:1")
    # One that crashes is replaced; its trial is requeued and remembers the crash.
    os.kill(process_of(name).pid, signal.SIGKILL)
    second = running.until(lambda: running.in_training(unlike=name))
    assert second.number == first.number, "a requeued trial is the first in the queue"
    assert crashes_of(second)[0] == 1
    assert not is_alive(name)
    # One that is killed by its name, as it sends no heartbeats, is replaced too.
    name = second.user_attrs["worker"]
    running.until(lambda: running.pool.kill(name))
    third = running.until(lambda: running.in_training(unlike=name))
    assert crashes_of(third)[0] >= 1
    # At the end the trial waits again, and no process is left.
    process = process_of(third.user_attrs["worker"])
    running.pool.stop()
    assert {trial.state for trial in running.trials()} == {TrialState.WAITING}
    assert running.trials()[third.number].user_attrs["worker"] is None
    _, alive = psutil.wait_procs([process], 30)
    assert not alive


def test_what_a_worker_raises_is_raised(
    tmp_path: Path, space: Callable[..., SearchSpace], make_pool: MakePool
) -> None:
    running = Running(tmp_path, space(text=LONG), make_pool)
    running.study.set_user_attr("space", json.dumps({"name": "no space"}))
    try:
        with pytest.raises(ValueError, match="architecture"):
            running.until(lambda: False)
    finally:
        running.pool.stop()
    assert {trial.state for trial in running.trials()} == {TrialState.WAITING}


def test_a_pool_that_was_never_started_stops(tmp_path: Path, make_pool: MakePool) -> None:
    spec = WorkerSpec(storage="", study="", data_dir=tmp_path, out=tmp_path, num_workers=1)
    make_pool(spec).stop()


def test_workers_that_end_before_one_is_ready_stop_the_search() -> None:
    starts = FailedStarts()
    for _ in range(MAX_FAILED_STARTS):
        starts.record("killed by SIGKILL")
    starts.ready()
    for _ in range(MAX_FAILED_STARTS):
        starts.record("killed by SIGKILL")
    with pytest.raises(StudyError, match="workers die as soon as they start: killed by SIGKILL"):
        starts.record("killed by SIGKILL")
