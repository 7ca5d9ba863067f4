"""A user's own LightningDataModule, checked, with batches that depend on the seed alone."""

import copy
import inspect
import json
import logging
from collections.abc import Iterable, Iterator, Sized
from itertools import count
from typing import Any

import torch
from lightning.pytorch import LightningDataModule
from torch import Generator, Tensor
from torch.utils.data import DataLoader, SequentialSampler

from nas.common.class_paths import import_class
from nas.common.errors import UserError
from nas.data.batches import epoch_seed
from nas.data.catalog import Dataset, check_enough
from nas.data.pictures import DataError
from nas.data.splits import MIXING_SEED, mixed

log = logging.getLogger(__name__)


class UserData(LightningDataModule):
    """Offers what ImageData offers, on top of a module that `class_path` names or that was given.

    The module normalises and splits by itself, so `mean` and `std` are 0 and 1, its training
    pictures are evaluated as its training loader augments them, and its validation pictures are
    never trained on.
    """

    target_scale = 1.0

    def __init__(
        self,
        dataset: Dataset,
        *,
        batch_size: int,
        seed: int,
        train_on_validation: bool = False,
        given: LightningDataModule | None = None,
    ) -> None:
        super().__init__()
        assert dataset.image_shape is not None
        assert dataset.num_classes is not None
        self.dataset, self.seed, self.first_epoch = dataset, seed, 0
        self.image_shape, self.num_classes = dataset.image_shape, dataset.num_classes
        self.classes = tuple(str(label) for label in range(self.num_classes))
        self.mean, self.std = (0.0,) * self.image_shape[0], (1.0,) * self.image_shape[0]
        self.inner = _inner(dataset, batch_size, given)
        self._is_set_up = {"fit": False, "test": False}
        if train_on_validation:
            log.warning("%s: its validation part is not trained on.", source_of(dataset))

    def class_weights(self) -> Tensor:
        """How many pictures of each class there are is known to the module alone."""
        raise DataError(
            "training.class_weights: balanced weights need a data set whose pictures are counted "
            f"beforehand, and {source_of(self.dataset)} does not tell: write class_weights: none."
        )

    def prepare_data(self) -> None:
        self.inner.prepare_data()

    def setup(self, stage: str | None = None) -> None:
        self.inner.trainer = self.trainer
        self.inner.setup(stage)  # type: ignore[arg-type]
        self._is_set_up["test" if stage == "test" else "fit"] = True

    def teardown(self, stage: str | None = None) -> None:
        self.inner.teardown(stage)  # type: ignore[arg-type]

    def transfer_batch_to_device(
        self, batch: Any, device: torch.device, dataloader_idx: int
    ) -> Any:
        return self.inner.transfer_batch_to_device(batch, device, dataloader_idx)

    def on_before_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        return self.inner.on_before_batch_transfer(batch, dataloader_idx)

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        return self.inner.on_after_batch_transfer(batch, dataloader_idx)

    def check_enough(self) -> None:
        """Nothing is known of the pictures before the module is set up: see train_dataloader."""

    def train_dataloader(self) -> "IsolatedBatches":
        """Less a last batch of one picture, which batch normalisation cannot use."""
        batches = self._isolated("fit", "train_dataloader", epoch=self.first_epoch)
        if (found := sizes(batches.loader)) is not None:
            count, size = found
            check_enough(self.dataset, count, num_classes=self.num_classes, batch_size=size)
        batches.left_out = ends_with_one(batches.loader)
        return batches

    def train_evaluation_dataloader(self) -> "IsolatedBatches":
        """The pictures of the training loader, shuffled in the same way for every seed."""
        loader = self._isolated("fit", "train_dataloader").loader
        return IsolatedBatches(shuffled(loader), self.dataset, seed=MIXING_SEED, epoch=0)

    def val_dataloader(self) -> "IsolatedBatches":
        return self._isolated("fit", "val_dataloader", epoch=self.first_epoch)

    def test_dataloader(self) -> "IsolatedBatches":
        return self._isolated("test", "test_dataloader")

    def _isolated(self, stage: str, loader: str, epoch: int = 0) -> "IsolatedBatches":
        if not self._is_set_up[stage]:
            self.prepare_data()
            self.setup(stage)
        batches = getattr(self.inner, loader)()
        _check_length(batches, f"{source_of(self.dataset)}.{loader}()")
        return IsolatedBatches(batches, self.dataset, self.seed, epoch)


