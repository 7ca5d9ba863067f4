"""open_data: splits, loaders, one copy in memory, and a user's own module."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import numpy as np
import pytest
import torch

import nas.data
from nas.data import readers, resident
from nas.data.catalog import Dataset, shape
from nas.data.module import ImageData, open_data
from nas.data.pictures import DataError
from nas.data.user import UserData

torch.set_num_threads(1)


def _open(dataset: Dataset, seed: int = 0, **options: Any) -> ImageData:
    data = open_data(dataset, data_dir=Path("nowhere"), batch_size=64, seed=seed, **options)
    assert isinstance(data, ImageData)
    return data


def _labels(loader: object) -> torch.Tensor:
    return torch.cat([y for _, y in loader])  # type: ignore[attr-defined]


def _pictures(loader: object) -> torch.Tensor:
    return torch.cat([x for x, _ in loader])  # type: ignore[attr-defined]


def test_digits_are_split_in_proportion() -> None:
    data = _open(Dataset(name="digits", augment=("crop",)))
    assert isinstance(data, pl.LightningDataModule)
    assert (data.image_shape, data.num_classes) == shape(data.dataset) == ((1, 8, 8), 10)
    assert data.classes == tuple("0123456789")
    counts = [
        len(_labels(loader()))
        for loader in (
            data.train_dataloader,
            data.train_evaluation_dataloader,
            data.val_dataloader,
            data.test_dataloader,
        )
    ]
    assert counts == [1260, 1260, 140, 397]
    assert set(_labels(data.val_dataloader()).bincount().tolist()) <= {13, 14, 15}
    x = _pictures(data.train_evaluation_dataloader())
    assert x.mean().item() == pytest.approx(0, abs=1e-4)
    assert x.std(correction=0).item() == pytest.approx(1, abs=1e-4)


def test_train_validation_and_test_share_no_picture() -> None:
    data = _open(Dataset(name="digits"))
    loaders = (data.train_evaluation_dataloader, data.val_dataloader, data.test_dataloader)
    everything = torch.cat([_pictures(loader()) for loader in loaders]).flatten(1)
    assert len(everything.unique(dim=0)) == 1797


def test_the_split_moves_with_split_seed_and_not_with_the_training_seed() -> None:
    def validation(split_seed: int, seed: int) -> torch.Tensor:
        return _labels(_open(Dataset(name="digits", split_seed=split_seed), seed).val_dataloader())

    assert torch.equal(validation(0, 0), validation(0, 1))
    assert not torch.equal(validation(0, 0), validation(1, 0))


def test_sizes_are_stratified_and_share_the_validation_split() -> None:
    small = _open(Dataset(name="digits", train_size=200, validation_size=100))
    large = _open(Dataset(name="digits", validation_size=100))
    assert len(_labels(small.train_dataloader())) == 200
    assert set(_labels(small.train_dataloader()).bincount().tolist()) <= {19, 20, 21}
    assert torch.equal(_labels(small.val_dataloader()), _labels(large.val_dataloader()))
    assert len(_labels(large.train_dataloader())) == 1300


def test_training_on_validation_leaves_the_test_split_alone() -> None:
    data = _open(Dataset(name="digits", train_size=300), train_on_validation=True)
    assert len(_labels(data.train_dataloader())) == 440
    assert len(_labels(data.test_dataloader())) == 397
    usual = _open(Dataset(name="digits", train_size=300))
    assert torch.equal(_labels(data.test_dataloader()), _labels(usual.test_dataloader()))


def test_each_run_begins_with_the_same_epoch_unless_resumed() -> None:
    data = _open(Dataset(name="digits", augment=("crop", "flip")))
    first = data.train_dataloader()
    again = _pictures(first), _pictures(first)
    assert torch.equal(_pictures(data.train_dataloader()), again[0])
    data.first_epoch = 1
    assert torch.equal(_pictures(data.train_dataloader()), again[1])


def test_pictures_are_decoded_once_and_the_test_split_only_on_demand(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    decoded = []
    real = readers.read_digits

    def counting(data_dir: Path, split: str) -> readers.Pictures:
        decoded.append(split)
        return real(data_dir, split)

    monkeypatch.setattr(readers, "read_digits", counting)
    resident._load.cache_clear()
    one = _open(Dataset(name="digits"), seed=0)
    other = _open(Dataset(name="digits", train_size=100, split_seed=5), seed=1)
    assert decoded == ["train"]
    assert one._pool.pixels.data_ptr() == other._pool.pixels.data_ptr()
    assert one.train_dataloader().pixels.data_ptr() == one._pool.pixels.data_ptr()
    assert one._pool.pixels.dtype == torch.uint8
    one.test_dataloader()
    other.test_dataloader()
    assert decoded == ["train", "test"]
    assert _open(Dataset(name="digits", image_size=4)).image_shape == (1, 4, 4)


def test_an_npz_that_was_written_anew_is_read_anew(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    dataset = Dataset(name="npz", path=str(path))
    for value, mtime in ((10, 1_000), (20, 2_000)):
        np.savez(path, x=np.full((40, 8, 8), value, np.uint8), y=np.arange(40) % 2)
        os.utime(path, (mtime, mtime))
        assert _open(dataset).mean == pytest.approx((value / 255,))


def test_test_pictures_of_another_shape_are_refused(tmp_path: Path) -> None:
    x, y = np.zeros((40, 8, 8), np.uint8), np.arange(40) % 2
    np.savez(tmp_path / "a.npz", x_train=x, y_train=y, x_test=x[:, :6], y_test=y)
    path = str(tmp_path / "a.npz")
    with pytest.raises(DataError, match=r"test pictures are \(1, 6, 8\) and training"):
        _open(Dataset(name="npz", path=path)).test_dataloader()
    assert len(_open(Dataset(name="npz", path=path, image_size=8)).test_dataloader().rows) == 40
    with pytest.raises(DataError, match="60 training and 4 validation pictures .* the 40"):
        _open(Dataset(name="npz", path=path, train_size=60))


ignore_lightnings_own_warnings = pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning")


class Linear(pl.LightningModule):
    """A network of one layer that remembers the labels it was shown."""

    def __init__(self, inputs: int, classes: int) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(inputs, classes)
        self.shown: list[torch.Tensor] = []
        self.test_loss = float("nan")

    def _loss(self, batch: list[torch.Tensor]) -> torch.Tensor:
        x, y = batch
        return torch.nn.functional.cross_entropy(self.layer(x.flatten(1)), y)

    def training_step(self, batch: list[torch.Tensor]) -> torch.Tensor:
        torch.rand(3)  # as dropout would
        self.shown.append(batch[1])
        return self._loss(batch)

    def validation_step(self, batch: list[torch.Tensor]) -> None:
        self.log("val_loss", self._loss(batch))

    test_step = validation_step

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


def _fit(data: pl.LightningDataModule, inputs: int, classes: int) -> Linear:
    network = Linear(inputs, classes)
    trainer = pl.Trainer(
        max_epochs=2,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(network, datamodule=data)
    trainer.test(network, datamodule=data, verbose=False)
    network.test_loss = float(trainer.callback_metrics["val_loss"])
    return network


@ignore_lightnings_own_warnings
def test_lightning_trains_on_it() -> None:
    data = _open(Dataset(name="digits"))
    network = _fit(data, 64, 10)
    assert network.test_loss < 0.8  # chance is 2.3
    batches = data.train_dataloader()
    assert torch.equal(torch.cat(network.shown), torch.cat([_labels(batches), _labels(batches)]))


USER_MODULE = """
import torch
from torch.utils.data import DataLoader, TensorDataset
from {package} import LightningDataModule


