"""Bring one published file into a folder: resumable, checked, and by one process at a time."""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from typing import IO
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from nas.common.waiting import WaitingLock
from nas.data.facts import RemoteFile
from nas.data.pictures import DataError

PIECE = 1 << 18  # bytes
TIMEOUT = 30  # seconds without a byte
RANGE_NOT_SATISFIABLE = 416
COLUMNS = (
    TextColumn("{task.description}"),
    BarColumn(),
    DownloadColumn(),
    TimeRemainingColumn(),
)
Advance = Callable[[int], None]


@contextmanager
def exclusive(folder: Path) -> Iterator[None]:
    """Hold `folder` against other processes that would download into it; wait while one does."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = WaitingLock(folder / ".download.lock")
        lock.acquire()
    except OSError as error:
        raise DataError(
            f"The data folder '{folder}' cannot be written to ({error}); name another one."
        ) from error
    try:
        yield
    finally:
        lock.release()


def download(file: RemoteFile, folder: Path) -> Path:
    """`folder/<name of file>`, downloaded unless it is there, with size and md5 as published."""
    target = folder / file.name
    if not target.exists():
        part = folder / f"{file.name}.part"
        _transfer(file, part)
        _check(part, file, remove=True)
        part.replace(target)
    else:
        _check(target, file, remove=False)
    return target


def _transfer(file: RemoteFile, part: Path) -> None:
    """Append to `part` what it lacks; start again where the server cannot resume."""
    done = part.stat().st_size if part.exists() else 0
    if done == file.size:
        return None
    headers = {"User-Agent": "nas"} | ({"Range": f"bytes={done}-"} if done else {})
    try:
        with urlopen(Request(file.url, headers=headers), timeout=TIMEOUT) as response:
            resumed = (response.headers.get("Content-Range") or "").startswith(f"bytes {done}-")
            with part.open("ab" if resumed else "wb") as out:
                _copy(response, out, file, start=done if resumed else 0)
    except HTTPError as error:
        if error.code == RANGE_NOT_SATISFIABLE and done:
            part.unlink()
            return _transfer(file, part)
        raise _failed(file, part, f"the server answered {error.code} {error.reason}") from error
    except (OSError, HTTPException) as error:
        raise _failed(file, part, str(getattr(error, "reason", error))) from error
    if part.stat().st_size < file.size:
        raise _failed(file, part, "the connection ended early")
    return None


def _failed(file: RemoteFile, part: Path, reason: str) -> DataError:
    kept = part.stat().st_size if part.exists() else 0
    resume = f"; {kept:,} of {file.size:,} bytes are kept for the next try" if kept else ""
    return DataError(f"{file.url} could not be downloaded ({reason}{resume}).")


def _copy(source: IO[bytes], out: IO[bytes], file: RemoteFile, *, start: int) -> None:
    """Copy until the end, or until more than the published size has come."""
    done = start
    with _progress(file, start) as advance:
        while done <= file.size and (chunk := source.read(PIECE)):
            out.write(chunk)
            done += len(chunk)
            advance(len(chunk))


@contextmanager
def _progress(file: RemoteFile, start: int) -> Iterator[Advance]:
    """A bar on a terminal, one plain line elsewhere; both on standard error."""
    console = Console(stderr=True)
    if not console.is_terminal:
        line = f"Downloading {file.name} ({file.size / 1e6:.1f} MB) from {file.url}"
        console.print(line, soft_wrap=True, markup=False, highlight=False)
        yield lambda count: None
        return
    with Progress(*COLUMNS, console=console) as progress:
        task = progress.add_task(file.name, total=file.size, completed=start)
        yield lambda count: progress.advance(task, count)


def _check(path: Path, file: RemoteFile, *, remove: bool) -> None:
    """Size and md5 are the published ones; a file that fails is removed where `remove` says so."""
    size = path.stat().st_size
    if size == file.size and _md5(path) == file.md5:
        return
    found = "its checksum differs from the published one"
    if size != file.size:
        found = f"it has {size:,} bytes, and {file.size:,} were published"
    then = "It was removed; try again." if remove else "Remove it, and it is downloaded again."
    if remove:
        path.unlink()
    raise DataError(f"'{path}' is not {file.name} as published at {file.url}: {found}. {then}")


def _md5(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "md5").hexdigest()
