"""Workers that Ray places on its machines; the study stays in Optuna's storage."""

import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial
from sqlalchemy import make_url

from nas.common.errors import StudyError, first_line
from nas.common.machine import WORKER_MEMORY
from nas.common.processes import this_worker
from nas.common.waiting import Log, no_log
from nas.search.pools.local import GRACE, STILLBORN
from nas.search.stale_trials import requeue_trials_of
from nas.search.study import load_study
from nas.search.worker import READY, Job, run_pending

#: seconds in which the loss of a node is known that took a worker with it
NODE_SECONDS = 3.0
#: the address that stands for a cluster of this machine alone, started now and ended with us
LOCAL = "local"


@dataclass(frozen=True, kw_only=True)
class RayCluster:
    """Where Ray is, how many workers it is to place (default: as many as fit), and what of a
    machine each of them takes."""

    address: str = LOCAL
    workers: int | None = None
    cpus: float = 1.0
    gpus: float = 0.0

    @property
    def needs(self) -> dict[str, float]:
        """What a worker takes, in Ray's words."""
        needs = {"CPU": self.cpus, "GPU": self.gpus, "memory": float(WORKER_MEMORY)}
        return {name: number for name, number in needs.items() if number}

    def room(self, resources: Mapping[str, float]) -> int:
        """Workers that fit into resources."""
        fits = (resources.get(name, 0.0) / number for name, number in self.needs.items())
        return int(min(fits) + 1e-9)


@dataclass
class Member:
    """A worker that Ray has placed or will place; it has a name and a node once it runs."""

    name: str = ""
    node: str = ""


@dataclass
class RayCrew:
    """The workers of a cluster, placed again when they are lost. The same verbs as a Crew's."""

    job: Job
    cluster: RayCluster
    most: int
    say: Log = no_log
    members: dict[Any, Member] = field(default_factory=dict)
    by_token: dict[int, Member] = field(default_factory=dict)
    stillborn: int = 0
    ray: Any = None
    mailbox: Any = None
    storage: BaseStorage | None = None

    def start(self) -> None:
        """Join or start the cluster and ask it for the workers."""
        self.ray = connect(self.cluster, self.job.storage)
        self.job = everywhere(self.job)
        here = self.ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(
            self.ray.get_runtime_context().get_node_id(), soft=True
        )
        box = self.ray.remote(num_cpus=0, max_restarts=-1, scheduling_strategy=here)(Mailbox)
        self.mailbox = box.remote()
        alive = [node["Resources"] for node in self.ray.nodes() if node["Alive"]]
        fits = min(
            sum(map(self.cluster.room, alive)), self.cluster.room(self.ray.available_resources())
        )
        size = min(self.cluster.workers or max(1, fits), self.most)
        self.say(f"Ray places {size} workers; {fits} fit its {len(alive)} nodes now.")
        for _ in range(size):
            self.place()

    def place(self) -> None:
        """Ask for one worker. Ray does not try again by itself: what is lost is told to us."""
        needs = self.cluster.needs
        task = self.ray.remote(
            num_cpus=self.cluster.cpus,
            num_gpus=self.cluster.gpus,
            memory=needs["memory"],
            max_retries=0,
            max_calls=1,
        )(placed)
        token, member = len(self.by_token), Member()
        self.by_token[token] = member
        self.members[task.remote(self.job, self.cluster, token, self.mailbox)] = member

    def check(self, storage: BaseStorage, trials: Sequence[FrozenTrial]) -> None:
        """Place the workers, and again those that were lost. Raises what one of them raised."""
        self.storage = storage
        if self.ray is None:
            self.start()
        self.listen()
        ended, _ = self.ray.wait(list(self.members), num_returns=len(self.members), timeout=0)
        for task in ended:
            member = self.members.pop(task)
            ending = how_ended(self.ray, task, member.node)
            self.let_go(storage, trials, member.name, ending)
            self.place()

    def let_go(
        self, storage: BaseStorage, trials: Sequence[FrozenTrial], name: str, ending: str | None
    ) -> None:
        """Make the trial of a lost worker due again; with an ending it is blamed for that."""
        if ending is not None:
            self.stillborn += 1
            if self.stillborn > STILLBORN:
                raise StudyError(f"workers die as soon as they start: {ending}.")
        requeue_trials_of(storage, trials, name, ending)

    def listen(self) -> None:
        """Hear what the workers have to say: that they are ready, or a remark."""
        try:
            heard = self.ray.get(self.mailbox.take.remote())
        except self.ray.exceptions.ActorUnavailableError:  # it died, and Ray starts another
            return
        for token, name, node, message in heard:
            member = self.by_token[token]
            member.name, member.node = name, node
            if message == READY:
                self.stillborn = 0
            else:
                self.say(message)

    def kill(self, worker: str) -> bool:
        """Kill a worker of this crew that gives no sign of life; False where it is not of it."""
        for task, member in self.members.items():
            if member.name == worker:
                self.ray.cancel(task, force=True)
                return True
        return False

    def leave(self) -> None:
        """Have the workers leave their trials, and kill those that do not."""
        if self.ray is None:
            return
        tasks = list(self.members)
        for task in tasks:
            self.ray.cancel(task)
        left = self.ray.wait(tasks, num_returns=len(tasks), timeout=GRACE)[1] if tasks else []
        for task in left:
            self.ray.cancel(task, force=True)
        if left and self.storage is not None:
            trials = load_study(self.storage, self.job.study).get_trials(deepcopy=False)
            for task in left:
                self.let_go(self.storage, trials, self.members[task].name, None)
        self.members = {}
        self.ray.shutdown()
        self.ray = None


