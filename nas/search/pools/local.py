"""The worker processes of one machine: started, watched, started again when they die."""

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing import forkserver, resource_tracker
from typing import Any

from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial

from nas.common.errors import StudyError
from nas.common.machine import use_huge_pages
from nas.common.processes import is_alive, worker_name
from nas.common.waiting import Log, no_log
from nas.search.failures import ending_of
from nas.search.stale_trials import requeue_trials_of
from nas.search.worker import PRELOAD, READY, Job, run_worker

#: seconds a worker gets to leave its trial before it is killed
GRACE = 20
#: workers that may die one after another before they have looked for a trial
STILLBORN = 10


@dataclass
class Member:
    """A worker process, its name in the study, and the pipe it speaks through."""

    process: Any
    pipe: Any
    name: str


@dataclass
class Crew:
    """The workers of this machine. Ctrl-C is for the process that has a crew, not for them."""

    job: Job
    size: int
    say: Log = no_log
    context: Any = field(default_factory=lambda: multiprocessing.get_context("forkserver"))
    members: list[Member] = field(default_factory=list)
    stillborn: int = 0

    def start(self) -> None:
        """Start all workers; libraries are loaded once, for all of them."""
        self.context.set_forkserver_preload(PRELOAD)
        use_huge_pages()
        resource_tracker.ensure_running()  # before, as it lets Ctrl-C through when it starts
        with held_interrupt():
            forkserver.ensure_running()
        for index in range(self.size):
            self.members.append(self.start_one(index))

    def start_one(self, index: int) -> Member:
        """Start one worker."""
        ours, theirs = self.context.Pipe(duplex=False)
        process = self.context.Process(
            target=run_worker, args=(self.job, index, theirs), daemon=True
        )
        launch(process)
        theirs.close()
        return Member(process, ours, worker_name(process.pid))

    def check(self, storage: BaseStorage, trials: Sequence[FrozenTrial]) -> None:
        """Start the workers, and again those that died. Raises what one of them raised."""
        if not self.members:
            self.start()
        for index, member in enumerate(self.members):
            self.listen(member)
            status = member.process.exitcode
            if status is not None:
                self.stillborn += 1
                if self.stillborn > STILLBORN:
                    raise StudyError(f"workers die as soon as they start: {ending_of(status)}.")
                if is_alive(member.name):  # the fork server died, and not the worker
                    os.kill(member.process.pid, signal.SIGKILL)
                requeue_trials_of(storage, trials, member.name, ending_of(status))
                self.members[index] = self.start_one(index)

    def listen(self, member: Member) -> None:
        """Hear what a worker has to say: that it is ready, a remark, or why it cannot go on."""
        with suppress(EOFError, OSError):
            while member.pipe.poll():
                message = member.pipe.recv()
                if isinstance(message, Exception):
                    raise message
                if message == READY:
                    self.stillborn = 0
                else:
                    self.say(message)

    def kill(self, worker: str) -> bool:
        """Kill a worker of this crew that gives no sign of life; False where it is not of it."""
        for member in self.members:
            if member.name == worker:
                member.process.kill()
                return True
        return False

    def leave(self) -> None:
        """Have the workers leave their trials, and kill those that do not."""
        for member in self.members:
            member.process.terminate()
        deadline = time.monotonic() + GRACE
        try:
            for member in self.members:
                member.process.join(max(0.0, deadline - time.monotonic()))
        finally:  # also where a second Ctrl-C ends the waiting
            for member in self.members:
                member.process.kill()
            for member in self.members:
                member.process.join()
            self.members = []


def launch(process: Any) -> None:
    """Start a process, again where the fork server dies of it; there is another one then."""
    for _ in range(STILLBORN):
        with suppress(EOFError, ConnectionError):
            process.start()
            return
        time.sleep(0.2)  # until it counts as dead
    raise StudyError("no worker can be started: the process that starts them dies each time.")


@contextmanager
def held_interrupt() -> Iterator[None]:
    """Hold Ctrl-C back for a while; processes started meanwhile never see one."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def terminated_like_interrupted() -> Iterator[None]:
    """Have SIGTERM end the search as Ctrl-C does; outside the main thread nothing is changed."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
