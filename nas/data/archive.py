"""Unpack a downloaded archive without trusting the names inside it."""

import os
import shutil
import tarfile
import tempfile
from pathlib import Path, PurePosixPath

from nas.data.pictures import DataError


def unpack(archive: Path, folder: str) -> Path:
    """Unpack `folder` of a tar file beside it, all or nothing; returns where it lies."""
    destination = archive.parent / folder
    with tempfile.TemporaryDirectory(dir=archive.parent, prefix=".unpacking-") as scratch:
        try:
            with tarfile.open(archive) as tar:
                for member in tar:
                    _write(tar, member, Path(scratch), archive)
            os.replace(Path(scratch) / folder, destination)
        except DataError:
            raise
        except Exception as error:  # a damaged archive can raise anything
            raise DataError(
                f"'{archive}' cannot be unpacked ({error}); remove it, and it is downloaded again."
            ) from error
    return destination


def _write(tar: tarfile.TarFile, member: tarfile.TarInfo, scratch: Path, archive: Path) -> None:
    """Write one plain file below `scratch`; refuse links, devices and paths that lead elsewhere."""
    path = PurePosixPath(member.name)
    leads_out = (
        path.is_absolute() or ".." in path.parts or "\\" in member.name or ":" in member.name
    )
    if leads_out or not (member.isfile() or member.isdir()):
        raise DataError(
            f"'{archive}' holds '{member.name}', which is not a plain file inside its folder; "
            "nothing was unpacked."
        )
    if member.isdir():
        return
    source = tar.extractfile(member)
    assert source is not None
    target = scratch / path
    target.parent.mkdir(parents=True, exist_ok=True)
    with source, target.open("wb") as out:
        shutil.copyfileobj(source, out)
