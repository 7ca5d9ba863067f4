"""Read a pickled CIFAR batch: a dictionary of lists, words and arrays of bytes, no more."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nas.data.pickle_steps import MISFIT, Machine, UnsuitableError
from nas.data.pictures import DataError

#: of a file: nearly twice CIFAR-100
MOST_BYTES = 2**28
#: the kinds of what a batch names or makes
ARRAY_TYPE, NUMBER_TYPE, MAKE_ARRAY, ARRAY, BYTE = range(5)
#: old and new homes of numpy's one function; the published files were written by Python 2
KNOWN = {
    "numpy.core.multiarray._reconstruct": MAKE_ARRAY,
    "numpy._core.multiarray._reconstruct": MAKE_ARRAY,
    "numpy.ndarray": ARRAY_TYPE,
    "numpy.dtype": NUMBER_TYPE,
}


@dataclass(eq=False)
class Part:
    """A part of numpy that a batch names, or what it would make; `array` once that is known."""

    kind: int
    array: np.ndarray | None = None


class Batch(Machine):
    """What the names in a batch mean: the parts of arrays of bytes."""

    def named(self, name: str) -> Part:
        """One of the four names; UnsuitableError for any other."""
        if name not in KNOWN:
            raise UnsuitableError(f"it asks for {name}")
        return Part(KNOWN[name])

    def called(self, function: Any, arguments: Any) -> Part:
        """An array that is to be filled, or the type of its numbers."""
        kind = function.kind if isinstance(function, Part) else None
        if kind == MAKE_ARRAY:
            return Part(ARRAY)
        if kind == NUMBER_TYPE and arguments[0] in (b"u1", "u1"):
            return Part(BYTE)
        raise UnsuitableError("it makes something else than arrays of bytes")

    def fill(self, target: Any, state: Any) -> None:
        """The values of an array; what a type of numbers is given says nothing of bytes."""
        kind = target.kind if isinstance(target, Part) else None
        if kind == ARRAY:
            target.array = array_of(*state)
        elif kind != BYTE:
            raise UnsuitableError("it fills something else than arrays of bytes")


def array_of(_: Any, shape: Any, numbers: Any, by_columns: Any, values: Any) -> np.ndarray:
    """The array of a state as numpy writes it, in the memory of its bytes."""
    if not isinstance(numbers, Part) or numbers.kind != BYTE or not isinstance(values, bytes):
        raise UnsuitableError("it has an array of something else than bytes")
    known = isinstance(shape, tuple) and len(shape) <= 4 and all(type(n) is int for n in shape)
    if not known or math.prod(shape) != len(values):
        raise UnsuitableError("it has an array of another shape than its values")
    flat = np.frombuffer(values, np.uint8)
    return flat.reshape(shape, order="F" if by_columns is True else "C")


def load_arrays(path: Path) -> dict[bytes, Any]:
    """The pickled dictionary of bytes -> arrays, lists and bytes in `path`."""
    try:
        size = path.stat().st_size
        if size > MOST_BYTES:
            raise UnsuitableError(f"it has {size:,} bytes")
        with path.open("rb") as stream:
            content = Batch(stream, size).run()
    except (UnsuitableError, OSError) as error:
        raise refused(path, str(error)) from error
    except MISFIT as error:
        raise refused(path, "its steps do not fit together") from error
    if not isinstance(content, dict):
        raise refused(path, f"it holds a {type(content).__name__}")
    return {key: v.array if isinstance(v, Part) else v for key, v in content.items()}


def refused(path: Path, why: str) -> DataError:
    """What is wrong with a file, and where to get another."""
    return DataError(
        f"'{path}' was refused: a pickle of arrays was expected, and {why}. "
        "Get the file anew, or better the binary version of the data set."
    )
