"""Pictures of a Python program: a LightningDataModule as an object, torch Datasets."""

import json
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch.utils.data import DataLoader, IterableDataset, Subset, TensorDataset

import nas
from nas.common.errors import UserError
from nas.data.catalog import Dataset
from nas.data.given import given_module
from nas.data.module import open_data
from nas.data.pictures import DataError
from nas.data.survey import survey_lines
from nas.data.torch_datasets import DatasetModule, as_module, labels_of
from nas.search.attach import attach
from nas.search.options import WorkerOptions
from nas.space.estimate import estimate
from nas.space.space import SearchSpace
from nas.space.yaml import Source

OBJECT = Dataset(name="object", image_shape=(1, 8, 8), num_classes=10)
SPACE = """
name: given
dataset: {name: object, image_shape: [1, 8, 8], num_classes: 10}
architecture:
  {stem: {conv3x3: {width: 4}}, depth: 1, stages: [{width: 4, shortcut: [identity, none]}]}
training: {epochs: 1, batch_size: 50, optimizer: {name: sgd, lr: 0.05}}
search: {trials: 2, sampler: grid, probes: false}
"""


@pytest.fixture(scope="module")
def digits() -> TensorDataset:
    images, labels = load_digits(return_X_y=True)
    pictures = torch.from_numpy(images).float().view(-1, 1, 8, 8) / 16
    return TensorDataset(pictures, torch.from_numpy(labels))


@pytest.fixture
def space() -> SearchSpace:
    return SearchSpace.parse(Source("given.yaml", SPACE))


def labels(loader: Any) -> torch.Tensor:
    return torch.cat([y for _, y in loader])


def opened(data: Any, seed: int = 0, batch_size: int = 50) -> Any:
    given = given_module(OBJECT, data)
    return open_data(OBJECT, data_dir=Path(), batch_size=batch_size, seed=seed, given=given)


def test_a_torch_dataset_is_searched_and_exported_from_python(
    digits: TensorDataset, space: SearchSpace, tmp_path: Path
) -> None:
    """With two worker processes, and the training of the export in a third."""
    storage = f"sqlite:///{tmp_path}/nas.db"
    where: dict[str, Any] = {"out": tmp_path, "data": digits}
    outcome = nas.search(space, storage=storage, workers=2, **where)
    assert outcome.how == "finished"
    assert [trial.state.name for trial in outcome.study.trials] == ["COMPLETE"] * 2
    assert max(trial.value for trial in outcome.study.trials) > 0.15
    said: list[str] = []
    nas.export(outcome.study, seeds=1, output=tmp_path / "best.py", say=said.append, **where)
    assert "test accuracy" in said[0]
    assert 'CLASSES = ["0", "1"' in (tmp_path / "best.py").read_text()
    for again in (
        lambda: nas.search(space, storage=storage, out=tmp_path),
        lambda: nas.export(outcome.study, seeds=2, output=tmp_path / "best.py", out=tmp_path),
        lambda: attach("given", WorkerOptions(storage=storage, out=tmp_path, workers=1)),
    ):
        with pytest.raises(UserError, match="an object that a Python program hands over"):
            again()


def test_splits_are_held_out_by_class_and_alike_in_every_process(digits: TensorDataset) -> None:
    data = opened(digits)
    counts = [
        labels(loader()).bincount().tolist()
        for loader in (data.train_dataloader, data.val_dataloader, data.test_dataloader)
    ]
    assert [sum(count) for count in counts] == [1295, 143, 359]
    assert all(max(count) - min(count) < 12 for count in counts)
    everything = torch.cat(
        [x for name in ("train", "val", "test") for x, _ in DatasetModule(digits).splits[name]]
    )
    assert len(everything) == 1797
    again = opened(digits)
    assert torch.equal(labels(again.val_dataloader()), labels(data.val_dataloader()))


def test_splits_of_ones_own_are_used_as_they_are(digits: TensorDataset) -> None:
    parts = {name: Subset(digits, range(start, start + 100)) for name, start in SPLITS.items()}
    data = opened(parts)
    for name, loader in (("validation", data.val_dataloader), ("test", data.test_dataloader)):
        assert labels(loader()).tolist() == [int(y) for _, y in parts[name]]
    assert len(labels(data.train_dataloader())) == 100


SPLITS = {"train": 0, "validation": 200, "test": 400}


def test_batches_depend_on_the_seed_and_have_the_size_of_the_space(digits: TensorDataset) -> None:
    one, same, other = (opened(digits, seed, batch_size=32) for seed in (0, 0, 1))
    first, again, third = (next(iter(data.train_dataloader())) for data in (one, same, other))
    assert len(first[0]) == 32
    assert torch.equal(first[1], again[1])
    assert not torch.equal(first[1], third[1])