class IsolatedBatches:
    """A loader that runs on its own state of torch's generator, set by seed and epoch.

    What a network draws between two batches changes neither their order nor their augmentation.
    """

    def __init__(self, loader: Iterable[Any], dataset: Dataset, seed: int, epoch: int) -> None:
        self.loader, self.dataset, self.seed, self.epoch = loader, dataset, seed, epoch
        self.left_out = 0
        """Batches at the end that are not used."""

    def __len__(self) -> int:
        return len(self.loader) - self.left_out  # type: ignore[arg-type]

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        state = Generator().manual_seed(epoch_seed(self.seed, self.epoch)).get_state()
        self.epoch += 1
        iterator: Iterator[Any] | None = None
        for number in count():
            with torch.random.fork_rng(devices=[]):
                torch.set_rng_state(state)
                if iterator is None:
                    iterator = iter(self.loader)
                batch = next(iterator, None)
                state = torch.get_rng_state()
            if batch is None or (self.left_out and number == len(self)):
                return
            _check_batch(batch, self.dataset)
            yield batch


def shuffled(loader: Iterable[Any]) -> Iterable[Any]:
    """The loader itself, or one that is shuffled where it goes through a data set in file order."""
    if not isinstance(loader, DataLoader) or loader.batch_size is None:
        return loader
    if not isinstance(loader.sampler, SequentialSampler):
        return loader
    return DataLoader(
        loader.dataset,
        batch_size=loader.batch_size,
        sampler=mixed(len(loader.sampler)).tolist(),
        num_workers=loader.num_workers,
        collate_fn=loader.collate_fn,
        worker_init_fn=loader.worker_init_fn,
    )


def sizes(loader: Iterable[Any]) -> tuple[int, int] | None:
    """Pictures of an epoch and of a batch; None where the loader does not tell."""
    if not isinstance(loader, DataLoader) or not isinstance(loader.sampler, Sized):
        return None
    return None if loader.batch_size is None else (len(loader.sampler), loader.batch_size)


def ends_with_one(loader: Iterable[Any]) -> bool:
    """Whether the last batch is known to be one picture, the others being more."""
    count, size = sizes(loader) or (0, 1)
    return size > 1 and count % size == 1 and not getattr(loader, "drop_last", False)


def source_of(dataset: Dataset) -> str:
    """What yields the batches, to be named in a message."""
    return dataset.class_path or "the data object"


def _check_length(batches: Any, what: str) -> None:
    try:
        len(batches)
    except TypeError as error:
        raise DataError(
            f"{what} has no length, and the learning rate follows the steps of an epoch: give the "
            "data set a __len__, which an IterableDataset has not by itself."
        ) from error


def _check_batch(batch: Any, dataset: Dataset) -> None:
    what = source_of(dataset)
    if not (isinstance(batch, list | tuple) and len(batch) == 2):
        raise DataError(
            f"{what} yields a {type(batch).__name__}, and a pair (pictures, labels) is needed."
        )
    x, y = batch
    if not (isinstance(x, Tensor) and isinstance(y, Tensor) and x.dim() and len(x)):
        raise DataError(
            f"{what} yields a pair of {type(x).__name__} and {type(y).__name__}, and "
            "tensors of one picture or more are needed."
        )
    if tuple(x.shape[1:]) != dataset.image_shape or not x.is_floating_point():
        raise DataError(
            f"{what} yields pictures {tuple(x.shape[1:])} of {x.dtype}; "
            f"dataset.image_shape promises floats of {dataset.image_shape}."
        )
    if y.shape != x.shape[:1] or y.dtype != torch.int64:
        raise DataError(
            f"{what} yields labels {tuple(y.shape)} of {y.dtype}; one int64 for each "
            "picture is needed."
        )
    if y.min() < 0 or y.max() >= (dataset.num_classes or 0):
        raise DataError(
            f"{what} yields labels from {y.min()} to {y.max()}; dataset.num_classes "
            f"promises 0 to {(dataset.num_classes or 0) - 1}."
        )


def _inner(
    dataset: Dataset, batch_size: int, given: LightningDataModule | None
) -> LightningDataModule:
    """The user's module: made from its class, or a copy of the one given, which shares its data."""
    if dataset.class_path is not None:
        return _instantiate(dataset.class_path, dataset.init_args, batch_size)
    if given is None:
        raise DataError("dataset.name: the object that the pictures come from was not handed over.")
    inner = copy.copy(given)
    if hasattr(inner, "batch_size"):
        inner.batch_size = batch_size
    return inner


def _instantiate(class_path: str, init_args: str, batch_size: int) -> LightningDataModule:
    """The module, given `batch_size` too where it takes one and `init_args` does not set it."""
    try:
        kind = import_class(class_path, "dataset.class_path", LightningDataModule)
    except UserError as error:
        raise DataError(str(error)) from error
    arguments = json.loads(init_args)
    if "batch_size" in inspect.signature(kind).parameters:
        arguments = {"batch_size": batch_size, **arguments}
    try:
        return kind(**arguments)
    except TypeError as error:
        raise DataError(
            f"{class_path} does not take dataset.init_args {init_args}: {error}."
        ) from error
