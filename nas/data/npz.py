"""Pictures and labels in one `.npz` file: x_train, y_train, x_test, y_test, or x and y."""

import math
import os
import zipfile
from pathlib import Path

import numpy as np
from numpy.lib import format as npy

from nas.common.machine import available_memory
from nas.data.pictures import DataError, Pictures
from nas.data.splits import held_out_test

SPLIT_NAMES = ("x_train", "y_train", "x_test", "y_test")
WHOLE_NAMES = ("x", "y")
LARGEST_LABEL = 2**31


def peek(path: Path) -> tuple[tuple[int, int, int], int]:
    """((channels, height, width), classes), from the header of the pictures and from the labels."""
    x_name, y_name = _names(path)[:2]
    image_shape = _nchw_shape(path, x_name, _header(path, x_name)[0])[1:]
    return image_shape, _num_classes(path, y_name, _load(path, y_name))


def read_npz(path: Path, split: str) -> Pictures:
    """One split of the file; without test arrays, a fixed fifth of each class is the test split."""
    names = _names(path)
    has_test = len(names) == len(SPLIT_NAMES)
    train_labels = _load(path, names[1])
    num_classes = _num_classes(path, names[1], train_labels)
    x_name, y_name = names[2:] if has_test and split == "test" else names[:2]
    pixels = _pixels(path, x_name, _load(path, x_name))
    labels = _labels(path, y_name, train_labels if y_name == names[1] else _load(path, y_name))
    if len(labels) != len(pixels):
        raise DataError(
            f"'{path}': {len(pixels):,} pictures in {x_name}, {len(labels):,} labels in {y_name}."
        )
    if labels.max() >= num_classes:
        raise DataError(
            f"'{path}': {y_name} holds the label {labels.max()}, and {names[1]} has only 0 to "
            f"{num_classes - 1}."
        )
    chosen = slice(None) if has_test else held_out_test(labels, split)
    classes = tuple(str(label) for label in range(num_classes))
    return Pictures(pixels[chosen], labels[chosen], classes)


def _names(path: Path) -> tuple[str, ...]:
    """The arrays to read, after a look at what there is."""
    if not os.path.isfile(path):  # which a path too long does not make fall
        raise DataError(f"dataset.path: there is no file '{path}' to read pictures from.")
    try:
        with zipfile.ZipFile(path) as archive:
            files = [name for name in archive.namelist() if name.endswith(".npy")]
    except Exception as error:  # a damaged archive can raise anything
        raise _damaged(path, error) from error
    there = {name.removesuffix(".npy") for name in files}
    for names in (SPLIT_NAMES, WHOLE_NAMES):
        if there.issuperset(names):
            return names
    raise DataError(
        f"'{path}' holds {', '.join(sorted(there))[:200] or 'no arrays'}; needed are the arrays "
        f"{', '.join(SPLIT_NAMES)}, or {' and '.join(WHOLE_NAMES)}."
    )


def _load(path: Path, name: str) -> np.ndarray:
    """An array of plain numbers that fits into memory."""
    shape, dtype = _header(path, name)
    if dtype.hasobject or dtype.kind not in "biuf":
        raise DataError(f"'{path}': {name} holds {dtype}; numbers are needed.")
    size = math.prod(shape) * dtype.itemsize
    if size > available_memory() * 3 // 4:
        raise DataError(f"'{path}': {name} needs {size:,} bytes, more than the memory has free.")
    try:
        with np.load(path, allow_pickle=False) as archive:
            return archive[name]
    except Exception as error:  # a damaged archive can raise anything
        raise _damaged(path, error) from error


def _header(path: Path, name: str) -> tuple[tuple[int, ...], np.dtype]:
    """Shape and type of an array, without reading it."""
    try:
        with zipfile.ZipFile(path) as archive, archive.open(f"{name}.npy") as member:
            version = npy.read_magic(member)
            read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
            shape, _, dtype = read(member)
            return shape, dtype
    except Exception as error:  # a damaged archive can raise anything
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> DataError:
    return DataError(f"'{path}' cannot be read as an .npz of plain arrays ({error}); save it anew.")


def _nchw_shape(path: Path, name: str, shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    """Sizes as (N, C, H, W): of axes 1 and 3 the shorter one is the channels, axis 1 if alike."""
    if len(shape) not in (3, 4) or min(shape) < 1:
        raise DataError(
            f"'{path}': {name} has the shape {shape}; pictures are (N, C, H, W), (N, H, W, C) or "
            "(N, H, W), and at least one."
        )
    if len(shape) == 3:
        return shape[0], 1, shape[1], shape[2]
    n, a, b, c = shape
    return (n, c, a, b) if c < a else (n, a, b, c)


def _pixels(path: Path, name: str, values: np.ndarray) -> np.ndarray:
    """Values as uint8 (N, C, H, W)."""
    shape = _nchw_shape(path, name, values.shape)
    if values.ndim == 4 and values.shape[1:] != shape[1:]:
        values = values.transpose(0, 3, 1, 2)
    return np.ascontiguousarray(_as_bytes(path, name, values)).reshape(shape)


def _as_bytes(path: Path, name: str, values: np.ndarray) -> np.ndarray:
    if values.dtype == np.uint8:
        return values
    is_float = values.dtype.kind == "f"
    if not is_float or not (values.min() >= 0 and values.max() <= 1):  # also true of NaN
        raise DataError(
            f"'{path}': {name} holds {values.dtype} from {values.min()} to {values.max()}; pixels "
            "are uint8 from 0 to 255 or floats from 0 to 1."
        )
    return np.rint(values * 255).astype(np.uint8)


def _labels(path: Path, name: str, values: np.ndarray) -> np.ndarray:
    """Labels as int64 (N,); a column (N, 1) will do."""
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim != 1 or not np.issubdtype(values.dtype, np.integer) or not len(values):
        raise DataError(
            f"'{path}': {name} holds {values.dtype} of shape {values.shape}; labels are integers, "
            "one for each picture."
        )
    if values.min() < 0 or values.max() > LARGEST_LABEL:
        wrong = values.min() if values.min() < 0 else values.max()
        raise DataError(f"'{path}': {name} holds the label {wrong}; labels count from 0.")
    return values.astype(np.int64)


def _num_classes(path: Path, name: str, values: np.ndarray) -> int:
    """Every class from 0 to the largest label has training pictures, and there are two or more."""
    found = np.unique(_labels(path, name, values))
    if len(found) < 2 or found[-1] != len(found) - 1:
        raise DataError(
            f"'{path}': {name} holds {len(found)} different labels from {found[0]} to {found[-1]}; "
            "there must be two classes or more, numbered from 0 without gaps."
        )
    return len(found)
