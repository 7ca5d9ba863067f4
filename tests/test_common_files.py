"""Files and folders are written as a whole or not at all, and nothing of a failure stays."""

import multiprocessing
import os
from pathlib import Path

import pytest

from nas.common.files import STALE, new_folder, remove_parts, replacing, write_text


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


def test_what_killed_processes_left_goes_away(tmp_path: Path) -> None:
    old, fresh = tmp_path / "x.pt.4711.part", tmp_path / "x.pt.4712.part"
    for part in (old, fresh, tmp_path / "x.pt2.4711.part"):
        part.write_bytes(b"half")
    os.utime(old, (0, old.stat().st_mtime - STALE - 1))
    write_text(tmp_path / "x.pt", "whole")
    assert sorted(os.listdir(tmp_path)) == ["x.pt", "x.pt.4712.part", "x.pt2.4711.part"]
    remove_parts(tmp_path / "x.pt")
    assert sorted(os.listdir(tmp_path)) == ["x.pt", "x.pt2.4711.part"]
