"""The data of one training run, as Lightning takes it."""

from pathlib import Path

import numpy as np
import torch
from lightning.pytorch import LightningDataModule
from torch import Tensor

from nas.data.batches import Batches
from nas.data.catalog import FROM_CODE, TABLE, Dataset, check_enough, has_validation, split_sizes
from nas.data.pictures import DataError
from nas.data.resident import Resident, channel_statistics, resident
from nas.data.splits import mixed, stratified
from nas.data.user import UserData


def open_data(
    dataset: Dataset,
    *,
    data_dir: Path,
    batch_size: int,
    seed: int,
    train_on_validation: bool = False,
    device: str | torch.device = "cpu",
    given: LightningDataModule | None = None,
) -> "ImageData | UserData":
    """The batches of a data set; `seed` moves their order and augmentation, not the splits.

    `given` is the module of a data set that a Python program hands over.
    """
    if dataset.name in FROM_CODE:
        return UserData(
            dataset,
            batch_size=batch_size,
            seed=seed,
            train_on_validation=train_on_validation,
            given=given,
        )
    kind = ImageData
    if dataset.name == TABLE:
        from nas.data.tables.module import TableData

        kind = TableData
    return kind(
        dataset,
        data_dir=data_dir,
        batch_size=batch_size,
        seed=seed,
        train_on_validation=train_on_validation,
        device=device,
    )


