"""Worker processes of this machine, forked from a server that has loaded the libraries."""

import multiprocessing
import os
import signal
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial

from nas.common.errors import StudyError
from nas.common.main_guard import EXIT_NO_GUARD, no_guard
from nas.common.processes import is_alive, worker_name
from nas.common.waiting import Log, no_log
from nas.search.failures import exit_reason
from nas.search.pools.base import MAX_FAILED_STARTS, POOL_STOP_TIMEOUT, READY, FailedStarts
from nas.search.pools.server import start_server
from nas.search.stale_trials import requeue_trials_of
from nas.search.worker import WorkerSpec, run_worker


@dataclass
class _Worker:
    """A worker process, its name in the study, and the pipe its messages come from."""

    process: Any
    pipe: Any
    name: str


class LocalPool:
    """See WorkerPool. Executors of the standard library and loky end as a whole when one of
    their processes is killed."""

    def __init__(self, spec: WorkerSpec, size: int, log: Log = no_log) -> None:
        self._spec = spec
        self._size = size
        self._log = log
        self._context: Any = multiprocessing.get_context("forkserver")
        self._workers: list[_Worker] = []
        self._failed_starts = FailedStarts()

    def check(self, storage: BaseStorage, trials: Sequence[FrozenTrial]) -> None:
        """See WorkerPool."""
        if not self._workers:
            self._start()
        for index, worker in enumerate(self._workers):
            self._receive(worker)
            status = worker.process.exitcode
            if status is not None:
                if status == EXIT_NO_GUARD:
                    raise no_guard()
                self._failed_starts.record(exit_reason(status))
                if is_alive(worker.name):  # the fork server died, and not the worker
                    os.kill(worker.process.pid, signal.SIGKILL)
                requeue_trials_of(storage, trials, worker.name, exit_reason(status))
                self._workers[index] = self._start_worker(index)

    def kill(self, worker: str) -> bool:
        """See WorkerPool."""
        for own in self._workers:
            if own.name == worker:
                own.process.kill()
                return True
        return False

    def stop(self) -> None:
        """See WorkerPool."""
        for worker in self._workers:
            worker.process.terminate()
        deadline = time.monotonic() + POOL_STOP_TIMEOUT
        try:
            for worker in self._workers:
                worker.process.join(max(0.0, deadline - time.monotonic()))
        finally:  # also if a second Ctrl-C ends the waiting
            for worker in self._workers:
                worker.process.kill()
            for worker in self._workers:
                worker.process.join()
            self._workers = []

    def _start(self) -> None:
        """Start all workers; libraries are loaded once, for all of them."""
        start_server()
        for index in range(self._size):
            self._workers.append(self._start_worker(index))

    def _start_worker(self, index: int) -> _Worker:
        """Start one worker."""
        ours, theirs = self._context.Pipe(duplex=False)
        arguments = (self._spec, index, theirs)
        process = self._context.Process(target=run_worker, args=arguments, daemon=True)
        start_process(process)
        theirs.close()
        return _Worker(process, ours, worker_name(process.pid))

    def _receive(self, worker: _Worker) -> None:
        """Handle the messages of a worker: that it is ready, a warning, or an exception."""
        with suppress(EOFError, OSError):
            while worker.pipe.poll():
                message = worker.pipe.recv()
                if isinstance(message, Exception):
                    raise message
                if message == READY:
                    self._failed_starts.ready()
                else:
                    self._log(message)


def start_process(process: Any) -> None:
    """Start a process, again if the fork server dies meanwhile: there is another one then."""
    for _ in range(MAX_FAILED_STARTS):
        with suppress(EOFError, ConnectionError):
            process.start()
            return
        time.sleep(0.2)  # until it counts as dead
    raise StudyError("no worker can be started: the process that starts them dies each time.")
