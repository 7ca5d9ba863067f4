"""A worker: a process that acquires pending trials of a study and runs them, one by one."""

import contextlib
import multiprocessing
import os
import signal
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, TextIO

from optuna.storages import BaseStorage

from nas.common.errors import NasWarning, UserError
from nas.common.machine import training_memory
from nas.common.plugins import import_plugins, imported_plugins
from nas.common.processes import this_worker
from nas.common.waiting import Log
from nas.search.allow_code import AllowedCode, refuse_other_code
from nas.search.failures import fail
from nas.search.heartbeat import Heartbeat
from nas.search.lease import acquire, is_held_by
from nas.search.pools.base import READY
from nas.search.queue import pending_of
from nas.search.study import load_study, space_of
from nas.search.trial_attributes import FOR_REPORTS, PROBES
from nas.space.space import SearchSpace
from nas.storage.handles import trial_id_of
from nas.storage.open import open_storage
from nas.storage.retry_storage import keep_without

#: seconds between two looks for a pending trial, at first and at most
FIRST_POLL, LONGEST_POLL = 0.2, 5.0


@dataclass(frozen=True, kw_only=True)
class WorkerSpec:
    """What a worker is started with; it reads everything else from the study.

    out: folder of weights and checkpoints. num_workers: on the same machine, which share its
    memory. gpus: names of the GPUs that they share in turn. device: the kind of device.
    allowed_code: the code that the study may run. data: the data module that a Python program
    handed over. plugins: those that the coordinator has imported.
    """

    storage: str
    study: str
    data_dir: Path
    out: Path
    num_workers: int
    gpus: tuple[str, ...] = ()
    device: str = "auto"
    allowed_code: AllowedCode = frozenset()
    data: Any = None
    plugins: tuple[str, ...] = field(default_factory=lambda: tuple(imported_plugins()))


def run_worker(spec: WorkerSpec, index: int, messages: Connection) -> None:
    """Run pending trials until SIGTERM or the coordinator's end; exceptions go to `messages`."""
    import torch

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the coordinator says when to stop
    stopped = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    torch.set_num_threads(1)
    if spec.gpus:
        os.environ["CUDA_VISIBLE_DEVICES"] = spec.gpus[index % len(spec.gpus)]
    parent = multiprocessing.parent_process()

    def is_stopped() -> bool:
        return stopped.is_set() or (parent is not None and not parent.is_alive())

    def send(message: str | Exception) -> None:
        with contextlib.suppress(OSError):  # the coordinator is gone
            messages.send(message)

    try:
        run_pending(spec, is_stopped, send)
    except UserError as error:
        send(error)
    except Exception:
        send(RuntimeError(traceback.format_exc()))


def run_pending(spec: WorkerSpec, is_stopped: Callable[[], bool], log: Log) -> None:
    """The loop of a worker, here or on a cluster."""
    from nas.search.trial import TrialEnvironment, run_trial

    import_plugins(spec.plugins)
    storage = open_storage(spec.storage, wait=log, known=True)
    keep_without(storage, FOR_REPORTS, PROBES)
    study = load_study(storage, spec.study)
    space = space_of(study)
    refuse_other_code(space.code, spec.allowed_code, spec.study)
    pending = pending_of(study, space)
    heartbeat = Heartbeat(storage, partial(_fail_timed_out, storage, space), is_stopped)
    environment = TrialEnvironment(
        data_dir=spec.data_dir,
        out=spec.out,
        interrupted=lambda: is_stopped() or heartbeat.lost,
        memory=training_memory(spec.num_workers, len(spec.gpus)),
        data=spec.data,
        device=spec.device,
    )
    _forward_warnings(log)
    log(READY)
    pause = FIRST_POLL
    while not is_stopped():
        trial = acquire(storage, study, pending)
        if trial is None:
            _sleep(pause, is_stopped)
            pause = min(2 * pause, LONGEST_POLL)
            continue
        pause = FIRST_POLL
        with _with_heartbeat(heartbeat, trial_id_of(trial), space.trial_timeout):
            run_trial(storage, spec.study, space, trial, environment)


def _sleep(seconds: float, is_stopped: Callable[[], bool]) -> None:
    """Sleep for a while, unless stopped."""
    until = time.monotonic() + seconds
    while time.monotonic() < until and not is_stopped():
        time.sleep(FIRST_POLL)


def _forward_warnings(log: Log) -> None:
    """Log the warnings of this program, in place of writing them to the error output."""
    show = warnings.showwarning
    warnings.simplefilter("always", NasWarning)

    def forward(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        if issubclass(category, NasWarning):
            log(str(message))
        else:
            show(message, category, filename, lineno, file, line)

    warnings.showwarning = forward


@contextlib.contextmanager
def _with_heartbeat(heartbeat: Heartbeat, trial_id: int, limit: float | None) -> Iterator[None]:
    """Send heartbeats for a trial while it runs."""
    from nas.training.lightning import StoppedError

    heartbeat.start(trial_id, limit)
    try:
        with contextlib.suppress(StoppedError):
            yield
    finally:
        heartbeat.stop()


def _fail_timed_out(storage: BaseStorage, space: SearchSpace, trial_id: int) -> None:
    """End a trial that took too long as failed, if this worker still holds it."""
    if is_held_by(storage.get_trial(trial_id), this_worker()):
        cause = f"it took longer than search.trial_timeout, {space.trial_timeout:g} s"
        fail(storage, trial_id, cause)