class Data(LightningDataModule):
    def __init__(self, count=60, batch_size=5, dtype="float32", labels=3, shuffle=True):
        super().__init__()
        self.shuffle = shuffle
        self.count, self.batch_size, self.labels = count, batch_size, labels
        self.dtype = getattr(torch, dtype)

    def setup(self, stage=None):
        x = torch.arange(self.count).view(-1, 1, 1, 1).expand(-1, 1, 4, 4) / self.count
        self.pictures = TensorDataset(x.to(self.dtype), torch.arange(self.count) % self.labels)

    def train_dataloader(self):
        return DataLoader(self.pictures, batch_size=self.batch_size, shuffle=self.shuffle)

    def val_dataloader(self):
        return DataLoader(self.pictures, batch_size=30)

    test_dataloader = val_dataloader


class Plain:
    pass
"""


@pytest.fixture
def user_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "their_data.py").write_text(USER_MODULE.format(package="lightning.pytorch"))
    (tmp_path / "old_data.py").write_text(USER_MODULE.format(package="pytorch_lightning"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    for name in ("their_data", "old_data"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return "their_data.Data"


def _user(class_path: str, init_args: str = "{}", seed: int = 0) -> UserData:
    dataset = Dataset(
        name="module",
        class_path=class_path,
        init_args=init_args,
        image_shape=(1, 4, 4),
        num_classes=3,
    )
    data = open_data(dataset, data_dir=Path(), batch_size=10, seed=seed)
    assert isinstance(data, UserData)
    return data


def test_a_users_module_offers_the_same_loaders(user_module: str) -> None:
    data = _user(user_module, '{"count": 50}')
    assert (data.image_shape, data.num_classes, len(data.classes)) == ((1, 4, 4), 3, 3)
    assert [len(y) for _, y in data.train_dataloader()] == [10] * 5  # batch_size is handed on
    assert len(data.train_evaluation_dataloader()) == 5
    assert len(_labels(data.val_dataloader())) == len(_labels(data.test_dataloader())) == 50
    given = _user(user_module, '{"batch_size": 25}')
    assert len(given.train_dataloader()) == 3


def test_a_users_training_pictures_are_measured_in_one_order_for_every_seed(
    user_module: str,
) -> None:
    first, second = (_user(user_module, seed=seed) for seed in (0, 1))
    shown = [_labels(data.train_evaluation_dataloader()) for data in (first, second)]
    assert torch.equal(*shown)
    by_class = _user(user_module, '{"shuffle": false, "labels": 1}')
    pictures = _pictures(by_class.train_evaluation_dataloader())[:, 0, 0, 0]
    assert torch.equal(pictures.sort().values, _pictures(by_class.train_dataloader())[:, 0, 0, 0])
    assert pictures[:10].max() > 0.5


def test_a_users_last_batch_of_one_is_left_out_of_training(user_module: str) -> None:
    data = _user(user_module, '{"count": 21}')
    batches = data.train_dataloader()
    assert len(batches) == 2
    assert [[len(y) for _, y in batches] for _ in range(2)] == [[10, 10]] * 2
    assert [len(y) for _, y in data.train_evaluation_dataloader()] == [10, 10, 1]
    assert len(_user(user_module, '{"count": 3, "batch_size": 1}').train_dataloader()) == 3


@pytest.mark.parametrize(
    ("init_args", "complaint"),
    [
        ('{"count": 2, "batch_size": 1}', "3 classes, and 2 training pictures"),
        ('{"count": 9}', "9 training pictures, fewer than the 10 of one batch"),
    ],
)
def test_too_few_pictures_of_a_users_module_are_refused(
    user_module: str, init_args: str, complaint: str
) -> None:
    with pytest.raises(DataError, match=complaint):
        _user(user_module, init_args).train_dataloader()


def test_a_users_module_shuffles_by_seed_and_epoch_alone(user_module: str) -> None:
    first = _user(user_module).train_dataloader()
    expected = [_pictures(first), _pictures(first)]
    torch.manual_seed(5)
    second = _user(user_module).train_dataloader()
    state = torch.get_rng_state()
    assert torch.equal(_pictures(second), expected[0])
    assert torch.equal(torch.get_rng_state(), state)
    assert not torch.equal(expected[0], expected[1])
    second.epoch = 1
    shown = []
    for x, _ in second:
        torch.rand(3)
        shown.append(x)
    assert torch.equal(torch.cat(shown), expected[1])
    assert not torch.equal(_pictures(_user(user_module, seed=1).train_dataloader()), expected[0])


@ignore_lightnings_own_warnings
def test_lightning_trains_on_a_users_module(user_module: str) -> None:
    data = _user(user_module)
    network = _fit(data, 16, 3)
    assert network.test_loss < 2
    batches = data.train_dataloader()
    assert torch.equal(torch.cat(network.shown), torch.cat([_labels(batches), _labels(batches)]))


@pytest.mark.parametrize(
    ("class_path", "init_args", "complaint"),
    [
        ("old_data.Data", "{}", "comes from the package pytorch_lightning.*from lightning.pytorch"),
        ("their_data.Plain", "{}", "not a LightningDataModule"),
        ("their_data.Nothing", "{}", "cannot be imported .*Nothing"),
        ("no_such_file.Data", "{}", "No module named 'no_such_file'.*looked for in"),
        ("Data", "{}", "not written as package.module.Class"),
        ("their_data.Data", '{"colour": 1}', "does not take .*unexpected keyword"),
    ],
)
@pytest.mark.usefixtures("user_module")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_user_modules_that_cannot_work_are_refused(
    class_path: str, init_args: str, complaint: str
) -> None:
    with pytest.raises(DataError, match=complaint):
        _user(class_path, init_args)


@pytest.mark.parametrize(
    ("init_args", "complaint"),
    [('{"dtype": "uint8"}', "of torch.uint8; .*promises floats"), ('{"labels": 5}', "from 0 to 4")],
)
def test_batches_that_break_the_promise_are_refused(
    user_module: str, init_args: str, complaint: str
) -> None:
    with pytest.raises(DataError, match=complaint):
        _labels(_user(user_module, init_args).val_dataloader())


def test_the_package_loads_its_parts_when_used() -> None:
    program = (
        "import sys, nas.data; nas.data.Dataset(name='digits'); nas.data.shape; nas.data.DataError;"
        "print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "False", done.stderr
    assert nas.data.open_data is open_data
    assert all(
        hasattr(nas.data, name) or find_spec(f"nas.data.{name}") for name in nas.data.__all__
    )
