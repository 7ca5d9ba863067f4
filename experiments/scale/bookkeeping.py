"""What searches spend beside their trainings: `python -m experiments.scale.bookkeeping`.

The coordinator is the real one, the workers are real but for their training, which sleeps for a
second; thousands of trials that rest at rungs are made up (`resting.py`). PostgreSQL is real and
runs on this machine. `bookkeeping.json` is its output.
"""

import argparse
import json
import multiprocessing
import os
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial
from rich.console import Console

from experiments.faults.postgres import Postgres
from experiments.scale.resting import fill_resting
from experiments.speed.studies import result_of
from nas.common.machine import num_cores
from nas.search import trial as trials
from nas.search.options import WorkerOptions
from nas.search.pools.base import READY
from nas.search.run import run_study
from nas.search.session import Session
from nas.search.study import NUM_TRIALS, create_study, load_study, space_of
from nas.search.worker import WorkerSpec, run_pending
from nas.space.space import SearchSpace
from nas.storage.open import open_storage
from nas.training.lightning import Trained

RESULT = Path(__file__).parent / "bookkeeping.json"
#: candidates drawn again are trained too
SETTINGS = ["search.duplicates=new_seed", "search.trials=1000000"]
#: seconds before what is measured, and of it
WARM_UP, SECONDS = 8.0, 20.0
#: seconds of a training
TRAINING = 1.0
CONTEXT = multiprocessing.get_context("forkserver")


def stub_training(counted: "Counted") -> Callable[..., Trained]:
    """What stands for a training: it sleeps, and tells its epochs up to where it pauses. It counts,
    and adds the processor time since the last one."""
    last = time.process_time()

    def train(
        candidate: Any,
        *,
        seed: int,
        checkpoint: Path,
        on_epoch: Callable[..., Any],
        pause_after: Callable[..., bool] = lambda record: False,
        **_: Any,
    ) -> Trained:
        nonlocal last
        with counted.spent.get_lock():
            counted.trainings.value += 1
            counted.spent.value += time.process_time() - last
        time.sleep(TRAINING)
        last = time.process_time()
        result = result_of(candidate, 3 * seed)
        done = int(checkpoint.read_text()) if checkpoint.exists() else 0
        checkpoint.parent.mkdir(parents=True, exist_ok=True)
        paused = False
        for epoch, record in enumerate(result.curve[done:], start=done + 1):
            on_epoch(record)
            checkpoint.write_text(str(epoch))
            if pause_after(record):
                result.curve[epoch:], paused = [], True
                break
        return Trained(network=torch.nn.Linear(1, 1), result=result, data=None, paused=paused)

    return train


@dataclass(frozen=True)
class Counted:
    """What workers count together: those that are ready, trainings, and processor seconds."""

    ready: Any = field(default_factory=lambda: CONTEXT.Value("l", 0))
    trainings: Any = field(default_factory=lambda: CONTEXT.Value("l", 0))
    spent: Any = field(default_factory=lambda: CONTEXT.Value("d", 0.0))


def work(spec: WorkerSpec, counted: Counted) -> None:
    """A worker, until SIGTERM."""
    stopped = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(1)
    trials.train = stub_training(counted)

    def log(text: str) -> None:
        with counted.ready.get_lock():
            counted.ready.value += text == READY

    run_pending(spec, stopped.is_set, log)


class PlayedPool:
    """A pool of such workers. From when all are ready it notes at each poll of the coordinator, and
    at the end, when it was, the processor time that the coordinator and the workers had taken, and
    the trainings. After a while it ends the search."""

    def __init__(self, spec: WorkerSpec) -> None:
        self.counted = Counted()
        self.polls: list[tuple[float, float, float, int]] = []
        processes = range(spec.num_workers)
        arguments = (spec, self.counted)
        self.workers = [CONTEXT.Process(target=work, args=arguments) for _ in processes]
        for worker in self.workers:
            worker.start()

    def check(self, storage: BaseStorage, trials: Sequence[FrozenTrial]) -> None:
        """See WorkerPool."""
        if self.counted.ready.value == len(self.workers):
            self.note()
            if self.polls[-1][0] > self.polls[0][0] + WARM_UP + SECONDS:
                raise KeyboardInterrupt

    def note(self) -> None:
        """Note this moment."""
        own = time.process_time()
        spent, trainings = self.counted.spent.value, self.counted.trainings.value
        self.polls.append((time.monotonic(), own, spent, trainings))

    def kill(self, worker: str) -> bool:
        """See WorkerPool."""
        return False

    def stop(self) -> None:
        """See WorkerPool."""
        self.note()
        for worker in self.workers:
            worker.terminate()
        for worker in self.workers:
            worker.join()


