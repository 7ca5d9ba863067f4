"""Files and folders written as a whole or not at all: nobody reads half of one."""

import contextlib
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

#: seconds after which what somebody began to write is taken for what a killed process left
STALE = 3600.0


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A file to write, which takes the place of `path` if the block ends well. If not, nothing of
    it is left. Of several processes that do so at once the last one wins."""
    remove_parts(path, older_than=STALE)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
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


def remove_parts(path: Path, older_than: float = 0.0) -> None:
    """Remove what processes left that were killed while they wrote a file."""
    prefix, now = f"{path.name}.", time.time()
    with contextlib.suppress(OSError):
        for entry in os.scandir(path.parent):
            is_part = entry.name.startswith(prefix) and entry.name.endswith(".part")
            if is_part and now - entry.stat().st_mtime >= older_than:
                os.unlink(entry)


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
