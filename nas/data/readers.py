"""Read one split of a data set into memory: one function for each name in a `dataset:` section."""

import gzip
import math
import struct
import zlib
from pathlib import Path

import numpy as np

from nas.data.catalog import Dataset, source_path
from nas.data.facts import DATASETS
from nas.data.folder import Reading, read_folder
from nas.data.locate import FileLayout, cifar, fashion_mnist, idx_file
from nas.data.npz import read_npz
from nas.data.pictures import DataError, Pictures
from nas.data.splits import held_out_test
from nas.data.unpickle import load_arrays

CIFAR_SHAPE = (3, 32, 32)
CIFAR_PIXELS = 3 * 32 * 32
MOST_BYTES = 2**28  # of an IDX file: five times Fashion-MNIST
IDX_MAGIC = {1: 2049, 3: 2051}  # unsigned bytes, by number of dimensions


def read(dataset: Dataset, data_dir: Path, split: str) -> Pictures:
    """The "train" or "test" pictures of a data set at their stored size."""
    if dataset.name == "folder":
        return read_folder(source_path(dataset), split, reading_of(dataset))
    if dataset.name == "npz":
        return read_npz(source_path(dataset), split, dataset.layout)
    pictures = DATASETS[dataset.name](data_dir, split, **dataset.options)
    return as_known(pictures, dataset.name, split)


def as_known(pictures: Pictures, name: str, split: str) -> Pictures:
    """The pictures of a registered data set; DataError where they are not what is known of it."""
    known = DATASETS[name]
    count = known.num_test if split == "test" else known.num_train
    expected = (count, known.channels, known.image_size, known.image_size)
    pixels, labels, classes = pictures
    if pixels.shape != expected or str(pixels.dtype) != "uint8":
        raise DataError(
            f"dataset {name}: the {split} pictures are {pixels.dtype} {pixels.shape}, and uint8 "
            f"{expected} were expected."
        )
    if labels.shape != (count,) or tuple(classes) != known.classes:
        raise DataError(
            f"dataset {name}: {count:,} labels of the classes {', '.join(known.classes)} were "
            f"expected, and {labels.shape} of {', '.join(map(str, classes))} were read."
        )
    if labels.min() < 0 or labels.max() >= len(classes):
        raise DataError(f"dataset {name}: labels must be 0 to {len(classes) - 1}.")
    return pictures


def reading_of(dataset: Dataset) -> Reading:
    """How the files of a folder are read."""
    return Reading(
        image_size=dataset.image_size,
        channels=dataset.channels or 3,
        background=dataset.background or "#ffffff",
        skip_unreadable=dataset.unreadable == "skip",
    )


def read_digits(data_dir: Path, split: str) -> Pictures:
    """scikit-learn's 1,797 digits of 8x8 pixels, whose values 0..16 become 0..255."""
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    pixels = np.rint(images * (255 / 16)).astype(np.uint8).reshape(-1, 1, 8, 8)
    chosen = held_out_test(labels, split, DATASETS["digits"].num_test)
    return Pictures(pixels[chosen], labels[chosen].astype(np.int64), DATASETS["digits"].classes)


def read_cifar10(data_dir: Path, split: str) -> Pictures:
    return _read_cifar("cifar10", data_dir, split)


def read_cifar100(data_dir: Path, split: str) -> Pictures:
    return _read_cifar("cifar100", data_dir, split)


def read_fashion_mnist(data_dir: Path, split: str) -> Pictures:
    """70,000 grey pictures of 28x28 pixels in IDX files."""
    facts = DATASETS["fashion_mnist"]
    folder = fashion_mnist(data_dir)
    prefix, count = ("t10k", facts.num_test) if split == "test" else ("train", facts.num_train)
    pixels, _ = _read_idx_of(folder, f"{prefix}-images-idx3-ubyte", (count, 28, 28))
    labels, path = _read_idx_of(folder, f"{prefix}-labels-idx1-ubyte", (count,))
    _check_labels(path, labels, len(facts.classes))
    return Pictures(pixels[:, None], labels.astype(np.int64), facts.classes)


