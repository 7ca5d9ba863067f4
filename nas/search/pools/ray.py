"""Workers that Ray places on the machines of a cluster; the study stays in Optuna's storage."""

import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial
from sqlalchemy import make_url

from nas.common.errors import StudyError, first_line
from nas.common.processes import this_worker
from nas.common.waiting import Log, no_log
from nas.search.options import LOCAL, RayCluster
from nas.search.pools.base import POOL_STOP_TIMEOUT, READY, FailedStarts
from nas.search.stale_trials import requeue_trials_of
from nas.search.study import load_study
from nas.search.worker import WorkerSpec, run_pending

#: seconds in which the loss of a node that took a worker with it becomes known
NODE_LOSS_SECONDS = 3.0


@dataclass
class _Worker:
    """A worker that Ray has placed or will place; it has a name and a node once it runs."""

    name: str = ""
    node: str = ""


class RayPool:
    """See WorkerPool."""

    def __init__(self, spec: WorkerSpec, cluster: RayCluster, most: int, log: Log = no_log) -> None:
        self._spec = spec
        self._cluster = cluster
        self._most = most
        self._log = log
        self._by_task: dict[Any, _Worker] = {}
        self._by_token: dict[int, _Worker] = {}
        self._failed_starts = FailedStarts()
        self._ray: Any = None
        self._mailbox: Any = None
        self._opened: BaseStorage | None = None

    def check(self, storage: BaseStorage, trials: Sequence[FrozenTrial]) -> None:
        """See WorkerPool."""
        self._opened = storage
        if self._ray is None:
            self._start()
        self._receive()
        tasks = list(self._by_task)
        ended, _ = self._ray.wait(tasks, num_returns=len(tasks), timeout=0)
        for task in ended:
            worker = self._by_task.pop(task)
            ending = _exit_reason(self._ray, task, worker.node)
            if ending is not None:
                self._failed_starts.record(ending)
            requeue_trials_of(storage, trials, worker.name, ending)
            self._place_worker()

    def kill(self, worker: str) -> bool:
        """See WorkerPool."""
        for task, own in self._by_task.items():
            if own.name == worker:
                self._ray.cancel(task, force=True)
                return True
        return False

    def stop(self) -> None:
        """See WorkerPool; the cluster is left, or ended if it was started here."""
        if self._ray is None:
            return
        tasks = list(self._by_task)
        for task in tasks:
            self._ray.cancel(task)
        if tasks:
            _, left = self._ray.wait(tasks, num_returns=len(tasks), timeout=POOL_STOP_TIMEOUT)
            self._kill_all(left)
        self._by_task = {}
        self._ray.shutdown()
        self._ray = None

    def _kill_all(self, tasks: list[Any]) -> None:
        """Kill workers and requeue their trials."""
        for task in tasks:
            self._ray.cancel(task, force=True)
        if tasks and self._opened is not None:
            trials = load_study(self._opened, self._spec.study).get_trials(deepcopy=False)
            for task in tasks:
                requeue_trials_of(self._opened, trials, self._by_task[task].name, None)

    def _start(self) -> None:
        """Join or start the cluster and ask it for the workers."""
        self._ray = _connect(self._cluster, self._spec.storage)
        self._spec = _with_full_paths(self._spec)
        here = self._ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(
            self._ray.get_runtime_context().get_node_id(), soft=True
        )
        box = self._ray.remote(num_cpus=0, max_restarts=-1, scheduling_strategy=here)(Mailbox)
        self._mailbox = box.remote()
        alive = [node["Resources"] for node in self._ray.nodes() if node["Alive"]]
        room = self._cluster.num_workers
        fits = min(sum(map(room, alive)), room(self._ray.available_resources()))
        size = min(self._cluster.workers or max(1, fits), self._most)
        self._log(f"Ray places {size} workers; {fits} fit its {len(alive)} nodes now.")
        for _ in range(size):
            self._place_worker()

    def _place_worker(self) -> None:
        """Ask for one worker. Ray does not retry by itself: losses are handled here."""
        needs = self._cluster.needs
        task = self._ray.remote(
            num_cpus=self._cluster.cpus,
            num_gpus=self._cluster.gpus,
            memory=needs["memory"],
            max_retries=0,
            max_calls=1,
        )(run_ray_worker)
        token, worker = len(self._by_token), _Worker()
        self._by_token[token] = worker
        self._by_task[task.remote(self._spec, self._cluster, token, self._mailbox)] = worker

    def _receive(self) -> None:
        """Handle the messages of the workers: that one is ready, or a warning."""
        try:
            messages = self._ray.get(self._mailbox.take.remote())
        except self._ray.exceptions.ActorUnavailableError:  # it died, and Ray starts another
            return
        for token, name, node, message in messages:
            worker = self._by_token[token]
            worker.name, worker.node = name, node
            if message == READY:
                self._failed_starts.ready()
            else:
                self._log(message)


