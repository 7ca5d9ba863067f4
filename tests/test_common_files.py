"""Files and folders are written as a whole or not at all, and nothing of a failure stays."""

import errno
import multiprocessing
import os
from pathlib import Path

import pytest

from nas.common import files
from nas.common.files import FRESH, STALE, new_folder, remove_parts, replacing, write_text


def test_a_file_takes_its_place_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "report.md"
    write_text(path, "ä")
    with replacing(path) as file:
        file.write(b"new")
        assert path.read_text(encoding="utf-8") == "ä"
    assert path.read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["report.md"]


ERRORS = [OSError("No space left"), RuntimeError("x"), KeyboardInterrupt()]


@pytest.mark.parametrize("error", ERRORS)
def test_of_a_failure_nothing_is_left(tmp_path: Path, error: BaseException) -> None:
    path = tmp_path / "best.pt"
    path.write_bytes(b"old")

    def fail_in_file() -> None:
        with replacing(path) as file:
            file.write(b"half")
            raise error

    def fail_in_folder() -> None:
        with new_folder(tmp_path / "key") as folder:
            (folder / "pixels").write_bytes(b"half")
            raise error

    with pytest.raises(type(error)):
        fail_in_file()
    with pytest.raises(type(error)):
        fail_in_folder()
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["best.pt"]


def test_where_nothing_can_be_written_the_error_is_the_first_one(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="none"):
        write_text(tmp_path / "none" / "x", "text")
    assert os.listdir(tmp_path) == []


def test_what_utf8_cannot_hold_is_written_as_an_escape(tmp_path: Path) -> None:
    write_text(tmp_path / "x", "an error \ud800 of others")
    assert (tmp_path / "x").read_bytes() == b"an error \\ud800 of others"


def write_many(path: Path, text: str) -> None:
    for _ in range(50):
        write_text(path, text)


def test_of_processes_that_write_at_once_none_leaves_half_a_file(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    texts = ["a" * 100_000, "b" * 50_000]
    context = multiprocessing.get_context("forkserver")
    writers = [context.Process(target=write_many, args=(path, text)) for text in texts]
    for writer in writers:
        writer.start()
    seen = set()
    while any(writer.is_alive() for writer in writers):
        if path.exists():
            seen.add(path.read_text(encoding="utf-8"))
    assert [writer.exitcode for writer in writers] == [0, 0]
    assert seen <= set(texts)
    assert os.listdir(tmp_path) == ["report.html"]


@pytest.fixture
def parts(tmp_path: Path) -> dict[str, Path]:
    """What was begun: long ago, a while ago, just now, and of another file."""
    ages = {"old": STALE + 1, "left": FRESH + 1, "fresh": 0.0, "other": STALE + 1}
    found = {}
    for name, age in ages.items():
        target = "x.pt2" if name == "other" else "x.pt"
        found[name] = tmp_path / f"{target}.{4711 + len(found)}.part"
        found[name].write_bytes(b"half")
        os.utime(found[name], (0, found[name].stat().st_mtime - age))
    return found


def there(parts: dict[str, Path]) -> set[str]:
    return {name for name, path in parts.items() if path.exists()}


def test_what_killed_processes_left_goes_away(tmp_path: Path, parts: dict[str, Path]) -> None:
    write_text(tmp_path / "x.pt", "whole")
    assert there(parts) == {"fresh", "other"}
    remove_parts(tmp_path / "x.pt")
    assert there(parts) == {"other"}


@pytest.mark.parametrize("has_locks", [True, False])
def test_what_is_being_written_stays(
    has_locks: bool, tmp_path: Path, parts: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also for a while; where files cannot be locked nobody knows whether it is."""

    def no_locks(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    if not has_locks:
        monkeypatch.setattr(files.fcntl, "flock", no_locks)
    with replacing(tmp_path / "x.pt") as file:
        file.write(b"whole")
        file.flush()
        (mine,) = tmp_path.glob(f"x.pt.{os.getpid()}.part")
        os.utime(mine, (0, mine.stat().st_mtime - 60))
        remove_parts(tmp_path / "x.pt", only_left=True)
        assert mine.exists()
    assert (tmp_path / "x.pt").read_bytes() == b"whole"
    assert there(parts) == {"fresh", "other"} | ({"left"} if not has_locks else set())
