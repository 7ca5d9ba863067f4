"""Data sets: pictures in memory as uint8, cut into batches and augmented with tensor operations.

The names below are loaded when first used, so that reading settings needs neither torch nor numpy.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nas.data.batches import Batches as Batches
    from nas.data.catalog import Dataset as Dataset
    from nas.data.catalog import shape as shape
    from nas.data.locate import ensure as ensure
    from nas.data.module import ImageData as ImageData
    from nas.data.module import open_data as open_data
    from nas.data.pictures import DataError as DataError

_HOMES = {
    "Batches": "batches",
    "DataError": "pictures",
    "Dataset": "catalog",
    "ImageData": "module",
    "ensure": "locate",
    "open_data": "module",
    "shape": "catalog",
}
__all__ = [
    *_HOMES,
    "augment",
    "catalog",
    "facts",
    "given",
    "module",
    "pictures",
    "survey",
    "tables",
    "user",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
