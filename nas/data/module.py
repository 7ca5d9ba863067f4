"""The data of one training run, as Lightning takes it."""

from pathlib import Path

import torch
from lightning.pytorch import LightningDataModule
from torch import Tensor

from nas.data.batches import Batches
from nas.data.catalog import Dataset, split_sizes
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
) -> "ImageData | UserData":
    """The batches of a data set; `seed` moves their order and augmentation, not the splits."""
    if dataset.name == "module":
        return UserData(
            dataset, batch_size=batch_size, seed=seed, train_on_validation=train_on_validation
        )
    return ImageData(
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
        super().__init__()
        self.dataset, self.data_dir = dataset, Path(data_dir)
        self.batch_size, self.seed, self.device = batch_size, seed, str(device)
        self.first_epoch = 0
        """Epoch that training batches start with; set it to resume."""
        self._pool = resident(dataset, self.data_dir, "train", self.device)
        self.classes = self._pool.classes
        self.num_classes = len(self.classes)
        channels, height, width = self._pool.pixels.shape[1:]
        self.image_shape = (channels, height, width)
        self._train, self._validation = split_pool(dataset, self._pool.labels)
        if train_on_validation:
            self._train = torch.cat((self._train, self._validation)).sort().values
        self.mean, self.std = channel_statistics(self._pool.pixels, self._train)

    def train_dataloader(self) -> Batches:
        """Shuffled, augmented; every call starts with epoch `first_epoch`."""
        return self._batches(self._pool, self._train, training=True)

    def train_evaluation_dataloader(self) -> Batches:
        """The training split as it is, shuffled once and for all: the same for every seed."""
        order = torch.from_numpy(mixed(len(self._train))).to(self._train.device)
        return self._batches(self._pool, self._train[order])

    def val_dataloader(self) -> Batches:
        return self._batches(self._pool, self._validation)

    def test_dataloader(self) -> Batches:
        """The whole test split; the first call reads it from disk."""
        test = resident(self.dataset, self.data_dir, "test", self.device)
        found = tuple(test.pixels.shape[1:])
        if found != self.image_shape:
            raise DataError(
                f"dataset {self.dataset.name}: test pictures are {found} and training pictures "
                f"{self.image_shape}; they must agree (dataset.image_size resizes both)."
            )
        return self._batches(test, torch.arange(len(test.labels), device=test.labels.device))

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


def split_pool(dataset: Dataset, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Rows of the training and validation split, the same for every training seed.

    The validation split does not depend on `train_size`: searches at several sizes share it.
    """
    train_size, validation_size = split_sizes(dataset, len(labels))
    known = labels.cpu().numpy()
    validation, rest = stratified(known, validation_size, seed=dataset.split_seed)
    train = rest[stratified(known[rest], train_size, seed=dataset.split_seed)[0]]
    return torch.from_numpy(train).to(labels.device), torch.from_numpy(validation).to(labels.device)
