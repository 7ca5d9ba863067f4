"""Data made to do harm: each file is a sentence, and none runs code, hangs or fills the memory."""

import gzip
import io
import os
import pickle
import resource
import struct
import tarfile
import time
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from nas.common.errors import NasWarning
from nas.data.archive import unpack
from nas.data.catalog import Dataset, source_path
from nas.data.folder import Reading, read_folder
from nas.data.locate import CIFAR
from nas.data.npz import peek, read_npz
from nas.data.pictures import DataError
from nas.data.readers import _read_pickle, read_idx
from nas.data.unpickle import load_arrays
from nas.data.user import _check_batch

PICTURES = np.zeros((40, 8, 8), np.uint8)
LABELS = np.arange(40) % 2


class Bomb:
    """Makes a folder when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.mark),)


# .npz


def member(array: np.ndarray) -> bytes:
    """An array as the file that an .npz holds."""
    out = io.BytesIO()
    np.save(out, array, allow_pickle=True)
    return out.getvalue()


def header(text: str) -> bytes:
    """The head of an array file with any text for its description."""
    padded = text.encode().ljust(118) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(padded)) + padded


def promised(shape: str, kind: str = "|u1") -> bytes:
    """An array file that has no values, whatever it promises."""
    return header(f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}}}")


def objects(tmp_path: Path) -> np.ndarray:
    """An array that runs code where it is unpickled."""
    return np.array([[[Bomb(tmp_path / "ran")]]] * 40, dtype=object)


Files = Callable[[Path], dict[str, bytes]]
NPZ: dict[str, tuple[Files, str]] = {
    "objects": (lambda t: {"x": member(objects(t)), "y": member(LABELS)}, "x holds object"),
    "object labels": (lambda t: {"x": member(PICTURES), "y": member(objects(t))}, "y holds object"),
    "words": (
        lambda t: {"x": member(np.full((40, 8, 8), "a")), "y": member(LABELS)},
        "x holds <U1",
    ),
    "dates": (
        lambda t: {"x": member(PICTURES.astype("datetime64[s]")), "y": member(LABELS)},
        "x holds datetime64",
    ),
    "complex": (lambda t: {"x": member(PICTURES + 1j), "y": member(LABELS)}, "x holds complex"),
    "records": (
        lambda t: {"x": member(np.zeros((40, 8, 8), "u1,f4")), "y": member(LABELS)},
        "numbers are needed",
    ),
    "nan": (lambda t: {"x": member(PICTURES * np.nan), "y": member(LABELS)}, "from nan to nan"),
    "too much": (lambda t: {"x": promised("(10**6,)"), "y": member(LABELS)}, "cannot be read"),
    "petabytes": (
        lambda t: {"x": promised("(1000000000, 1000, 1000)"), "y": member(LABELS)},
        "more than the memory has free",
    ),
    "exabytes of labels": (
        lambda t: {"x": member(PICTURES), "y": promised("(1000000000000000000,)")},
        "more than the memory has free",
    ),
    "negative": (lambda t: {"x": promised("(-1, 8, 8)"), "y": member(LABELS)}, "shape"),
    "nested": (lambda t: {"x": header("(" * 110), "y": member(LABELS)}, "cannot be read"),
    "call": (
        lambda t: {"x": header("__import__('os').abort()"), "y": member(LABELS)},
        "cannot be read",
    ),
    "no arrays": (lambda t: {"x": b"x", "y": b"y"}, "cannot be read"),
    "huge labels": (
        lambda t: {"x": member(PICTURES), "y": member(np.full(40, 2**64 - 1, np.uint64))},
        "holds the label 18446744073709551615",
    ),
    "one class": (
        lambda t: {"x": member(PICTURES), "y": member(LABELS * 0)},
        "there must be two classes or more",
    ),
    "a gap": (lambda t: {"x": member(PICTURES), "y": member(LABELS * 2)}, "without gaps"),
    "no pictures": (
        lambda t: {"x": member(PICTURES[:0]), "y": member(LABELS[:0])},
        "at least one",
    ),
    "a point": (lambda t: {"x": member(np.uint8(3)), "y": member(LABELS)}, "shape"),
}


def peek_and_read(path: Path) -> None:
    """What a search does with an .npz."""
    peek(path)
    read_npz(path, "train")


@pytest.mark.parametrize("name", NPZ)
def test_npz_files_are_refused(name: str, tmp_path: Path) -> None:
    make, words = NPZ[name]
    path = tmp_path / "a.npz"
    with zipfile.ZipFile(path, "w") as archive:
        for key, content in make(tmp_path).items():
            archive.writestr(f"{key}.npy", content)
    start = time.process_time()
    with pytest.raises(DataError, match=words):
        peek_and_read(path)
    assert time.process_time() - start < 2
    assert not (tmp_path / "ran").exists()


def test_labels_of_the_test_split_are_checked_too(tmp_path: Path) -> None:
    wrong = np.full(40, 2**64 - 1, np.uint64)
    np.savez(tmp_path / "a.npz", x_train=PICTURES, y_train=LABELS, x_test=PICTURES, y_test=wrong)
    with pytest.raises(DataError, match="holds the label 18446744073709551615"):
        read_npz(tmp_path / "a.npz", "test")


def test_members_without_a_suffix_are_no_arrays(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("x", member(PICTURES))
        archive.writestr("y", member(LABELS))
    with pytest.raises(DataError, match="holds no arrays"):
        peek(tmp_path / "a.npz")


def test_a_damaged_npz_is_a_sentence_wherever_it_is_damaged(tmp_path: Path) -> None:
    """Every byte changed in turn: read as it was, or refused."""
    good, path = tmp_path / "good.npz", tmp_path / "a.npz"
    np.savez_compressed(good, x=PICTURES[:4, :2, :2], y=LABELS[:4])
    raw = good.read_bytes()
    refused = 0
    for index in range(len(raw)):
        for bits in (0x01, 0xFF):
            path.write_bytes(raw[:index] + bytes([raw[index] ^ bits]) + raw[index + 1 :])
            try:
                peek_and_read(path)
            except DataError:
                refused += 1
    for length in range(len(raw)):
        path.write_bytes(raw[:length])
        with pytest.raises(DataError):
            peek(path)
    assert refused > len(raw)


# Pickles


def layout_of_pickles() -> Any:
    return CIFAR["cifar10"][1]


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle_runs_nothing(tmp_path: Path, protocol: int) -> None:
    path = tmp_path / "test_batch"
    content = {b"data": np.zeros((2, 3072), np.uint8), b"labels": Bomb(tmp_path / "ran")}
    path.write_bytes(pickle.dumps(content, protocol=protocol))
    with pytest.raises(
        DataError, match=r"it asks for (posix\.mkdir|_codecs|numpy)|it has the opcode"
    ):
        load_arrays(path)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "labels", [["a", "b"], [0.5, 1], [[1], [1, 2]], [10**400, 1], [None, 1], [-1, 1], [True, 1]]
)
def test_labels_of_a_pickle_are_numbers(tmp_path: Path, labels: list[Any]) -> None:
    path = tmp_path / "batch"
    numbers = np.zeros((2, 3072), np.uint8)
    path.write_bytes(b"")
    content = pickle.dumps({b"data": numbers, b"labels": labels}, protocol=2)
    path.write_bytes(content)
    with pytest.raises(DataError):
        _read_pickle(path, 2, layout_of_pickles())


# IDX


def test_a_gzip_bomb_is_not_unpacked(tmp_path: Path) -> None:
    head = struct.pack(">4I", 2051, 60_000, 28, 28)
    path = tmp_path / "a.gz"
    with gzip.open(path, "wb", compresslevel=1) as out:
        out.write(head)
        for _ in range(100):
            out.write(bytes(2**20))
    start = time.process_time()
    with pytest.raises(DataError, match="does not hold the 47,040,000 values"):
        read_idx(path, 3)
    assert time.process_time() - start < 2


def test_sizes_that_no_memory_holds(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(struct.pack(">4I", 2051, *[2**32 - 1] * 3) + b"x")
    with pytest.raises(DataError, match="does not hold the"):
        read_idx(path, 3)


# Archives


def tar(path: Path, *members: tuple[tarfile.TarInfo, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for info, content in members:
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def named(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


MEMBERS = {
    "parent": named("../out"),
    "inner parent": named("data/../../out"),
    "absolute": named("/tmp/out"),
    "backslash": named("..\\out"),
    "drive": named("C:out"),
    "symbolic link": named("data/link", tarfile.SYMTYPE, "/etc/passwd"),
    "hard link": named("data/link", tarfile.LNKTYPE, "../../out"),
    "device": named("data/zero", tarfile.CHRTYPE),
    "pipe": named("data/pipe", tarfile.FIFOTYPE),
    "zero byte": named("data/a\0b"),
    "surrogate": named("data/\udc80"),
    "long": named("data/" + "x" * 300),
}


@pytest.mark.parametrize("name", MEMBERS)
def test_members_stay_in_their_folder(name: str, tmp_path: Path) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    archive = tar(inside / "a.tar.gz", (named("data/good"), b"1"), (MEMBERS[name], b""))
    try:
        unpack(archive, "data")
    except DataError:
        assert sorted(path.name for path in inside.iterdir()) == ["a.tar.gz"]
    else:
        assert name in ("zero byte", "surrogate"), "a name that is strange and inside"
        assert all(not p.is_symlink() for p in inside.rglob("*"))
    assert [path.name for path in tmp_path.iterdir()] == ["inside"]


def test_an_archive_that_unpacks_to_gigabytes_is_refused(tmp_path: Path) -> None:
    """In the content of a member, and in the head of one, which tarfile reads at once."""
    (tmp_path / "inside").mkdir()
    for kind in (tarfile.REGTYPE, tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME):
        info = named("data/zeros", kind)
        info.size = 2**30
        archive = tmp_path / "inside" / "a.tar.gz"
        with gzip.open(archive, "wb", compresslevel=1) as out:
            out.write(info.tobuf(tarfile.GNU_FORMAT))
            for _ in range(2**30 // 2**24):
                out.write(bytes(2**24))
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        with pytest.raises(DataError, match="larger than any archive that is known"):
            unpack(archive, "data")
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000, "KiB"
        assert [path.name for path in archive.parent.iterdir()] == ["a.tar.gz"]


# Folders


def classes(root: Path) -> None:
    for name in ("a", "b"):
        (root / name).mkdir(parents=True)
        for index in range(5):
            Image.new("RGB", (4, 4)).save(root / name / f"{index}.png")


def test_a_pipe_among_pictures_does_not_hang(tmp_path: Path) -> None:
    classes(tmp_path)
    os.mkfifo(tmp_path / "a" / "pipe.png")
    (tmp_path / "a" / "folder.png").mkdir()
    with pytest.raises(DataError, match=r"1 files below .* cannot be read .*pipe.png'"):
        read_folder(tmp_path, "train", Reading())
    with pytest.warns(NasWarning, match=r"1 files cannot be read and are left out: .*pipe.png'"):
        assert len(read_folder(tmp_path, "train", Reading(skip_unreadable=True)).labels) == 8


@pytest.mark.parametrize(
    "content",
    [
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 4 4\n%%EndComments\n(x) run\n",
        b"BM" + b"\xff" * 60,
        b"P6 99999 99999 255\n",
        b"GIF89a" + b"\xff" * 40,
        b"RIFF\xff\xff\xff\xffWEBPVP8 ",
        b"II*\0\x08\0\0\0\xff\xff" + b"\xff" * 99,
        b"",
    ],
    ids=["postscript", "bmp", "ppm bomb", "gif", "webp", "tiff", "empty"],
)
def test_what_is_no_picture_is_named(tmp_path: Path, content: bytes) -> None:
    classes(tmp_path)
    for index in range(5):
        (tmp_path / "a" / f"{index}.png").write_bytes(content)
    with pytest.raises(DataError, match="[45] files below .* cannot be read as pictures"):
        read_folder(tmp_path, "train", Reading(image_size=4))


def bomb(side: int) -> bytes:
    """A black PNG of so many pixels: a thousandth of its size."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        checked = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + checked

    packer = zlib.compressobj(1)
    row = bytes(1 + 3 * side)
    packed = b"".join(packer.compress(row) for _ in range(side)) + packer.flush()
    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    content = chunk(b"IHDR", head) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + content


