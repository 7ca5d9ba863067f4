"""Trainings in processes of their own, so many at a time.

They need pipes alone: executors of the standard library take locks from a shared memory (/dev/shm)
that containers may not have.
"""

import multiprocessing
import signal
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from typing import Any, Generic, TypeVar, cast

import torch

from nas.common.errors import ExportError, UserError
from nas.common.main_guard import EXIT_NO_GUARD, no_guard, refuse_standard_input
from nas.common.plugins import import_plugins, imported_plugins
from nas.search.pools.local import start_process
from nas.search.pools.server import temporary_folder

T = TypeVar("T")


def in_processes(call: Callable[[int], T], numbers: Sequence[int], size: int) -> Iterator[T]:
    """What a call returns for each number, in order; ExportError if its process was killed. Raises
    what the call raised. No process outlives it."""
    processes = _Processes(call)
    try:
        results: dict[int, T] = {}
        left = list(numbers)
        for number in numbers:
            while number not in results:
                while left and len(processes.running) < size:
                    processes.start(left.pop(0))
                results |= processes.ended()
            yield results.pop(number)
    finally:  # Ctrl-C among them: nobody waits for trainings that run
        processes.stop()


class _Processes(Generic[T]):
    """The processes that run, by the pipes that their results come from."""

    def __init__(self, call: Callable[[int], T]) -> None:
        refuse_standard_input()
        temporary_folder()
        self.call = call
        self.running: dict[Connection, tuple[int, Any]] = {}
        self.context: Any = multiprocessing.get_context("forkserver")
        self.context.set_forkserver_preload(["nas.export.retrain"])

    def start(self, number: int) -> None:
        """Start the process of a number."""
        ours, theirs = self.context.Pipe(duplex=False)
        arguments = (self.call, number, tuple(imported_plugins()), theirs)
        process = self.context.Process(target=run, args=arguments, daemon=True)
        start_process(process)
        theirs.close()
        self.running[ours] = number, process

    def ended(self) -> dict[int, T]:
        """Wait until some have ended: number -> what the call returned."""
        pipes = cast(list[Connection], wait(list(self.running)))
        return {self.running[pipe][0]: self.result(pipe) for pipe in pipes}

    def result(self, pipe: Connection) -> T:
        """What a process sent before it ended."""
        try:
            result = pipe.recv()
        except (EOFError, OSError):
            process = self.running[pipe][1]
            process.join()
            raise no_guard() if process.exitcode == EXIT_NO_GUARD else killed() from None
        _, process = self.running.pop(pipe)
        process.join()
        if isinstance(result, Exception):
            raise result
        return cast(T, result)

    def stop(self) -> None:
        """Kill those that run."""
        for _, process in self.running.values():
            process.kill()
        for _, process in self.running.values():
            process.join()


def killed() -> ExportError:
    """What to do after a training was killed."""
    return ExportError(
        "a training was killed, as when memory runs out. Run the same command again: seeds that "
        "are done are kept."
    )


def run(
    call: Callable[[int], Any], number: int, plugins: tuple[str, ...], results: Connection
) -> None:
    """One call on one thread, with the plugins imported, and Ctrl-C left to the process that
    waits."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(1)
    try:
        import_plugins(plugins)
        result = call(number)
    except UserError as error:
        result = error
    except Exception:
        result = RuntimeError(traceback.format_exc())
    with suppress(OSError):  # nobody waits any more
        results.send(result)
