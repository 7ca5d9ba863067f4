"""What workers ask of their storage, counted and timed: `python -m experiments.scale.run`.

Workers are played here: they acquire real trials, write what a worker writes and read what
it reads, but train nothing. PostgreSQL is real and runs on this machine.
"""

import argparse
import contextlib
import importlib.util
import json
import multiprocessing
import os
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import Trial, TrialState
from sqlalchemy import Engine, event

from experiments.faults.postgres import Postgres, free_port
from nas.common.machine import num_cores
from nas.common.processes import this_worker
from nas.search.heartbeat import HEARTBEAT_INTERVAL
from nas.search.lease import acquire, is_held_by
from nas.search.study import create_study, for_trial, load_study, space_of
from nas.search.trial import TrialEnvironment, run_trial
from nas.search.trial_attributes import HEARTBEAT
from nas.space.space import SearchSpace
from nas.storage.handles import engine_of, trial_id_of
from nas.storage.open import open_storage

HERE = Path(__file__).parent
WORKERS = 10_000
#: seconds each rate is measured for
SECONDS = 10.0
SETTINGS = [
    "dataset.train_size=64",
    "dataset.validation_size=50",
    "training.epochs=4",
    "search.sampler=random",
    "search.pruner=median",
    "search.duplicates=new_seed",
]


def due(study: optuna.study.Study, number: int) -> None:
    """Add trials that are due."""
    for _ in range(number):
        study.add_trial(optuna.trial.create_trial(state=TrialState.WAITING))


def count_statements(engine: Engine) -> Counter[str]:
    """A counter of the statements and commits that go to the server from now on."""
    counted: Counter[str] = Counter()

    def executed(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
        word = statement.split(None, 1)[0].upper()
        counted["reads" if word in ("SELECT", "WITH") else "writes"] += 1

    event.listen(engine, "before_cursor_execute", executed)
    event.listen(engine, "commit", lambda connection: counted.update(["commits"]))
    return counted


def one_trial(url: str, folder: Path) -> dict[str, float]:
    """Statements and commits of a trial that is really trained, the mean of four."""
    storage = open_storage(url, create=True)
    space = SearchSpace.load("digits", SETTINGS)
    study = create_study(storage, "counted", space)
    due(study, 6)
    place = TrialEnvironment(data_dir=folder, out=folder, interrupted=lambda: False)
    engine = engine_of(storage)
    assert engine is not None
    for warm_up in (True, False):
        counted = Counter() if warm_up else count_statements(engine)
        for _ in range(2 if warm_up else 4):
            acquired = acquire(storage, study)
            assert acquired is not None
            run_trial(storage, "counted", space, acquired, place)
    done = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))
    epochs = sum(trial.last_step or 0 for trial in done[-4:]) / 4
    return {"epochs": epochs} | {name: number / 4 for name, number in sorted(counted.items())}


def play(url: str, name: str, ready: Any, go: Any, told: Any) -> None:
    """A worker that draws, reports and ends trials as fast as the storage lets it."""
    storage = open_storage(url)
    study = load_study(storage, name)
    space = space_of(study)
    ready.release()
    go.wait()
    deadline, trials = time.monotonic() + SECONDS, 0
    while time.monotonic() < deadline:
        acquired = acquire(storage, study)
        if acquired is None:
            break
        own = for_trial(storage, name, space, acquired.number)
        trial = Trial(own, trial_id_of(acquired))
        candidate = space.candidate(trial)
        trial.set_user_attr("candidate", candidate.to_json())
        for epoch in range(1, 5):
            storage.set_trial_intermediate_value(trial_id_of(trial), epoch, 0.5)
        for index in range(25):  # about as many attributes as a finished trial has
            trial.set_user_attr(f"measure_{index}", "x" * 200)
        own.tell(trial, 0.5)
        trials += 1
    told.put(trials)


def beat(url: str, name: str, ready: Any, go: Any, told: Any) -> None:
    """A worker that sends heartbeats for one trial as fast as the storage lets it."""
    storage = open_storage(url)
    acquired = acquire(storage, load_study(storage, name))
    assert acquired is not None
    ready.release()
    go.wait()
    deadline, beats = time.monotonic() + SECONDS, 0
    while time.monotonic() < deadline:
        assert is_held_by(storage.get_trial(trial_id_of(acquired)), this_worker())
        storage.set_trial_system_attr(trial_id_of(acquired), HEARTBEAT, beats)
        beats += 1
    told.put(beats)


