"""Reading the built-in data sets: digits as shipped, CIFAR and IDX files made small here."""

import gzip
import os
import pickle
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nas.data import locate
from nas.data.pictures import DataError
from nas.data.readers import read_cifar10, read_cifar100, read_digits, read_fashion_mnist, read_idx
from nas.data.unpickle import load_arrays

RECORDS = 20
BINARY, PICKLED = "cifar-10-batches-bin", "cifar-10-batches-py"


@pytest.fixture
def small_cifar(monkeypatch: pytest.MonkeyPatch) -> None:
    """CIFAR files of 20 pictures each; nothing is ever downloaded."""
    for name, layouts in locate.CIFAR.items():
        small = tuple(replace(a, records=RECORDS, train_records=RECORDS) for a in layouts)
        monkeypatch.setitem(locate.CIFAR, name, small)


def _pixels(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (RECORDS, 3072), dtype=np.uint8)


def _write_binary(folder: Path, *labels_before: int) -> None:
    folder.mkdir(parents=True)
    names = [f"data_batch_{i}.bin" for i in range(1, 6)] + ["test_batch.bin"]
    for seed, name in enumerate(names):
        labels = (np.arange(RECORDS, dtype=np.uint8) + seed) % 10
        rows = np.concatenate([labels[:, None], _pixels(seed)], axis=1)
        (folder / name).write_bytes(rows.tobytes())


PurePythonPickler: Any = pickle._Pickler


class Python2Pickler(PurePythonPickler):
    """Writes text and bytes as Python 2 wrote its strings: this is how CIFAR was published."""

    dispatch: Any = dict(PurePythonPickler.dispatch)

    def save_string(self, value: str | bytes) -> None:
        raw = value if isinstance(value, bytes) else value.encode("latin1")
        self.write(pickle.BINSTRING + struct.pack("<i", len(raw)) + raw)

    dispatch[str] = dispatch[bytes] = save_string


def _write_pickles(folder: Path) -> None:
    folder.mkdir(parents=True)
    names = [f"data_batch_{i}" for i in range(1, 6)] + ["test_batch"]
    for seed, name in enumerate(names):
        labels = [(i + seed) % 10 for i in range(RECORDS)]
        content = {"data": _pixels(seed), "labels": labels, "filenames": ["a.png"] * RECORDS}
        _python2_dump(content, folder / name)


def _python2_dump(content: Any, path: Path) -> None:
    with path.open("wb") as stream:
        Python2Pickler(stream, protocol=2).dump(content)
    path.write_bytes(path.read_bytes().replace(b"numpy._core.", b"numpy.core."))


def test_digits_are_scikit_learns() -> None:
    train, test = read_digits(Path(), "train"), read_digits(Path(), "test")
    assert train.pixels.shape == (1400, 1, 8, 8)
    assert test.pixels.shape == (397, 1, 8, 8)
    assert train.pixels.dtype == np.uint8
    assert train.pixels.max() == 255  # sixteen of sixteen
    assert np.unique(train.pixels).tolist() == [round(k * 255 / 16) for k in range(17)]
    share = np.bincount(test.labels) / (np.bincount(test.labels) + np.bincount(train.labels))
    assert np.abs(share - 397 / 1797).max() < 0.005
    everything = np.concatenate([train.pixels, test.pixels]).reshape(1797, -1)
    assert len(np.unique(everything, axis=0)) == 1797  # no picture twice, none lost


@pytest.mark.usefixtures("small_cifar")
@pytest.mark.parametrize("place", ["", "cifar10", "cifar-10"])
def test_binary_cifar10(tmp_path: Path, place: str) -> None:
    _write_binary(tmp_path / place / BINARY)
    train, test = read_cifar10(tmp_path, "train"), read_cifar10(tmp_path, "test")
    assert train.pixels.shape == (100, 3, 32, 32)
    assert np.array_equal(train.pixels[20:40].reshape(20, -1), _pixels(1))
    assert train.labels[20:30].tolist() == [1, 2, 3, 4, 5, 6, 7, 8, 9, 0]
    assert np.array_equal(test.pixels.reshape(20, -1), _pixels(5))
    assert read_cifar10(tmp_path / place / BINARY, "test").labels[0] == 5  # named itself


@pytest.mark.usefixtures("small_cifar")
def test_pickled_cifar10_gives_the_same_pictures(tmp_path: Path) -> None:
    _write_binary(tmp_path / "a" / BINARY)
    _write_pickles(tmp_path / "b" / PICKLED)
    for split in ("train", "test"):
        a, b = read_cifar10(tmp_path / "a", split), read_cifar10(tmp_path / "b", split)
        assert np.array_equal(a.pixels, b.pixels)
        assert np.array_equal(a.labels, b.labels)


@pytest.mark.usefixtures("small_cifar")
def test_cifar100_labels_are_the_fine_ones(tmp_path: Path) -> None:
    folder = tmp_path / "cifar-100-binary"
    folder.mkdir()
    coarse, fine = np.full((20, 1), 3, np.uint8), np.arange(80, 100, dtype=np.uint8)[:, None]
    (folder / "test.bin").write_bytes(np.concatenate([coarse, fine, _pixels(0)], 1).tobytes())
    test = read_cifar100(tmp_path, "test")
    assert test.labels.tolist() == list(range(80, 100))
    assert np.array_equal(test.pixels.reshape(20, -1), _pixels(0))
    assert test.classes[99] == "worm"


