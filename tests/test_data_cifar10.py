"""CIFAR-10's own pictures, where NAS_DATA_DIR has them."""

import os
from pathlib import Path

import pytest
import torch

from nas.data.catalog import Dataset
from nas.data.locate import CIFAR
from nas.data.module import open_data

torch.set_num_threads(1)

FOLDER = Path(os.environ.get("NAS_DATA_DIR", ""))
HAS_CIFAR10 = "NAS_DATA_DIR" in os.environ and any(
    (FOLDER / layout.folder / layout.test[0]).is_file() for layout in CIFAR["cifar10"]
)
pytestmark = pytest.mark.skipif(
    not HAS_CIFAR10, reason="NAS_DATA_DIR names no folder with CIFAR-10 in it"
)


def test_cifar10_as_published() -> None:
    data = open_data(
        Dataset(name="cifar10", augment=("crop", "flip")), data_dir=FOLDER, batch_size=128, seed=0
    )
    assert data.image_shape == (3, 32, 32)
    assert data.classes[:3] == ("airplane", "automobile", "bird")
    labels = torch.cat([y for _, y in data.train_evaluation_dataloader()])
    assert labels.bincount().tolist() == [4_500] * 10
    assert torch.cat([y for _, y in data.val_dataloader()]).bincount().tolist() == [500] * 10
    assert torch.cat([y for _, y in data.test_dataloader()]).bincount().tolist() == [1_000] * 10
    # Published mean and deviation of the 50,000; ours are of 45,000, possibly stored as JPEG.
    assert data.mean == pytest.approx((0.4914, 0.4822, 0.4465), abs=0.003)
    assert data.std == pytest.approx((0.2470, 0.2435, 0.2616), abs=0.003)


def test_cifar10_halved() -> None:
    small = Dataset(name="cifar10", image_size=16, train_size=8_192, validation_size=1_000)
    data = open_data(small, data_dir=FOLDER, batch_size=256, seed=0)
    x, y = next(iter(data.train_dataloader()))
    assert x.shape == (256, 3, 16, 16)
    assert len(data.train_dataloader()) == 32
    assert len(y.unique()) == 10
