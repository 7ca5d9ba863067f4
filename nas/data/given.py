"""Pictures that a Python program hands over as an object."""

from typing import TYPE_CHECKING, Any

from nas.data.catalog import Dataset
from nas.data.pictures import DataError

if TYPE_CHECKING:
    from lightning.pytorch import LightningDataModule


def given_module(dataset: Dataset, data: Any) -> "LightningDataModule | None":
    """What `data` is, as a module that worker processes can be given; None for other data sets.

    `data` is a LightningDataModule, a torch Dataset, or a mapping of "train", "validation" and
    "test" to such Datasets. DataError where a space takes its pictures from an object and there is
    none, or the reverse.
    """
    if dataset.name == "object":
        return _taken(data)
    if data is not None:
        raise DataError(
            "dataset.name: data= is for a space with `dataset: {name: object, ...}`, and this one "
            f"takes its pictures from {dataset.class_path or dataset.name}."
        )
    return None


def _taken(data: Any) -> "LightningDataModule":
    if data is None:
        raise DataError(
            "dataset.name: this space takes its pictures from an object that a Python program "
            "hands over: nas.search(space, data=...), nas.export(study, data=...)."
        )
    from multiprocessing.reduction import ForkingPickler

    from nas.data.torch_datasets import as_module

    module = as_module(data)
    try:
        ForkingPickler.dumps(module)
    except Exception as error:  # an object can refuse in its own way
        raise DataError(
            f"data= cannot be given to worker processes ({error}): keep open files, lambdas and "
            "classes made inside functions out of it."
        ) from error
    return module
