"""Files and folders written as a whole or not at all: nobody reads half of one."""

import contextlib
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

#: seconds after which what somebody began to write is taken for what a killed process left, where
#: files cannot be locked; and those in which one that was begun need not be locked yet
STALE, FRESH = 3600.0, 1.0


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A file to write, which takes the place of `path` if the block ends well. If not, nothing of
    it is left. Of several processes that do so at once the last one wins. What one that was killed
    left goes away."""
    remove_parts(path, only_left=True)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            _lock(file)
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            part.unlink()
        raise


def write_text(path: Path, text: str) -> None:
    """Write a text file as a whole or not at all; what UTF-8 cannot hold becomes an escape."""
    with replacing(path) as file:
        file.write(text.encode("utf-8", "backslashreplace"))


def remove_parts(path: Path, *, only_left: bool = False) -> None:
    """Remove what processes began to write of a file; with `only_left` if they are gone."""
    prefix = f"{path.name}."
    with contextlib.suppress(OSError):
        for entry in os.scandir(path.parent):
            is_part = entry.name.startswith(prefix) and entry.name.endswith(".part")
            if is_part and (not only_left or _is_left(entry)):
                os.unlink(entry)


def _lock(file: BinaryIO) -> None:
    """Mark a file as one that is being written: the mark goes with the process, also if killed."""
    if fcntl is not None:
        with contextlib.suppress(OSError):  # not every file system has locks
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _is_left(part: os.DirEntry[str]) -> bool:
    """Whether the process is gone that began to write a file."""
    age = time.time() - part.stat().st_mtime
    if age < FRESH or age >= STALE or fcntl is None:
        return age >= STALE
    try:
        with open(part, "rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:  # it is locked, or cannot be
        return False
    return True


@contextlib.contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """A folder to fill, which becomes `path` if the block ends well; if not, nothing is left of it.

    For one process at a time, in a place where there is no such folder yet.
    """
    part = path.with_name(f"{path.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    try:
        yield part
        part.rename(path)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
