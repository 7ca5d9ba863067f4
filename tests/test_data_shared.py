"""Pictures decoded once for all processes: the same as decoded, and never those of older files."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nas.data import Dataset, shared
from nas.data.pictures import Pictures
from nas.data.resident import _load, resident


@pytest.fixture(autouse=True)
def small_ones_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared, "SHARED_FROM", 0)


PICTURES = Pictures(
    np.arange(5 * 3 * 4 * 4, dtype=np.uint8).reshape(5, 3, 4, 4),
    np.array([0, 1, 2, 1, 0]),
    ("cat", "dog", "ship"),
)


class Reader:
    """Counts how often it reads."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> Pictures:
        self.count += 1
        return PICTURES


def same(one: Pictures, other: Pictures) -> bool:
    arrays = np.array_equal(one.pixels, other.pixels) and np.array_equal(one.labels, other.labels)
    return arrays and one.classes == other.classes


def test_they_are_read_once(tmp_path: Path) -> None:
    read = Reader()
    found = [shared.shared(tmp_path / "key" / "stamp", read) for _ in range(3)]
    assert read.count == 1
    assert all(same(PICTURES, one) for one in found)
    assert isinstance(found[0].pixels, np.memmap)
    found[0].pixels[:] = 0  # this process's own copy
    assert same(PICTURES, found[1])


def test_small_ones_are_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared, "SHARED_FROM", PICTURES.pixels.nbytes + 1)
    assert same(PICTURES, shared.shared(tmp_path / "key" / "stamp", Reader()))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("file", ["pixels.npy", "labels.npy", "classes.npy"])
@pytest.mark.parametrize("left", [0, 20, 140])
def test_damaged_files_are_made_anew(tmp_path: Path, file: str, left: int) -> None:
    read, folder = Reader(), tmp_path / "key" / "stamp"
    shared.shared(folder, read)
    os.truncate(folder / file, left)
    assert same(PICTURES, shared.shared(folder, read))
    assert read.count == 2
    assert same(PICTURES, shared.shared(folder, read))
    assert read.count == 2


def test_half_written_and_older_ones_go(tmp_path: Path) -> None:
    shared.shared(tmp_path / "key" / "older", Reader())
    (tmp_path / "key" / "stamp.part").mkdir()
    (tmp_path / "key" / "stamp.part" / "pixels.npy").write_bytes(b"half")
    shared.shared(tmp_path / "key" / "stamp", Reader())
    assert os.listdir(tmp_path / "key") == ["stamp"]


def test_where_nothing_can_be_written_they_are_read_every_time(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    read = Reader()
    for _ in range(2):
        assert same(PICTURES, shared.shared(tmp_path / "file" / "key" / "stamp", read))
    assert read.count == 2


def write_npz(path: Path, seed: int) -> np.ndarray:
    random = np.random.RandomState(seed)
    pictures = random.randint(0, 256, (40, 8, 8, 3), dtype=np.uint8)
    np.savez(path, x=pictures, y=np.arange(40) % 4)
    return pictures


def test_pictures_of_a_changed_file_are_not_served(tmp_path: Path) -> None:
    """Also to a process that has not read the file before."""
    source = tmp_path / "pictures.npz"
    dataset = Dataset(name="npz", path=str(source))
    for seed in (0, 1):
        pictures = write_npz(source, seed)
        _load.cache_clear()
        for _ in range(2):
            found = resident(dataset, tmp_path, "train", "cpu").pixels
            everything = {picture.tobytes() for picture in pictures.transpose(0, 3, 1, 2)}
            assert {picture.numpy().tobytes() for picture in found} <= everything
            _load.cache_clear()


def test_a_picture_that_is_written_over_is_not_served(tmp_path: Path) -> None:
    """Name, size and folder stay as they were; the time too, where it is put back."""
    for name in ("a", "b"):
        (tmp_path / "pictures" / name).mkdir(parents=True)
        for index in range(5):
            Image.new("RGB", (4, 4)).save(tmp_path / "pictures" / name / f"{index}.bmp")
    dataset = Dataset(name="folder", path=str(tmp_path / "pictures"))
    files = sorted((tmp_path / "pictures").rglob("*.bmp"))
    for colour, time_kept in (("white", False), ("red", True)):
        assert resident(dataset, tmp_path, "train", "cpu").classes == ("a", "b")
        for file in files:
            known = file.stat()
            Image.new("RGB", (4, 4), colour).save(file)
            assert file.stat().st_size == known.st_size
            if time_kept:
                os.utime(file, ns=(known.st_atime_ns, known.st_mtime_ns))
        expected = {"white": [255, 255, 255], "red": [255, 0, 0]}[colour]
        for _ in range(2):
            found = resident(dataset, tmp_path, "train", "cpu").pixels
            assert found[:, :, 0, 0].unique(dim=0).tolist() == [expected]
            _load.cache_clear()


def test_sizes_and_splits_are_apart(tmp_path: Path) -> None:
    source = tmp_path / "pictures.npz"
    write_npz(source, 0)
    for size in (None, 4):
        dataset = Dataset(name="npz", path=str(source), image_size=size)
        assert resident(dataset, tmp_path, "train", "cpu").pixels.shape[2] == (size or 8)
        assert len(resident(dataset, tmp_path, "test", "cpu").labels) == 8
    folders = [path for path in (tmp_path / "decoded").iterdir() if path.is_dir()]
    assert len(folders) == 4
    shutil.rmtree(tmp_path / "decoded")  # as the README says
    assert len(resident(dataset, tmp_path, "test", "cpu").labels) == 8
