"""A LightningDataModule made of torch Datasets."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from lightning.pytorch import LightningDataModule
from torch.utils.data import DataLoader, Dataset, Subset

from nas.data.pictures import DataError
from nas.data.splits import held_out_test, stratified

SPLITS = ("train", "validation", "test")


def as_module(data: Any) -> LightningDataModule:
    """A module as it is, or one made of a Dataset or of a mapping from splits to Datasets."""
    if isinstance(data, LightningDataModule):
        return data
    if isinstance(data, Dataset):
        return DatasetModule(data)
    if isinstance(data, Mapping) and "train" in data and set(data) <= {*SPLITS}:
        return DatasetModule(**data)
    raise DataError(
        f"data= is a {type(data).__name__}: give a LightningDataModule of lightning.pytorch, a "
        "torch Dataset, or a mapping of 'train', 'validation' and 'test' to such Datasets."
    )


class DatasetModule(LightningDataModule):
    """Batches of torch Datasets whose items are a picture, float (C, H, W), and its label.

    Where no test split is given a fifth of each class is held out for it, and where no validation
    split is, a tenth of the rest: the same pictures in every process.
    """

    def __init__(self, train: "Dataset[Any]", validation: Any = None, test: Any = None) -> None:
        super().__init__()
        labels = labels_of(train)
        rows = np.arange(len(labels))
        if test is None:
            test = Subset(train, held_out_test(labels, "test").tolist())
            rows = held_out_test(labels, "train")
        if validation is None:
            held, rest = stratified(labels[rows], max(1, len(rows) // 10), seed=0, spare=1)
            validation, rows = Subset(train, rows[held].tolist()), rows[rest]
        self.splits = {"train": Subset(train, rows.tolist()), "val": validation, "test": test}
        self.batch_size = 128

    def train_dataloader(self) -> "DataLoader[Any]":
        return DataLoader(self.splits["train"], self.batch_size, shuffle=True)

    def val_dataloader(self) -> "DataLoader[Any]":
        return DataLoader(self.splits["val"], self.batch_size)

    def test_dataloader(self) -> "DataLoader[Any]":
        return DataLoader(self.splits["test"], self.batch_size)


def labels_of(dataset: "Dataset[Any]") -> np.ndarray:
    """The labels of all items, int64 (N,): its `targets` or `labels` where there are as many, else
    those of the items, which are looked at one by one."""
    try:
        count = len(dataset)  # type: ignore[arg-type]
    except TypeError as error:
        raise DataError(
            f"data=: {type(dataset).__name__} has no length: give it a __len__ and a __getitem__."
        ) from error
    for name in ("targets", "labels"):
        known = getattr(dataset, name, None)
        if isinstance(known, list | tuple | np.ndarray | torch.Tensor) and len(known) == count:
            return checked(torch.as_tensor(np.asarray(known)))
    return checked(torch.as_tensor([int(dataset[index][1]) for index in range(count)]))


def checked(labels: torch.Tensor) -> np.ndarray:
    """Labels, if they are whole numbers from 0 on."""
    if labels.dim() != 1 or labels.is_floating_point() or not len(labels) or labels.min() < 0:
        raise DataError("data=: the labels of a Dataset are whole numbers from 0, one a picture.")
    return labels.long().numpy()