@pytest.mark.usefixtures("small_cifar")
def test_cifar_files_cut_short_missing_or_foreign_are_named(tmp_path: Path) -> None:
    _write_binary(tmp_path / BINARY)
    file = tmp_path / BINARY / "data_batch_3.bin"
    whole = file.read_bytes()
    file.write_bytes(whole[:-7])
    with pytest.raises(DataError, match=r"data_batch_3.bin' has 61,453 bytes, and 61,460 were"):
        read_cifar10(tmp_path, "train")
    file.write_bytes(b"\x0a" + whole[1:])
    with pytest.raises(DataError, match=r"data_batch_3.bin' holds the label 10, and 0 to 9"):
        read_cifar10(tmp_path, "train")
    file.unlink()
    with pytest.raises(DataError, match=r"'data_batch_3.bin' is missing in '.*batches-bin'"):
        read_cifar10(tmp_path, "train")
    assert len(read_cifar10(tmp_path, "test").labels) == 20  # the test file alone is read


class RunsCode:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self.marker}",)


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
def test_a_pickle_that_runs_code_is_refused(tmp_path: Path, protocol: int) -> None:
    path, marker = tmp_path / "data_batch_1", tmp_path / "ran"
    path.write_bytes(pickle.dumps({"data": RunsCode(marker)}, protocol))
    with pytest.raises(
        DataError, match=r"was refused: .*it (asks for (posix|nt).system|has the opcode b'd')"
    ):
        load_arrays(path)
    assert not marker.exists()
    pickle.loads(path.read_bytes())
    assert marker.exists()  # the attack was real


@pytest.mark.parametrize(
    "program",
    [
        b"cbuiltins\neval\n(S'1'\ntR.",
        b"cbuiltins\ngetattr\n.",
        b"cnumpy\nload\n(S'x'\ntR.",
        b"cnumpy.core.multiarray\nfromfile\n.",
        b"\x80\x04\x8c\x0bnumpy.ctypes\x8c\x04CDLL\x93.",
        b"\x80\x04\x8c\x05numpy\x8c\x10ndarray.__init__\x93.",
        b"I1\n.",
        b"",
        b"\x80\x04garbage",
    ],
)
def test_other_pickles_and_damaged_ones_are_refused(tmp_path: Path, program: bytes) -> None:
    (tmp_path / "batch").write_bytes(program)
    with pytest.raises(DataError, match="batch'"):
        load_arrays(tmp_path / "batch")


@pytest.mark.usefixtures("small_cifar")
@pytest.mark.parametrize(
    "content",
    [
        {"data": np.zeros((20, 3072)), "labels": [0] * 20},
        {"data": np.zeros((20, 3071), np.uint8), "labels": [0] * 20},
        {"data": np.zeros((20, 3072), np.uint8), "labels": [0] * 19},
        {"data": np.zeros((20, 3072), np.uint8), "labels": [10] * 20},
        {"data": np.zeros((20, 3072), np.uint8)},
    ],
)
def test_pickled_batches_of_the_wrong_form_are_refused(tmp_path: Path, content: dict) -> None:
    _write_pickles(tmp_path / PICKLED)
    _python2_dump(content, tmp_path / PICKLED / "test_batch")
    with pytest.raises(DataError, match="test_batch'"):
        read_cifar10(tmp_path, "test")


def _idx(values: np.ndarray) -> bytes:
    magic = {1: 2049, 3: 2051}[values.ndim]
    return struct.pack(f">{1 + values.ndim}i", magic, *values.shape) + values.tobytes()


@pytest.mark.parametrize("zipped", [False, True])
def test_idx_files(tmp_path: Path, zipped: bool) -> None:
    values = np.random.default_rng(0).integers(0, 256, (5, 4, 3), dtype=np.uint8)
    path = tmp_path / ("images.gz" if zipped else "images")
    path.write_bytes(gzip.compress(_idx(values)) if zipped else _idx(values))
    assert np.array_equal(read_idx(path, 3), values)


def test_damaged_idx_files_are_named(tmp_path: Path) -> None:
    content = _idx(np.zeros((5, 4, 3), np.uint8))
    for name, wrong, complaint in [
        ("short", content[:-1], "does not hold the 60 values that it promises"),
        ("empty", b"", "is not an IDX file"),
        ("labels", _idx(np.zeros(5, np.uint8)), "is not an IDX file of 3 dimensions"),
        ("cut.gz", gzip.compress(content)[:-9], "is damaged"),
        ("plain.gz", content, "is damaged"),
    ]:
        (tmp_path / name).write_bytes(wrong)
        with pytest.raises(DataError, match=f"{name}' {complaint}"):
            read_idx(tmp_path / name, 3)


@pytest.mark.parametrize("place", ["FashionMNIST/raw", "fashion-mnist", ""])
def test_fashion_mnist_test_split(tmp_path: Path, place: str) -> None:
    folder = tmp_path / place
    folder.mkdir(parents=True, exist_ok=True)
    labels = (np.arange(10_000) % 10).astype(np.uint8)
    images = np.broadcast_to(labels[:, None, None], (10_000, 28, 28))
    (folder / "t10k-images-idx3-ubyte").write_bytes(_idx(images))
    (folder / "t10k-labels-idx1-ubyte.gz").write_bytes(gzip.compress(_idx(labels), 1))
    for name in ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"):
        (folder / name).write_bytes(b"not read for the test split")
    test = read_fashion_mnist(tmp_path, "test")
    assert test.pixels.shape == (10_000, 1, 28, 28)
    assert np.array_equal(test.pixels[:, 0, 5, 5], test.labels)
    assert test.classes[9] == "Ankle boot"
    with pytest.raises(DataError, match="train-images-idx3-ubyte' is not an IDX file"):
        read_fashion_mnist(tmp_path, "train")