@pytest.mark.parametrize("side", [8200, 10_000, 14_000], ids=["ours", "warned of", "pillow's"])
def test_a_picture_of_too_many_pixels_is_named_and_not_decoded(tmp_path: Path, side: int) -> None:
    classes(tmp_path)
    (tmp_path / "a" / "bomb.png").write_bytes(bomb(side))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    told = (
        r"1 files below .* cannot be read as pictures: '.*bomb.png' \(.*too many to decode: at most"
    )
    with pytest.raises(DataError, match=told):
        read_folder(tmp_path, "train", Reading(image_size=4))
    with pytest.warns(NasWarning, match=r"left out: '.*bomb.png'"):
        assert len(read_folder(tmp_path, "train", Reading(skip_unreadable=True)).labels) == 8
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000, "KiB"


def test_a_picture_that_the_memory_has_no_room_for_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    classes(tmp_path)
    Image.new("RGB", (1500, 1000)).save(tmp_path / "b" / "large.png")
    monkeypatch.setattr("nas.data.folder.available_memory", lambda: 40_000_000)
    with pytest.raises(DataError, match=r"large.png' \(1,500x1,000 pixels, too many to decode"):
        read_folder(tmp_path, "train", Reading(image_size=4))


@pytest.mark.parametrize("path", ["~nobody-of-this-name/x", "x" * 5000, "a\0b", "/dev/zero", "."])
@pytest.mark.parametrize("name", ["npz", "folder"])
def test_paths_that_lead_nowhere_are_told(name: str, path: str) -> None:
    place = source_path(Dataset(name=name, path=path))
    with pytest.raises(DataError):
        peek(place) if name == "npz" else read_folder(place, "train", Reading(image_size=4))


# Batches of a user's module


@pytest.mark.parametrize(
    "batch",
    [
        None,
        3,
        (1, 2),
        (torch.zeros(2, 1, 4, 4), [0, 1]),
        (torch.zeros(0, 1, 4, 4), torch.zeros(0, dtype=torch.int64)),
        (torch.zeros(()), torch.zeros(2)),
        (torch.zeros(2, 1, 4, 5), torch.tensor([0, 1])),
        (torch.zeros(2, 1, 4, 4), torch.tensor([0, 2])),
        (torch.zeros(2, 1, 4, 4), torch.tensor([-1, 1])),
        (torch.zeros(2, 1, 4, 4), torch.tensor([0.0, 1.0])),
    ],
)
def test_batches_of_another_kind_are_told(batch: Any) -> None:
    dataset = Dataset(name="module", class_path="a.B", image_shape=(1, 4, 4), num_classes=2)
    with pytest.raises(DataError, match=r"a\.B yields"):
        _check_batch(batch, dataset)
    _check_batch((torch.zeros(2, 1, 4, 4), torch.tensor([0, 1])), dataset)