def look(url: str, name: str, ready: Any, go: Any, told: Any) -> None:
    """A worker that reads all unfinished trials, as every lease does."""
    storage = open_storage(url)
    study = load_study(storage, name)
    study.get_trials(deepcopy=False)
    ready.release()
    go.wait()
    deadline, looks = time.monotonic() + SECONDS, 0
    while time.monotonic() < deadline:
        study.get_trials(deepcopy=False)
        looks += 1
    told.put(looks)


def proxied(address: str, name: str, ready: Any, go: Any, told: Any) -> None:
    """A worker that writes its signs of life through Optuna's gRPC proxy."""
    host, _, port = address.partition(":")
    storage = optuna.storages.GrpcStorageProxy(host=host, port=int(port))
    study = optuna.load_study(study_name=name, storage=storage)
    trial_id = trial_id_of(study.ask())
    ready.release()
    go.wait()
    deadline, beats = time.monotonic() + SECONDS, 0
    while time.monotonic() < deadline:
        storage.set_trial_system_attr(trial_id, HEARTBEAT, beats)
        beats += 1
    told.put(beats)


def rate(what: Any, url: str, name: str, clients: int, server: int) -> dict[str, float]:
    """How often a second so many processes do a thing together, and the processor time that each
    costs the server, in milliseconds."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["nas.search.trial"])
    ready, go, told = context.Semaphore(0), context.Event(), context.Queue()
    arguments = (url, name, ready, go, told)
    processes = [context.Process(target=what, args=arguments) for _ in range(clients)]
    for process in processes:
        process.start()
    for _ in processes:
        ready.acquire()
    before = cpu_seconds(server)
    go.set()
    total = sum(told.get() for _ in processes)
    spent = cpu_seconds(server) - before
    for process in processes:
        process.join()
    return {"per_second": round(total / SECONDS, 1), "server_ms": round(1000 * spent / total, 3)}


def cpu_seconds(server: int) -> float:
    """Processor time a server and its processes have taken, those that ended too."""
    ticks = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = stat.read_text().rpartition(")")[2].split()
            if int(stat.parent.name) == server:
                ticks += sum(map(int, fields[11:15]))
            elif int(fields[1]) == server:
                ticks += sum(map(int, fields[11:13]))
    return ticks / os.sysconf("SC_CLK_TCK")


def measure(
    url: str, server: int, folder: Path, clients: list[int], unfinished: list[int]
) -> dict[str, Any]:
    """All numbers of a storage."""
    found: dict[str, Any] = {"statements_of_a_trial": one_trial(url, folder), "trials": {}}
    storage, space = open_storage(url), SearchSpace.load("digits", SETTINGS)
    for number in clients:
        study = create_study(storage, f"played-{number}", space)
        due(study, 20 * int(SECONDS))
        found["trials"][number] = rate(play, url, study.study_name, number, server)
    study = create_study(storage, "beating", space)
    due(study, max(clients))
    found["beats"] = rate(beat, url, "beating", max(clients), server)
    found["looks_at_unfinished_trials"] = {}
    for number in unfinished:
        study = create_study(storage, f"unfinished-{number}", space)
        due(study, number)
        found["looks_at_unfinished_trials"][number] = rate(look, url, study.study_name, 1, server)
    if importlib.util.find_spec("grpc"):
        found["beats_through_proxy"] = measure_proxy(url, max(clients))
    return found


def measure_proxy(url: str, clients: int) -> dict[str, float]:
    """Signs of life through Optuna's proxy: how many it takes, and what they cost it."""
    port = free_port()
    process = multiprocessing.get_context("spawn").Process(target=serve, args=(url, port))
    process.start()
    try:
        proxy = optuna.storages.GrpcStorageProxy(host="127.0.0.1", port=port)
        proxy.wait_server_ready(timeout=60)
        optuna.create_study(study_name="proxied", storage=proxy)
        assert process.pid is not None
        return rate(proxied, f"127.0.0.1:{port}", "proxied", clients, process.pid)
    finally:
        process.terminate()


def serve(url: str, port: int) -> None:
    """Optuna's gRPC proxy before the database, until it is ended."""
    storage = optuna.storages.RDBStorage(url)
    optuna.storages.run_grpc_proxy_server(storage, host="127.0.0.1", port=port)


def main() -> None:
    """Measure and write the numbers down."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=HERE / "result.json")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8])
    parser.add_argument("--unfinished", type=int, nargs="+", default=[100, 1000, 3000])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, Postgres() as server:
        pid = int((server.data / "postmaster.pid").read_text().split()[0])
        found = measure(server.url, pid, Path(folder), options.clients, options.unfinished)
    found |= {"beats_needed_per_second": round(WORKERS / HEARTBEAT_INTERVAL), "cores": num_cores()}
    options.output.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