class Module(pl.LightningDataModule):
    """Keeps what it is made of, and counts how often it is set up."""

    def __init__(self, pictures: Any, batch_size: int = 8) -> None:
        super().__init__()
        self.pictures, self.batch_size, self.set_up = pictures, batch_size, 0

    def setup(self, stage: str | None = None) -> None:
        self.set_up += 1

    def train_dataloader(self) -> Any:
        return DataLoader(self.pictures, self.batch_size, shuffle=True)

    val_dataloader = test_dataloader = train_dataloader


def test_a_module_given_as_an_object_is_copied_for_each_training(digits: TensorDataset) -> None:
    module = Module(digits)
    data = opened(module)
    assert len(next(iter(data.train_dataloader()))[0]) == 50
    assert (module.set_up, module.batch_size) == (0, 8)
    assert data.inner.pictures is digits  # the pictures are shared


class Stream(IterableDataset):
    """Pictures without an end that is known."""

    def __iter__(self) -> Any:
        return iter([(torch.zeros(1, 8, 8), 0)] * 100)


@pytest.mark.parametrize("loader", ["train_dataloader", "val_dataloader", "test_dataloader"])
def test_a_module_without_a_length_is_a_sentence(loader: str) -> None:
    module = Module(Stream())
    module.train_dataloader = module.val_dataloader = module.test_dataloader = lambda: DataLoader(  # type: ignore[method-assign]
        Stream(), 8
    )
    data = open_data(OBJECT, data_dir=Path(), batch_size=8, seed=0, given=module)
    with pytest.raises(DataError, match=rf"the data object.{loader}\(\) has no length.*__len__"):
        getattr(data, loader)()


class Labelled(torch.utils.data.Dataset):
    """Items, and labels apart."""

    def __init__(self, count: int, **apart: Any) -> None:
        self.count = count
        vars(self).update(apart)

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Any:
        return torch.zeros(1, 8, 8), index % 3


@pytest.mark.parametrize(
    ("apart", "expected"),
    [
        ({}, [0, 1, 2, 0]),
        ({"targets": [2, 2, 1, 0]}, [2, 2, 1, 0]),
        ({"labels": torch.tensor([2, 2, 1, 0])}, [2, 2, 1, 0]),
        ({"targets": np.array([1, 1, 1, 0], np.int16)}, [1, 1, 1, 0]),
        ({"targets": [1, 2]}, [0, 1, 2, 0]),
        ({"targets": "abcd"}, [0, 1, 2, 0]),
    ],
)
def test_labels_are_those_kept_apart_or_those_of_the_items(
    apart: dict[str, Any], expected: list[int]
) -> None:
    assert labels_of(Labelled(4, **apart)).tolist() == expected


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        ([1, 2], "data= is a list: give a LightningDataModule"),
        ({"val": None}, "data= is a dict"),
        ({"train": Labelled(9), "dev": Labelled(9)}, "data= is a dict"),
        (Stream(), "Stream has no length: give it a __len__ and a __getitem__"),
        (Labelled(3, targets=[0.5, 1.5, 2.0]), "labels of a Dataset are whole numbers from 0"),
        (Labelled(3, targets=[-1, 0, 1]), "labels of a Dataset are whole numbers from 0"),
        (Labelled(0), "labels of a Dataset are whole numbers from 0"),
    ],
)
def test_objects_that_cannot_work_are_refused(data: Any, complaint: str) -> None:
    with pytest.raises(DataError, match=complaint):
        as_module(data)


def test_objects_that_workers_cannot_be_given_are_refused() -> None:
    with pytest.raises(DataError, match="cannot be given to worker processes .* keep open files"):
        given_module(OBJECT, Labelled(9, transform=lambda picture: picture))
    with pytest.raises(DataError, match="takes its pictures from digits"):
        given_module(Dataset(name="digits"), Labelled(9))


def test_check_needs_no_object(space: SearchSpace, tmp_path: Path) -> None:
    assert survey_lines(space.dataset, tmp_path, 50) == []
    assert "known to the Python program that hands them over" in estimate(space, tmp_path).lines[-1]
    assert json.loads(space.dataset.to_json())["name"] == "object"
    for setting, complaint in (
        ("dataset.image_shape=null", "image_shape: needed by the data set 'object'"),
        ("dataset.train_size=5", "not a setting of 'object'"),
        ("training.class_weights=balanced", "a data module does not tell"),
    ):
        with pytest.raises(UserError, match=complaint):
            SearchSpace.parse(Source("given.yaml", SPACE), [setting])
