"""Many workers that Ray places: `python -m experiments.scale.placed`.

A cluster of three nodes on this machine places workers for a search; the pool, the study on a real
PostgreSQL server and the leases are those of `nas search --ray`, but workers train nothing: they
sleep, without torch, as hundreds that load it fit no machine of ours. While they work, workers are
killed, then a node, then the search itself, which is started again. `placed.json` is its output.
"""

import argparse
import importlib
import json
import multiprocessing
import os
import signal
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import TrialState
from rich.console import Console

from experiments.faults.postgres import Postgres
from nas.common.machine import num_cores
from nas.common.processes import this_worker
from nas.common.waiting import no_log
from nas.search.heartbeat import Heartbeat
from nas.search.lease import acquire, is_held_by, requeue
from nas.search.options import RayCluster, WorkerOptions
from nas.search.pools import ray as pool
from nas.search.pools.base import READY
from nas.search.session import Session
from nas.search.study import NUM_TRIALS, create_study, load_study, space_of
from nas.search.trial_attributes import CRASHES, WORKER
from nas.search.worker import WorkerSpec
from nas.space.space import SearchSpace
from nas.storage.handles import trial_id_of
from nas.storage.open import open_storage

RESULT = Path(__file__).parent / "placed.json"
SETTINGS = ["search.duplicates=new_seed", "search.sampler=random", "search.pruner=none"]
#: seconds of a training; of them all, and until something is to be seen
TRAINING, LONGEST = 5.0, 1500.0
#: nodes of the cluster, and trials for each worker
NODES, TRIALS_EACH = 3, 4
GIBIBYTE = 2**30


def played(spec: WorkerSpec, cluster: RayCluster, token: int, mailbox: Any) -> None:
    """What stands for `run_ray_worker`: it takes trials, sleeps, and ends them; what it did stands
    in a file of the folder of results."""
    import ray

    stopped = threading.Event()
    signal.signal(signal.SIGINT, lambda *_: stopped.set())
    here, name = ray.get_runtime_context().get_node_id(), this_worker()
    storage = open_storage(spec.storage, wait=no_log, known=True)
    study = load_study(storage, spec.study)
    heartbeat = Heartbeat(storage, lambda trial_id: None, stopped.is_set)
    mailbox.put.remote(token, name, here, READY)
    while not stopped.wait(0.1):
        trial = acquire(storage, study)
        if trial is None:
            stopped.wait(2.0)
            continue
        heartbeat.start(trial_id_of(trial), None)
        note(spec.out, "begun", trial.number)
        if stopped.wait(TRAINING):
            requeue(storage, trial_id_of(trial), name)
        elif is_held_by(storage.get_trial(trial_id_of(trial)), name):
            with suppress(UpdateFinishedTrialError):
                storage.set_trial_state_values(trial_id_of(trial), TrialState.COMPLETE, [0.5])
                note(spec.out, "done", trial.number)
        heartbeat.stop()


def note(folder: Path, what: str, number: int) -> None:
    """Add a line to the file of what was done."""
    with (folder / "log").open("a", encoding="utf-8") as file:
        file.write(f"{what} {number} {os.getpid()}\n")


def coordinate(url: str, address: str, workers: int, folder: str) -> None:
    """The search, until all its trials are done."""
    from nas.search.run import run_study  # loads torch

    pool.run_ray_worker = importlib.import_module("experiments.scale.placed").played
    cluster = RayCluster(address=address, workers=workers)
    options = WorkerOptions(storage=url, cluster=cluster, out=folder)
    session = Session(options, Console())
    study = load_study(session.storage, "placed")
    space = space_of(study)
    spec = session.worker_spec(study, space, study, frozenset())
    run_study(session, spec, study, space, timeout=None)


