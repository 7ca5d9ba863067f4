"""Waiting that says so: after two seconds, what for and how to stop."""

import contextlib
import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Self

from filelock import FileLock

#: takes a sentence for the user
Log = Callable[[str], None]
#: seconds of waiting without a word
SILENT_SECONDS = 2.0


def no_log(text: str) -> None:
    """Log nothing."""


def log_warning(text: str) -> None:
    """Log to the standard error output, unless the program arranged something else."""
    logging.getLogger("nas").warning("%s", text)


def each_once(log: Log) -> Log:
    """The same, which logs each sentence once."""
    logged: set[str] = set()

    def log_once(text: str) -> None:
        if text not in logged:
            logged.add(text)
            log(text)

    return log_once


class Waiting:
    """Logs a sentence and how to stop if the block that it surrounds takes longer than two seconds.

    The sentence may change meanwhile, as more is known about what is waited for.
    """

    def __init__(self, text: str, log: Log) -> None:
        self.text, self.log = text, log
        self._timer: threading.Timer | None = None

    def _tell(self) -> None:
        self.log(f"{self.text} Ctrl-C stops.")

    def __enter__(self) -> Self:
        if self.log is not no_log:
            self._timer = threading.Timer(SILENT_SECONDS, self._tell)
            self._timer.daemon = True
            with contextlib.suppress(RuntimeError):  # no thread left: it waits in silence
                self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._timer:
            self._timer.cancel()


class WaitingLock:
    """A lock between processes by a file; whoever waits for it says so."""

    def __init__(self, path: str | Path, log: Log = log_warning) -> None:
        self.path, self.log = path, log
        self._lock = FileLock(path)

    def acquire(self) -> None:
        """Take the lock; OSError if its file cannot be made."""
        with Waiting(f"Waiting for {self.path}, which another process has locked.", self.log):
            self._lock.acquire()

    def release(self) -> None:
        """Give it back."""
        self._lock.release()

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(self, *_: object) -> None:
        self.release()