class ImageData(LightningDataModule):
    """Pictures in memory, split for training and validation; the test split is read when asked for.

    With `train_on_validation` the validation pictures are trained on too: `val_dataloader` then
    measures pictures that were seen.
    """

    target_scale = 1.0
    """The deviation of a target that is a number."""

    def __init__(
        self,
        dataset: Dataset,
        *,
        data_dir: Path,
        batch_size: int,
        seed: int,
        train_on_validation: bool = False,
        device: str | torch.device = "cpu",
    ) -> None:
        self._start(dataset, data_dir=data_dir, batch_size=batch_size, seed=seed, device=device)
        self._pool = resident(dataset, self.data_dir, "train", self.device)
        self._held = self._pool
        """Where the validation pictures are: among those of the pool, or apart."""
        self.classes = self._pool.classes
        self.num_classes = len(self.classes)
        channels, height, width = self._pool.pixels.shape[1:]
        self.image_shape = (channels, height, width)
        if has_validation(dataset):
            self._held = self._checked("validation")
        self._train, self._validation = split_rows(dataset, self._pool.labels, self._held.labels)
        if train_on_validation:
            self._train_on_validation()
        self.mean, self.std = channel_statistics(self._pool.pixels, self._train)

    def _start(
        self,
        dataset: Dataset,
        *,
        data_dir: Path,
        batch_size: int,
        seed: int,
        device: str | torch.device,
    ) -> None:
        """What is known before anything is read."""
        super().__init__()
        dataset.check()
        self.dataset, self.data_dir = dataset, Path(data_dir)
        self.batch_size, self.seed, self.device = batch_size, seed, str(device)
        self.first_epoch = 0
        """Epoch that training batches start with; set it to resume."""
        self.notes: tuple[str, ...] = ()
        """What to know of the data, in sentences."""

    def _train_on_validation(self) -> None:
        """Add the validation pictures to those trained on."""
        if self._held is not self._pool:
            self._validation = self._validation + len(self._pool.labels)
            pixels = torch.cat((self._pool.pixels, self._held.pixels))
            labels = torch.cat((self._pool.labels, self._held.labels))
            self._pool = self._held = Resident(pixels, labels, self.classes)
        self._train = torch.cat((self._train, self._validation)).sort().values

    def _checked(self, split: str) -> Resident:
        """A split read from disk, of pictures like those of the pool."""
        found = resident(self.dataset, self.data_dir, split, self.device)
        shape = tuple(found.pixels.shape[1:])
        if shape != self.image_shape:
            raise DataError(
                f"dataset {self.dataset.name}: {split} pictures are {shape} and training pictures "
                f"{self.image_shape}; they must agree (dataset.image_size resizes both)."
            )
        return found

    @property
    def num_train(self) -> int:
        """Pictures that are trained on."""
        return len(self._train)

    @property
    def num_outside_test(self) -> int:
        """Pictures outside the test split."""
        apart = 0 if self._held is self._pool else len(self._held.labels)
        return len(self._pool.labels) + apart

    @property
    def is_constant(self) -> bool:
        """Whether all pictures of the pool are one and the same colour."""
        pixels, axes = self._pool.pixels, (0, 2, 3)
        return torch.equal(pixels.amin(axes), pixels.amax(axes))

    def check_enough(self) -> None:
        """DataError where there are too few pictures to train on."""
        size = self.batch_size
        check_enough(self.dataset, self.num_train, num_classes=self.num_classes, batch_size=size)

    def train_dataloader(self) -> Batches:
        """Shuffled, augmented; every call starts with epoch `first_epoch`."""
        return self._batches(self._pool, self._train, training=True)

    def train_evaluation_dataloader(self) -> Batches:
        """The training split as it is, shuffled once and for all: the same for every seed."""
        order = torch.from_numpy(mixed(len(self._train))).to(self._train.device)
        return self._batches(self._pool, self._train[order])

    def val_dataloader(self) -> Batches:
        return self._batches(self._held, self._validation)

    def test_dataloader(self) -> Batches:
        """The whole test split; the first call reads it from disk."""
        test = self._checked("test")
        return self._batches(test, torch.arange(len(test.labels), device=test.labels.device))

    def class_counts(self, split: str) -> list[int]:
        """Pictures of each class in the "train", "validation" or "test" split."""
        if split == "test":
            labels = self._checked("test").labels
        elif split == "validation":
            labels = self._held.labels[self._validation]
        else:
            labels = self._pool.labels[self._train]
        return labels.bincount(minlength=self.num_classes).tolist()

    def class_weights(self) -> Tensor:
        """Weights of the classes in the loss, (num_classes,): N / (num_classes N_c), so that every
        class counts alike (King and Zeng 2001; "balanced" in scikit-learn)."""
        counts = torch.tensor(self.class_counts("train"), dtype=torch.float32)
        return counts.sum() / (len(counts) * counts.clamp_min(1))

    def _batches(self, source: Resident, rows: Tensor, *, training: bool = False) -> Batches:
        return Batches(
            source.pixels,
            source.labels,
            rows,
            batch_size=self.batch_size,
            mean=self.mean,
            std=self.std,
            seed=self.seed,
            training=training,
            augment=self.dataset.augment if training else (),
            epoch=self.first_epoch if training else 0,
        )


def split_rows(dataset: Dataset, pool: Tensor, held: Tensor) -> tuple[Tensor, Tensor]:
    """Rows of the training and of the validation split, the same for every training seed.

    Validation pictures are those of `held`, the labels of a validation split published apart; where
    that is `pool`, they are held out from it, whatever `train_size`: searches at several sizes
    share them.
    """
    seed, labels = dataset.split_seed, pool.cpu().numpy()
    if held is pool:
        spread = int((np.bincount(labels) > 1).sum())  # classes that can be in both
        train_size, validation_size = split_sizes(dataset, len(labels), num_classes=spread)
        validation, rest = stratified(labels, validation_size, seed=seed, spare=1)
    else:
        train_size, validation_size = split_sizes(dataset, len(labels), own_validation=len(held))
        validation, _ = stratified(held.cpu().numpy(), validation_size, seed=seed)
        rest = np.arange(len(labels))
    train = rest[stratified(labels[rest], train_size, seed=seed)[0]]
    return torch.from_numpy(train).to(pool.device), torch.from_numpy(validation).to(pool.device)