def _read_cifar(name: str, data_dir: Path, split: str) -> Pictures:
    """Fill one array file by file: no second copy of the pictures is ever made."""
    folder, layout = cifar(name, data_dir)
    files = layout.files(split)
    classes = DATASETS[name].classes
    total = sum(count for _, count in files)
    pixels = np.empty((total, *CIFAR_SHAPE), dtype=np.uint8)
    labels = np.empty(total, dtype=np.int64)
    start = 0
    for file, count in files:
        path, rows = folder / file, slice(start, start + count)
        labels[rows], flat = _read_batch(path, count, layout)
        _check_labels(path, labels[rows], len(classes))
        pixels[rows] = flat.reshape(-1, *CIFAR_SHAPE)
        start += count
    return Pictures(pixels, labels, classes)


def _read_batch(path: Path, count: int, layout: FileLayout) -> tuple[np.ndarray, np.ndarray]:
    """Labels (count,) and pixels (count, 3072) of one CIFAR file."""
    if not path.is_file():
        raise DataError(
            f"'{path.name}' is missing in '{path.parent}'; complete the folder, or remove it and "
            "it is downloaded again."
        )
    read_one = _read_binary if layout.label_bytes else _read_pickle
    return read_one(path, count, layout)


def _read_binary(path: Path, count: int, layout: FileLayout) -> tuple[np.ndarray, np.ndarray]:
    """Records of label bytes, then the red, green and blue planes."""
    record = layout.label_bytes + CIFAR_PIXELS
    size = path.stat().st_size
    if size != count * record:
        raise DataError(
            f"'{path}' has {size:,} bytes, and {count * record:,} were expected; it is incomplete "
            "or another file. Remove its folder, and it is downloaded again."
        )
    records = np.fromfile(path, dtype=np.uint8).reshape(count, record)
    return records[:, layout.label_bytes - 1], records[:, layout.label_bytes :]


def _read_pickle(path: Path, count: int, layout: FileLayout) -> tuple[np.ndarray, np.ndarray]:
    content = load_arrays(path)
    pixels, labels = content.get(b"data"), content.get(layout.label_key)
    if (
        not isinstance(pixels, np.ndarray)
        or pixels.dtype != np.uint8
        or not isinstance(labels, list)
        or not all(type(label) is int and 0 <= label < 1000 for label in labels)
    ):
        raise DataError(f"'{path}' holds no arrays of a CIFAR batch; get the file anew.")
    if pixels.shape != (count, CIFAR_PIXELS) or len(labels) != count:
        raise DataError(
            f"'{path}' holds pictures {pixels.shape} and {len(labels):,} labels, and "
            f"({count}, {CIFAR_PIXELS}) and {count:,} were expected; get the file anew."
        )
    return np.array(labels), pixels


def _read_idx_of(folder: Path, name: str, shape: tuple[int, ...]) -> tuple[np.ndarray, Path]:
    path = idx_file(folder, name)
    if path is None:
        raise DataError(f"'{name}' is missing in '{folder}', gzipped or not; put it there.")
    values = read_idx(path, len(shape))
    if values.shape != shape:
        raise DataError(f"'{path}' holds an array {values.shape}, and {shape} was expected.")
    return values, path


def read_idx(path: Path, ndim: int) -> np.ndarray:
    """The array of unsigned bytes in an IDX file: big-endian magic number, sizes, then values."""
    opened = gzip.open if path.suffix == ".gz" else open
    start = 4 * (1 + ndim)
    try:
        with opened(path, "rb") as stream:
            head = stream.read(start).ljust(start, b"\0")
            magic, *shape = struct.unpack(f">{1 + ndim}I", head)
            content = stream.read(min(math.prod(shape), MOST_BYTES) + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"'{path}' is damaged ({error}); get the file anew.") from error
    if magic != IDX_MAGIC[ndim]:
        raise DataError(f"'{path}' is not an IDX file of {ndim} dimensions; get the file anew.")
    if len(content) != math.prod(shape):
        raise DataError(
            f"'{path}' does not hold the {math.prod(shape):,} values that it promises, unpacked; "
            "it is incomplete or another file, get it anew."
        )
    return np.frombuffer(bytearray(content), dtype=np.uint8).reshape(shape)


def _check_labels(path: Path, labels: np.ndarray, num_classes: int) -> None:
    if labels.min() < 0 or labels.max() >= num_classes:
        wrong = labels.max() if labels.min() >= 0 else labels.min()
        raise DataError(
            f"'{path}' holds the label {wrong}, and 0 to {num_classes - 1} were expected; it is "
            "damaged or another file."
        )