class Mailbox:
    """A Ray actor that keeps the messages of the workers until they are taken."""

    def __init__(self) -> None:
        self._messages: list[tuple[int, str, str, str]] = []

    def put(self, token: int, name: str, node: str, message: str) -> None:
        """Add a message of a worker."""
        self._messages.append((token, name, node, message))

    def take(self) -> list[tuple[int, str, str, str]]:
        """All messages since the last time."""
        messages, self._messages = self._messages, []
        return messages


def run_ray_worker(spec: WorkerSpec, cluster: RayCluster, token: int, mailbox: Any) -> None:
    """The worker as Ray runs it, until it is cancelled: Ray interrupts it then, as Ctrl-C does."""
    import ray
    import torch

    stopped = threading.Event()
    signal.signal(signal.SIGINT, lambda *_: stopped.set())
    torch.set_num_threads(1)
    here, name = ray.get_runtime_context().get_node_id(), this_worker()
    nodes = [node["Resources"] for node in ray.nodes() if node["NodeID"] == here]
    spec = replace(spec, num_workers=max(1, *map(cluster.num_workers, nodes)))
    run_pending(spec, stopped.is_set, lambda text: mailbox.put.remote(token, name, here, text))


def _exit_reason(ray: Any, task: Any, node: str) -> str | None:
    """How a worker crashed, if its trial may be why; None if its machine was lost, or if it simply
    ended. Raises what it raised."""
    errors = ray.exceptions
    try:
        ray.get(task)
    except errors.RayTaskError as error:
        raise error.cause from None
    except errors.NodeDiedError:
        return None
    except errors.OutOfMemoryError:
        return "killed as memory ran out"
    except errors.TaskCancelledError:
        return "killed as it sent no heartbeats"
    except errors.WorkerCrashedError:
        return None if _is_lost(ray, node) else "lost to a crash"
    return None


def _is_lost(ray: Any, node: str) -> bool:
    """Whether a node is lost; that its workers are lost is sometimes known before."""
    deadline = time.monotonic() + NODE_LOSS_SECONDS
    while time.monotonic() < deadline:
        if node not in {one["NodeID"] for one in ray.nodes() if one["Alive"]}:
            return True
        time.sleep(0.2)
    return False


def _connect(cluster: RayCluster, storage: str) -> Any:
    """Ray, connected to the cluster; StudyError if that is impossible."""
    refuse_secrets(storage)
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    options: dict[str, Any] = {}
    if cluster.address == LOCAL:  # on the loopback address, without a dashboard
        os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
        options["include_dashboard"] = False
    try:
        import ray
        import ray.util.scheduling_strategies
    except ImportError as error:
        raise StudyError('--ray needs Ray: pip install "nas[ray]".') from error
    try:
        with _same_sigterm():
            ray.init(cluster.address, log_to_driver=False, logging_level=logging.ERROR, **options)
    except (ConnectionError, ValueError, RuntimeError, ray.exceptions.RayError) as error:
        raise StudyError(
            f"no Ray cluster can be joined at --ray {cluster.address}: {first_line(error)}. Give "
            "HOST:PORT of its head, `auto` for the one of this machine, or nothing to start one."
        ) from error
    refuse_files(storage, [node for node in ray.nodes() if node["Alive"]])
    return ray


@contextmanager
def _same_sigterm() -> Iterator[None]:
    """Keep what SIGTERM does, which Ray changes."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)


def refuse_secrets(storage: str) -> None:
    """StudyError if a password stands on the command line, which Ray shows to all its users."""
    password = make_url(storage).password
    if password and any(password in argument for argument in sys.argv):
        raise StudyError(
            "Ray shows the command line of a search to everyone on its cluster, and this one has a "
            "password in it: give the storage in the variable NAS_STORAGE instead of --storage."
        )


def refuse_files(storage: str, nodes: Sequence[Mapping[str, Any]]) -> None:
    """StudyError if other machines would have to open an SQLite file of this one."""
    hosts = {node["NodeManagerHostname"] for node in nodes} - {socket.gethostname()}
    if hosts and make_url(storage).get_backend_name() == "sqlite":
        raise StudyError(
            f"there are other machines ({', '.join(sorted(hosts))}), and a study in an SQLite "
            "file is for one: give --storage postgresql://user@host/database."
        )


def _with_full_paths(spec: WorkerSpec) -> WorkerSpec:
    """The same with full paths: workers run in another folder."""
    url = make_url(spec.storage)
    if url.get_backend_name() == "sqlite":
        url = url.set(database=str(Path(url.database or "").resolve()))
    storage = url.render_as_string(hide_password=False)
    return replace(spec, storage=storage, data_dir=spec.data_dir.resolve(), out=spec.out.resolve())