class Mailbox:
    """What workers say, until it is heard."""

    def __init__(self) -> None:
        self.messages: list[tuple[int, str, str, str]] = []

    def put(self, token: int, name: str, node: str, message: str) -> None:
        """Say something."""
        self.messages.append((token, name, node, message))

    def take(self) -> list[tuple[int, str, str, str]]:
        """Hear all that was said since the last time."""
        messages, self.messages = self.messages, []
        return messages


def placed(job: Job, cluster: RayCluster, token: int, mailbox: Any) -> None:
    """The worker as Ray runs it, until it is cancelled: Ray interrupts it then, as Ctrl-C does."""
    import ray
    import torch

    stopped = threading.Event()
    signal.signal(signal.SIGINT, lambda *_: stopped.set())
    torch.set_num_threads(1)
    here = ray.get_runtime_context().get_node_id()
    room = [cluster.room(node["Resources"]) for node in ray.nodes() if node["NodeID"] == here]
    job = replace(job, workers=max(1, *room))
    run_pending(
        job, stopped.is_set, lambda text: mailbox.put.remote(token, this_worker(), here, text)
    )


def how_ended(ray: Any, task: Any, node: str) -> str | None:
    """How a worker was lost where its trial may be why; None where its machine was lost, or where
    it simply ended. Raises what it raised."""
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
        return "killed for its silence"
    except errors.WorkerCrashedError:
        return None if is_lost(ray, node) else "lost to a crash"
    return None


def is_lost(ray: Any, node: str) -> bool:
    """Whether a node is lost; that its workers are is sometimes known before."""
    deadline = time.monotonic() + NODE_SECONDS
    while time.monotonic() < deadline:
        if node not in {one["NodeID"] for one in ray.nodes() if one["Alive"]}:
            return True
        time.sleep(0.2)
    return False


def connect(cluster: RayCluster, storage: str) -> Any:
    """Ray, joined to the cluster; StudyError where that cannot be."""
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
        with same_sigterm():
            ray.init(cluster.address, log_to_driver=False, logging_level=logging.ERROR, **options)
    except (ConnectionError, ValueError, RuntimeError, ray.exceptions.RayError) as error:
        raise StudyError(
            f"no Ray cluster can be joined at --ray {cluster.address}: {first_line(error)}. Give "
            "HOST:PORT of its head, `auto` for the one of this machine, or nothing to start one."
        ) from error
    refuse_files(storage, [node for node in ray.nodes() if node["Alive"]])
    return ray


@contextmanager
def same_sigterm() -> Iterator[None]:
    """Keep what SIGTERM does, which Ray changes."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)


def refuse_secrets(storage: str) -> None:
    """StudyError where a password stands on the command line, which Ray shows to all its users."""
    password = make_url(storage).password
    if password and any(password in argument for argument in sys.argv):
        raise StudyError(
            "Ray shows the command line of a search to everyone on its cluster, and this one has a "
            "password in it: give the storage in the variable NAS_STORAGE instead of --storage."
        )


def refuse_files(storage: str, nodes: Sequence[Mapping[str, Any]]) -> None:
    """StudyError where other machines would have to open an SQLite file of this one."""
    hosts = {node["NodeManagerHostname"] for node in nodes} - {socket.gethostname()}
    if hosts and make_url(storage).get_backend_name() == "sqlite":
        raise StudyError(
            f"there are other machines ({', '.join(sorted(hosts))}), and a study in an SQLite "
            "file is for one: give --storage postgresql://user@host/database."
        )


def everywhere(job: Job) -> Job:
    """The job with full paths: workers run in another folder."""
    url = make_url(job.storage)
    if url.get_backend_name() == "sqlite":
        url = url.set(database=str(Path(url.database or "").resolve()))
    storage = url.render_as_string(hide_password=False)
    return replace(job, storage=storage, data_dir=job.data_dir.resolve(), out=job.out.resolve())
