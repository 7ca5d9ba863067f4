"""Unpack a downloaded archive without trusting the names inside it."""

import gzip
import io
import os
import shutil
import tarfile
import tempfile
from pathlib import Path, PurePosixPath

from nas.data.pictures import DataError

#: bytes of an archive, unpacked (CIFAR has 186 million), and of the head of a member
MOST_BYTES, MOST_HEAD = 2**29, 2**20


class Bounded(io.RawIOBase):
    """A stream that ends with an error where an archive unpacks to more than any of ours: a few
    bytes may stand for gigabytes, on the disk or in the head of a member."""

    def __init__(self, stream: gzip.GzipFile) -> None:
        self._stream = stream

    def read(self, size: int = -1, /) -> bytes:
        """The next bytes."""
        if not 0 <= size <= MOST_HEAD or self._stream.tell() > MOST_BYTES:
            raise ValueError("it is larger than any archive that is known")
        return self._stream.read(size)

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Go elsewhere, which reads all that is between."""
        if offset > MOST_BYTES:
            raise ValueError("it is larger than any archive that is known")
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        """Where it stands."""
        return self._stream.tell()


def unpack(archive: Path, folder: str) -> Path:
    """Unpack `folder` of a tar file beside it, all or nothing; returns where it lies."""
    destination = archive.parent / folder
    with tempfile.TemporaryDirectory(dir=archive.parent, prefix=".unpacking-") as scratch:
        try:
            with gzip.open(archive) as packed, tarfile.open(fileobj=Bounded(packed)) as tar:
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