class PlayedSession(Session):
    """A session whose workers train nothing."""

    played: PlayedPool

    def pool(self, spec: WorkerSpec, num_trials: int) -> PlayedPool:
        """See Session."""
        self.played = PlayedPool(spec)
        return self.played


def searched(url: str, name: str, workers: int, told: Any) -> None:
    """A search with so many workers: the share of a core that its coordinator takes, and of its
    time that a worker trains."""
    CONTEXT.set_forkserver_preload(["experiments.scale.bookkeeping"])
    with tempfile.TemporaryDirectory() as folder, open(os.devnull, "w", encoding="utf-8") as none:
        options = WorkerOptions(storage=url, workers=workers, out=folder)
        session = PlayedSession(options, Console(file=none))
        study = load_study(session.storage, name)
        space = space_of(study)
        study.set_user_attr(NUM_TRIALS, space.search.trials)
        spec = session.worker_spec(study, space, study, frozenset())
        run_study(session, spec, study, space, timeout=None)
        polls = session.played.polls
    begun = next((poll for poll in polls[:-2] if poll[0] > polls[0][0] + WARM_UP), polls[0])
    clock, processor, spent, done = (b - a for a, b in zip(begun, polls[-1], strict=True))
    told.put(
        {
            "coordinator_percent_of_a_core": round(100 * processor / clock, 2),
            "seconds_between_polls": round(clock / (len(polls) - 1 - polls.index(begun)), 2),
            "trainings": done,
            "worker_processor_ms_per_training": round(1000 * spent / done, 1) if done else None,
            "percent_of_time_in_training": round(100 * done * TRAINING / clock / workers, 1)
            if workers
            else None,
        }
    )


def first_read(url: str, name: str, workers: int, told: Any) -> None:
    """The seconds on the clock and of a processor until all trials are read first."""
    storage = open_storage(url)
    study = load_study(storage, name)
    clock, processor = time.monotonic(), time.process_time()
    trials = len(study.get_trials(deepcopy=False))
    clock, processor = time.monotonic() - clock, time.process_time() - processor
    told.put({"trials": trials, "seconds": round(clock, 2), "processor": round(processor, 2)})


def alone(what: Callable[..., None], url: str, name: str, workers: int = 0) -> dict[str, float]:
    """What a process of its own finds."""
    told = CONTEXT.Queue()
    process = CONTEXT.Process(target=what, args=(url, name, workers, told))
    process.start()
    found: dict[str, float] = told.get(timeout=600)
    process.join()
    return found


def measured(url_of: Callable[[str], Any], resting: Sequence[int], workers: int) -> dict[str, Any]:
    """All numbers of one kind of storage; `url_of` makes one for each study."""
    space = SearchSpace.load("cifar", SETTINGS)
    found: dict[str, Any] = {}
    for number in resting:
        with url_of(f"resting-{number}") as url:
            count = fill_resting(
                create_study(open_storage(url, create=True), "s", space), space, number
            )
            found[f"{number:,} resting trials"] = one = {
                "trials": count,
                "first_read": alone(first_read, url, "s"),
                "no_workers": alone(searched, url, "s"),
                "2_workers": alone(searched, url, "s", 2),
            }
            print(json.dumps(one), flush=True)
    with url_of("workers") as url:
        create_study(open_storage(url, create=True), "s", space)
        found[f"{workers} workers"] = alone(searched, url, "s", workers)
        print(json.dumps(found[f"{workers} workers"]), flush=True)
    return found


@contextmanager
def sqlite(name: str) -> Iterator[str]:
    """A file of SQLite."""
    with tempfile.TemporaryDirectory() as folder:
        yield f"sqlite:///{folder}/{name}.db"


@contextmanager
def postgresql(name: str) -> Iterator[str]:
    """A server of PostgreSQL."""
    with Postgres() as server:
        yield server.url


def main() -> None:
    """Measure and write the numbers down."""
    parser = argparse.ArgumentParser(description="What searches spend beside their trainings.")
    parser.add_argument("--output", type=Path, default=RESULT)
    parser.add_argument("--storages", nargs="+", default=["sqlite", "postgresql"])
    parser.add_argument("--resting", type=int, nargs="+", default=[1_000, 10_000])
    parser.add_argument("--workers", type=int, default=16)
    asked = parser.parse_args()
    CONTEXT.set_forkserver_preload(["experiments.scale.bookkeeping"])
    kinds = {"sqlite": sqlite, "postgresql": postgresql}
    found: dict[str, Any] = {"cores": num_cores()}
    for kind in asked.storages:
        found[kind] = measured(kinds[kind], asked.resting, asked.workers)
    asked.output.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
