"""Pictures and labels in one `.npz` file, with or without arrays for validation and test."""

import math
import os
import zipfile
from pathlib import Path

import numpy as np
from numpy.lib import format as npy

from nas.common.machine import available_memory
from nas.data.pictures import DataError, Pictures, some
from nas.data.splits import held_out_test

#: split -> names of its pictures and labels, in each of the ways that are known
NAMES = (
    {
        "train": ("x_train", "y_train"),
        "validation": ("x_val", "y_val"),
        "test": ("x_test", "y_test"),
    },
    {  # MedMNIST (Yang et al. 2023)
        "train": ("train_images", "train_labels"),
        "validation": ("val_images", "val_labels"),
        "test": ("test_images", "test_labels"),
    },
    {"train": ("x", "y")},
    {"train": ("images", "labels")},
)
LARGEST_LABEL = 2**31
#: an axis of no more entries can be that of the channels, unless `dataset.layout` says it
MOST_CHANNELS = 4
#: what rounding to 8 bits may change, as a share of the deviation of the values
MOST_LOST = 0.05
CHUNK = 256  # pictures converted together


def peek(path: Path, layout: str | None = None) -> tuple[tuple[int, int, int], int]:
    """((channels, height, width), classes), from the header of the pictures and from the labels."""
    x_name, y_name = array_names(path)["train"]
    image_shape = _nchw_shape(path, x_name, _header(path, x_name)[0], layout)[1:]
    return image_shape, _num_classes(path, y_name, load_array(path, y_name))


def read_npz(path: Path, split: str, layout: str | None = None) -> Pictures:
    """One split of the file; without test arrays, a fixed fifth of each class is the test split."""
    names = array_names(path)
    num_classes = _num_classes(path, names["train"][1], load_array(path, names["train"][1]))
    x_name, y_name = names.get(split, names["train"])
    pixels = _pixels(path, x_name, load_array(path, x_name), layout)
    labels = _labels(path, y_name, load_array(path, y_name))
    if len(labels) != len(pixels):
        raise DataError(
            f"'{path}': {len(pixels):,} pictures in {x_name}, {len(labels):,} labels in {y_name}."
        )
    if labels.max() >= num_classes:
        raise DataError(
            f"'{path}': {y_name} holds the label {labels.max()}, and {names['train'][1]} has only "
            f"0 to {num_classes - 1}."
        )
    held_out = "test" not in names and split != "validation"
    chosen = held_out_test(labels, split) if held_out else slice(None)
    classes = tuple(str(label) for label in range(num_classes))
    return Pictures(pixels[chosen], labels[chosen], classes)


def array_names(path: Path) -> dict[str, tuple[str, str]]:
    """Split -> names of the arrays with its pictures and labels."""
    there = arrays_in(path)
    for known in NAMES:
        if there.issuperset(known["train"]):
            for names in known.values():
                alone = there.intersection(names)
                if len(alone) == 1:
                    raise DataError(
                        f"dataset.path: '{path}' holds {some(alone)} without "
                        f"{some({*names} - alone)}; pictures and labels go together."
                    )
            return {split: names for split, names in known.items() if there.issuperset(names)}
    ways = ", or ".join(" and ".join(known["train"]) for known in NAMES)
    raise DataError(
        f"dataset.path: '{path}' holds {some(sorted(there)) or 'no arrays'}; needed are the arrays "
        f"{ways}; with those for validation and test beside them, as in x_val and y_test."
    )


def unread_arrays(path: Path) -> list[str]:
    """Arrays of the file that may be pictures and are not read."""
    read = {name for names in array_names(path).values() for name in names}
    return [name for name in sorted(arrays_in(path) - read) if len(_header(path, name)[0]) > 2]


def arrays_in(path: Path) -> set[str]:
    """The names of all arrays in the file."""
    if not os.path.isfile(path):  # which a path too long does not make fall
        raise DataError(f"dataset.path: there is no file '{path}' to read pictures from.")
    try:
        with zipfile.ZipFile(path) as archive:
            files = [name for name in archive.namelist() if name.endswith(".npy")]
    except Exception as error:  # a damaged archive can raise anything
        raise _damaged(path, error) from error
    return {name.removesuffix(".npy") for name in files}


def load_array(path: Path, name: str) -> np.ndarray:
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


def _nchw_shape(
    path: Path, name: str, shape: tuple[int, ...], layout: str | None
) -> tuple[int, int, int, int]:
    """Sizes as (N, C, H, W)."""
    if len(shape) not in (3, 4) or min(shape) < 1:
        raise DataError(
            f"'{path}': {name} has the shape {shape}; pictures are (N, C, H, W), (N, H, W, C) or "
            "(N, H, W), and at least one."
        )
    if len(shape) == 3:
        return shape[0], 1, shape[1], shape[2]
    n, a, b, c = shape
    return (n, c, a, b) if _is_nhwc(path, name, shape, layout) else (n, a, b, c)


def _is_nhwc(path: Path, name: str, shape: tuple[int, ...], layout: str | None) -> bool:
    """Whether the last axis is that of the channels: as said, or where it alone can be; of two that
    can, the one that leaves a square."""
    if layout is not None:
        return layout == "NHWC"
    _, a, b, c = shape
    possible = [("NCHW", a, b == c), ("NHWC", c, a == b)]
    few = [(layout, square) for layout, count, square in possible if count <= MOST_CHANNELS]
    likely = few if len(few) == 1 else [one for one in few if one[1]]
    if len(likely) != 1:
        raise DataError(
            f"dataset.layout: '{path}': {name} has the shape {shape}, which may be {a} channels of "
            f"{b}x{c} pixels or {c} channels of {a}x{b}; write layout: NCHW for the former, "
            "layout: NHWC for the latter."
        )
    return likely[0][0] == "NHWC"


def _pixels(path: Path, name: str, values: np.ndarray, layout: str | None) -> np.ndarray:
    """Values as uint8 (N, C, H, W)."""
    shape = _nchw_shape(path, name, values.shape, layout)
    if values.ndim == 4 and _is_nhwc(path, name, values.shape, layout):
        values = values.transpose(0, 3, 1, 2)
    return np.ascontiguousarray(_as_bytes(path, name, values)).reshape(shape)


def _as_bytes(path: Path, name: str, values: np.ndarray) -> np.ndarray:
    """Floats from 0 to 1 as bytes; DataError where 8 bits cannot hold them."""
    if values.dtype == np.uint8:
        return values
    is_float = values.dtype.kind == "f"
    if not is_float or not (values.min() >= 0 and values.max() <= 1):  # also true of NaN
        raise DataError(
            f"'{path}': {name} holds {values.dtype} from {values.min()} to {values.max()}; pixels "
            "are uint8 from 0 to 255 or floats from 0 to 1."
        )
    out = np.empty(values.shape, dtype=np.uint8)
    sums = np.zeros(3)  # of values, of their squares, of squared changes
    for start in range(0, len(values), CHUNK):
        scaled = values[start : start + CHUNK] * np.float64(255)
        rounded = np.rint(scaled)
        out[start : start + CHUNK] = rounded
        sums += scaled.sum(), np.square(scaled).sum(), np.square(scaled - rounded).sum()
    mean, square, lost = sums / values.size
    if lost > max(MOST_LOST**2 * (square - mean**2), 1e-6):
        raise DataError(
            f"'{path}': {name} holds floats from {values.min():g} to {values.max():g}, which 8 "
            "bits cannot hold: rounding changes them too much for their spread. Scale them to fill "
            "0 to 1, or save them as uint8 from 0 to 255."
        )
    return out


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
