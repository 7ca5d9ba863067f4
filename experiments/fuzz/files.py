"""Files of pictures that somebody damaged or made to do harm: npz, folders, archives, pickles."""

import io
import os
import pickle
import shutil
import tarfile
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn
from PIL import Image

from experiments.fuzz import judge
from experiments.fuzz.mutations import mangled_bytes
from nas.common.errors import UserError
from nas.data.archive import unpack
from nas.data.folder import Reading, read_folder
from nas.data.npz import peek, read_npz, unread_arrays
from nas.data.pictures import Pictures
from nas.data.unpickle import load_arrays

#: what is put into bytes of a format: large and negative lengths, ends, the marks of formats
PIECES = [
    *(b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\0\0\0\0", b"\0", b"\x80", b"PK\1\2", b"PK\5\6"),
    *(b"\x93NUMPY", b"(", b")", b"[", b"b", b"R", b".", b"]" * 99, b"q\0h\0", b"r\xff\xff\xff\x7f"),
    *(b"cos\nsystem\n", b"cnumpy\nload\n", b"B\xff\xff\xff\x7f", b"T\0\0\0\x40", b"Descr", b"O8"),
    *(b"IDAT", b"IEND", b"IHDR\x7f\xff\xff\xff", b"\xff\xd8\xff", b"GIF89a", b"II*\0", b"%!PS"),
]
NAMES = [
    *("train", "Train", "test", "val", "valid", "a", "b", ".hidden", "__MACOSX", "x" * 255, "a\\b"),
    *("\udc80", "\u202e", "a\nb", "~", "-", "..a", "con", "data", "é"),
]
SUFFIXES = [".png", ".jpg", ".gif", ".bmp", ".tiff", ".webp", ".ppm", ".PNG", ".jfif", ".txt", ""]
TYPES = ["u1", "i1", "i8", "u8", "f4", "f8", "f2", "?", "c8", "U3", "S2", "M8[s]", "O", "u1,f4"]
ARRAYS = ["x", "y", "x_train", "y_train", "x_val", "y_val", "x_test", "y_test", "images", "labels"]
ARRAYS += ["train_images", "train_labels", "test_images", "test_labels", "../x", "x.npy", ""]


def changed(draw: DrawFn, raw: bytes) -> bytes:
    """Bytes of a format after some changes, or none."""
    if not draw(st.integers(0, 2)):
        return raw
    for _ in range(draw(st.integers(0, 3))):
        index = draw(st.integers(0, len(raw)))
        piece = draw(st.sampled_from(PIECES))
        over = draw(st.sampled_from([0, 0, len(piece)]))
        raw = raw[:index] + piece + raw[index + over :]
    return mangled_bytes(draw, raw) if draw(st.integers(0, 2)) else raw


def saved(array: np.ndarray, version: tuple[int, int] | None = None) -> bytes:
    """An array as a file."""
    out = io.BytesIO()
    np.lib.format.write_array(out, array, version, allow_pickle=True)
    return out.getvalue()


@st.composite
def npz(draw: DrawFn) -> bytes:
    """An npz of arrays of any kind, its members and its bytes changed."""
    out = io.BytesIO()
    packed = draw(st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]))
    good = draw(st.booleans())
    with zipfile.ZipFile(out, "w", packed) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of names that stand twice
        names = ["x", "y"] if good else draw(st.lists(st.sampled_from(ARRAYS), max_size=5))
        for name in names:
            array = np.arange(12 * 4 * 4).reshape(12, 4, 4).astype("u1")
            if name.startswith("y") or name.endswith("labels"):
                array = np.arange(12) % 3
            if not good and draw(st.booleans()):
                kind = np.dtype(draw(st.sampled_from(TYPES)))
                shape = draw(st.lists(st.integers(0, 5), max_size=6))
                array = np.zeros(shape, kind)
            content = saved(array)
            archive.writestr(f"{name}.npy", changed(draw, content) if good else content)
    return changed(draw, out.getvalue())


def picture(suffix: str, side: int = 5) -> bytes:
    """A good picture as a file of a format."""
    out = io.BytesIO()
    formats = {".jpg": "JPEG", ".jfif": "JPEG", ".tiff": "TIFF"}
    kind = formats.get(suffix.lower(), suffix[1:].upper())
    image = Image.new("RGB", (side, side), "red")
    image.save(out, kind if kind in ("JPEG", "TIFF", "GIF", "BMP", "WEBP", "PPM") else "PNG")
    return out.getvalue()


GOOD = {suffix: picture(suffix) for suffix in SUFFIXES}


@st.composite
def folders(draw: DrawFn) -> list[tuple[str, str, bytes]]:
    """A folder: places, what they are (file, folder, link, pipe), and what files hold."""
    found = [(f"{name}/{i}.png", "file", GOOD[".png"]) for name in ("a", "b") for i in range(3)]
    if draw(st.booleans()):
        found = [(f"train/{place}", kind, content) for place, kind, content in found]
    for _ in range(draw(st.integers(1, 5))):
        parts = draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=4))
        suffix = draw(st.sampled_from(SUFFIXES))
        kind = draw(st.sampled_from(["file"] * 8 + ["folder", "link", "pipe"]))
        content = changed(draw, GOOD[suffix]) if kind == "file" else b""
        found.append(("/".join(parts) + suffix, kind, content))
    return found


