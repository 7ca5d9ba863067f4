"""The process that worker processes are forked from, with their libraries loaded."""

import multiprocessing
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import forkserver, resource_tracker

from nas.common.errors import StudyError
from nas.common.machine import use_huge_pages
from nas.common.main_guard import refuse_standard_input

#: what a new worker process finds already loaded
PRELOAD = ["nas.search.worker", "nas.search.trial"]
PRELOAD += ["alembic.command", "alembic.migration", "sqlalchemy.orm"]
PRELOAD += ["sqlalchemy.dialects.mysql", "sqlalchemy.dialects.postgresql"]
PRELOAD += ["sqlalchemy.dialects.sqlite", "psycopg"]  # where it is installed


def start_server() -> None:
    """Start it, unless it runs. It loads the libraries while this process does something else, and
    ends with it."""
    refuse_standard_input()
    temporary_folder()
    multiprocessing.get_context("forkserver").set_forkserver_preload(PRELOAD)
    use_huge_pages()
    resource_tracker.ensure_running()  # before, as it lets Ctrl-C through when it starts
    with _interrupt_blocked():
        forkserver.ensure_running()


def temporary_folder() -> str:
    """Where sockets and the like are made; StudyError if there is no such place."""
    try:
        return tempfile.gettempdir()
    except FileNotFoundError:
        raise StudyError(
            "there is no folder for temporary files that can be written, which worker processes "
            "need: name one in the variable TMPDIR."
        ) from None


@contextmanager
def _interrupt_blocked() -> Iterator[None]:
    """Block SIGINT for a while; processes started meanwhile never get one."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
