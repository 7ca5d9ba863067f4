"""Read a pickled CIFAR batch without letting it run anything.

A pickle is a small program that may call any function by name. This reader lets it name what numpy
needs to rebuild an array, and nothing else.
"""

import pickle
from pathlib import Path
from typing import Any

import numpy as np

from nas.data.pictures import DataError

# Old and new homes of numpy's one function; the published files were written by Python 2.
_ALLOWED = {
    ("numpy.core.multiarray", "_reconstruct"): np.zeros(0).__reduce__()[0],
    ("numpy._core.multiarray", "_reconstruct"): np.zeros(0).__reduce__()[0],
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
}


class _ArraysOnly(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}")
        return _ALLOWED[module, name]


def load_arrays(path: Path) -> dict[bytes, Any]:
    """The pickled dictionary of bytes -> arrays, lists and bytes in `path`."""
    try:
        with path.open("rb") as stream:
            content = _ArraysOnly(stream, encoding="bytes").load()
    except Exception as error:  # a damaged pickle can raise anything
        raise DataError(
            f"'{path}' was refused: a pickle of arrays was expected, and {error}. "
            "Get the file anew, or better the binary version of the data set."
        ) from error
    if not isinstance(content, dict):
        raise DataError(f"'{path}' holds a {type(content).__name__}, not a dictionary.")
    return content