@st.composite
def archives(draw: DrawFn) -> bytes:
    """A tar with members of any name and kind, its bytes changed, packed or not."""
    out = io.BytesIO()
    form = draw(st.sampled_from([tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT]))
    with tarfile.open(fileobj=out, mode="w", format=form) as archive:
        for _ in range(draw(st.integers(1, 4))):
            parts = draw(st.lists(st.sampled_from([*NAMES, "..", "", "/", "C:"]), min_size=1))
            member = tarfile.TarInfo(f"data/{draw(st.sampled_from(NAMES))}")
            if draw(st.booleans()):
                member.name = "/".join(parts)
                member.type = draw(st.sampled_from([*b"0123567gxLKS"])).to_bytes(1, "big")
                member.linkname = draw(st.sampled_from(["../../x", "/etc/passwd", "data", ""]))
            member.size = 9
            try:
                archive.addfile(member, io.BytesIO(b"x" * 9))
            except (ValueError, UnicodeError):
                continue  # a name this form cannot hold
    raw = changed(draw, out.getvalue())
    return packed(raw) if draw(st.booleans()) else raw


def packed(raw: bytes) -> bytes:
    """Bytes by gzip."""
    import gzip

    return gzip.compress(raw, 1)


BATCH = {b"data": np.arange(30, dtype=np.uint8).reshape(5, 6), b"labels": [1, 2, 3, 0, 300]}
BATCHES = [pickle.dumps(BATCH, protocol) for protocol in (3, 4)]
BATCHES += [
    b"\x80\x02}q\1(U\4dataq\2cnumpy.core.multiarray\n_reconstruct\nq\3cnumpy\nndarray\nq\4K\0\x85"
    b"q\5U\1bq\6\x87q\7Rq\x08(K\1K\2K\3\x86q\tcnumpy\ndtype\nq\nU\2u1q\x0bK\0K\1\x87q\x0cRq\r(K\3"
    b"U\1|q\x0eNNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tq\x0fb\x89U\6abcdefq\x10tq\x11bU\6labels"
    b"q\x12]q\x13(K\1K\2eu."
]


@st.composite
def batches(draw: DrawFn) -> bytes:
    """A pickled batch, its bytes changed."""
    return changed(draw, draw(st.sampled_from(BATCHES)))


def in_new_folder(name: str) -> Path:
    """An empty folder of that name here."""
    here = Path.cwd() / name
    shutil.rmtree(here, ignore_errors=True)
    here.mkdir()
    return here


def check_npz(raw: bytes) -> judge.Verdict:
    """An npz, read; AssertionError where it breaks a bar."""
    path = in_new_folder("npz") / "a.npz"
    path.write_bytes(raw)

    def read() -> None:
        peek(path)
        for split in ("train", "test"):
            assert_pictures(read_npz(path, split))
        unread_arrays(path)

    return judge.timed(lambda: judged(read))


def check_folder(files: list[tuple[str, str, bytes]]) -> judge.Verdict:
    """A folder, read; AssertionError where it breaks a bar."""
    here = in_new_folder("folder")
    for place, kind, content in files:
        try:
            lay(here / place, kind, content)
        except (OSError, ValueError):
            continue  # this file system has no such name, or has it already

    def read() -> None:
        for split in ("train", "test"):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                reading = Reading(image_size=4, skip_unreadable=split == "test")
                assert_pictures(read_folder(here, split, reading))

    return judge.timed(lambda: judged(read))


def lay(path: Path, kind: str, content: bytes) -> None:
    """Make a file, folder, link or pipe; OSError if there is one of that name already."""
    if os.path.lexists(path):
        raise FileExistsError
    path.parent.mkdir(parents=True, exist_ok=True)
    if kind == "folder":
        path.mkdir()
    elif kind == "link":
        path.symlink_to(".")
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.write_bytes(content)


def check_archive(raw: bytes) -> judge.Verdict:
    """An archive, unpacked; AssertionError where it breaks a bar or leaves its folder."""
    here = in_new_folder("archive") / "inside"
    here.mkdir()
    (here / "a.tar.gz").write_bytes(raw)
    before = set(here.parent.parent.iterdir())

    def read() -> None:
        unpack(here / "a.tar.gz", "data")

    verdict = judge.timed(lambda: judged(read))
    assert {path.name for path in here.parent.iterdir()} == {"inside"}, "a file outside"
    assert set(here.parent.parent.iterdir()) == before, "a file outside"
    assert {path.name for path in here.iterdir()} <= {"a.tar.gz", "data"}, "a file beside"
    assert not any(path.is_symlink() for path in here.rglob("*")), "a link"
    return verdict


def check_batch(raw: bytes) -> judge.Verdict:
    """A pickled batch, read; AssertionError where it breaks a bar."""
    path = in_new_folder("batch") / "data_batch_1"
    path.write_bytes(raw)

    def read() -> None:
        load_arrays(path)

    return judge.timed(lambda: judged(read))


def judged(read: Any) -> tuple[str, str]:
    """Accepted or refused, and what was said."""
    try:
        read()
    except UserError as error:
        return "refused", str(error)
    return "accepted", ""


def assert_pictures(found: Pictures) -> None:
    """What was read is pictures with labels."""
    assert found.pixels.dtype == np.uint8
    assert found.pixels.ndim == 4
    assert len(found.pixels) == len(found.labels)
    assert not len(found.labels) or 0 <= found.labels.min() <= found.labels.max()
    assert not len(found.labels) or found.labels.max() < len(found.classes)