class Rehearsal:
    """A study, a cluster and a search, and what is done to them."""

    def __init__(self, url: str, cluster: Any, workers: int, folder: str) -> None:
        self.storage = open_storage(url, create=True)
        self.study = create_study(self.storage, "placed", SearchSpace.load("digits", SETTINGS))
        self.study.set_user_attr(NUM_TRIALS, TRIALS_EACH * workers)
        self.cluster, self.workers, self.folder = cluster, workers, Path(folder)
        self.arguments = (url, cluster.address, workers, folder)
        self.start = time.monotonic()
        self.told: dict[str, Any] = {"workers": workers, "nodes": NODES, "cores": num_cores()}

    def search(self) -> Any:
        """Start the search, in a process of its own."""
        process = multiprocessing.get_context("spawn").Process(
            target=coordinate, args=self.arguments
        )
        process.start()
        return process

    def running(self) -> dict[int, int]:
        """Trial -> the process that has it."""
        trials = self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        return {t.number: pid_of(t.user_attrs.get(WORKER)) for t in trials}

    def until(self, what: str, seen: Callable[[], Any]) -> None:
        """Wait for something, and tell when it was seen."""
        while not seen():
            if time.monotonic() > self.start + LONGEST:
                raise TimeoutError(what)
            time.sleep(1.0)
        self.told[f"seconds_until_{what}"] = round(time.monotonic() - self.start)
        print(self.told, flush=True)

    def run(self) -> dict[str, Any]:
        """All of it."""
        process = self.search()
        self.until("all_worked", lambda: len({pid for *_, pid in self.lines()}) >= self.workers)
        self.told["mebibytes_of_a_worker"] = memory(list(self.running().values()))
        killed = sorted(self.running().items())[: max(1, self.workers // 10)]
        for _, pid in killed:
            os.kill(pid, signal.SIGKILL)
        self.until("killed_are_replaced", lambda: self.are_requeued(killed))
        lost = self.lose_node()
        self.until("lost_node_is_replaced", lambda: self.are_requeued(lost))
        process.kill()
        process.join()
        process = self.search()
        process.join(LONGEST)
        self.until("end", lambda: process.exitcode is not None)
        return self.told | self.counted(dict(killed), dict(lost))

    def lines(self) -> list[list[str]]:
        """What was done: the word, the trial and the process."""
        texts = [path.read_text(encoding="utf-8") for path in self.folder.rglob("log")]
        return [line.split() for line in "".join(texts).splitlines()]

    def are_requeued(self, held: Sequence[tuple[int, int]]) -> bool:
        """Whether processes that are gone hold none of those trials any more."""
        now = self.running()
        return all(now.get(number) != pid for number, pid in held)

    def lose_node(self) -> list[tuple[int, int]]:
        """Kill a node that the search is no client of, with its workers; the trials they had."""
        for node in self.cluster.list_all_nodes()[1:]:
            head = psutil.Process(node.all_processes["raylet"][0].process.pid)
            tree = [head, *head.children(recursive=True)]
            if not any("Mailbox" in " ".join(one.cmdline()) for one in tree):
                pids = {one.pid for one in tree}
                lost = [(trial, pid) for trial, pid in self.running().items() if pid in pids]
                for one in tree:
                    with suppress(psutil.NoSuchProcess):
                        one.kill()
                return lost
        raise RuntimeError("the search is a client of every node.")

    def counted(self, killed: dict[int, int], lost: dict[int, int]) -> dict[str, Any]:
        """What became of the trials."""
        lines = self.lines()
        done = Counter(number for what, number, _ in lines if what == "done")
        begun = Counter(number for what, number, _ in lines if what == "begun")
        trials = self.study.get_trials(deepcopy=False)
        return {
            "trials": len(trials),
            "complete": sum(trial.state == TrialState.COMPLETE for trial in trials),
            "done_twice": sum(count > 1 for count in done.values()),
            "begun_again": sum(count > 1 for count in begun.values()),
            "workers_killed": len(killed),
            "workers_lost_with_node": len(lost),
            "crashes_recorded": sum(CRASHES in trial.system_attrs for trial in trials),
            "processes_that_worked": len({pid for _, _, pid in lines}),
        }


def pid_of(worker: Any) -> int:
    """The process number in a worker's name."""
    return int(str(worker or "::-1").split(":")[-2] or -1)


def memory(pids: Sequence[int]) -> float:
    """The mean of what processes have to themselves, in MiB."""
    sizes = []
    for pid in pids:
        with suppress(psutil.Error):
            sizes.append(psutil.Process(pid).memory_full_info().uss / 2**20)
    return round(sum(sizes) / max(1, len(sizes)), 1)


def made_cluster(workers: int) -> Any:
    """Three nodes with room for so many workers, and for those of a node that is lost."""
    from ray.cluster_utils import Cluster

    each = -(-workers // (NODES - 1)) + 1
    node = {"num_cpus": each, "memory": each * GIBIBYTE, "object_store_memory": 80 * 2**20}
    cluster = Cluster(initialize_head=True, head_node_args=node | {"include_dashboard": False})
    for _ in range(NODES - 1):
        cluster.add_node(**node)
    return cluster


def main() -> None:
    """Rehearse and write the numbers down."""
    parser = argparse.ArgumentParser(description="Many workers that Ray places.")
    parser.add_argument("--workers", type=int, default=200)
    parser.add_argument("--output", type=Path, default=RESULT)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, Postgres("max_connections=1000") as server:
        os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
        os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"  # the loopback address alone
        os.environ["RAY_AUTH_TOKEN_PATH"] = f"{folder}/token"
        Path(folder, "token").write_text(os.urandom(16).hex(), encoding="utf-8")
        cluster = made_cluster(asked.workers)
        try:
            found = Rehearsal(server.url, cluster, asked.workers, folder).run()
        finally:
            cluster.shutdown()
    asked.output.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
