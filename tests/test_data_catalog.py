"""The settings of a data set and what is known of it without reading pictures."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nas.data import open_data
from nas.data.catalog import Dataset, shape, split_sizes
from nas.data.facts import DATASETS
from nas.data.pictures import DataError
from nas.model.architecture import Named

MODULE: dict[str, Any] = {
    "name": "module",
    "class_path": "my.Data",
    "image_shape": (1, 8, 8),
    "num_classes": 3,
    "init_args": '{"a": [1, 2]}',
}


@pytest.mark.parametrize(
    "dataset",
    [
        Dataset(name="digits"),
        Dataset(name="cifar10", image_size=16, augment=("crop", "flip"), train_size=8192),
        Dataset(name="npz", path="a.npz", validation_size=5, split_seed=3),
        Dataset(**MODULE),
    ],
)
def test_settings_survive_json(dataset: Dataset) -> None:
    assert Dataset.from_json(dataset.to_json()) == dataset
    assert hash(Dataset.from_json(dataset.to_json())) == hash(dataset)


def test_json_has_sorted_keys() -> None:
    text = Dataset(name="digits").to_json()
    keys = [part.split('"')[0] for part in text.split(', "')]
    assert keys[1:] == sorted(keys[1:])
    assert text.startswith('{"augment"')


@pytest.mark.parametrize(
    ("dataset", "expected"),
    [
        (Dataset(name="digits"), ((1, 8, 8), 10)),
        (Dataset(name="cifar10"), ((3, 32, 32), 10)),
        (Dataset(name="cifar100", image_size=16), ((3, 16, 16), 100)),
        (Dataset(name="fashion_mnist"), ((1, 28, 28), 10)),
        (Dataset(**MODULE), ((1, 8, 8), 3)),
    ],
)
def test_shape_of_known_data_sets(dataset: Dataset, expected: object) -> None:
    assert shape(dataset) == expected


def test_class_names_are_as_many_as_published() -> None:
    assert {name: len(set(facts.classes)) for name, facts in DATASETS.parts().items()} == {
        "digits": 10,
        "cifar10": 10,
        "cifar100": 100,
        "fashion_mnist": 10,
    }
    assert list(DATASETS["cifar100"].classes) == sorted(DATASETS["cifar100"].classes)


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"name": "folder"}, "dataset.path: needed"),
        ({"name": "digits", "path": "x"}, "dataset.path: not a setting of 'digits'"),
        ({"name": "digits", "num_classes": 3}, "dataset.num_classes: not a setting"),
        ({"name": "digits", "augment": ("crop", "crop")}, "each can stand there once"),
        ({"name": "digits", "image_size": 0}, "dataset.image_size: 0 is not"),
        ({"name": "digits", "train_size": 1400}, "1,400 training and 140 validation .* 1,400"),
        ({"name": "digits", "validation_size": 1399}, "lower train_size or validation_size"),
        (MODULE | {"num_classes": None}, "dataset.num_classes: needed"),
        (MODULE | {"augment": ("flip",)}, "dataset.augment: .*decides this itself"),
        (MODULE | {"image_shape": (3, 8)}, r"\[3, 8\] is not \[channels, height, width\]"),
        (MODULE | {"init_args": "[1]"}, "not a JSON object"),
        (MODULE | {"init_args": "{"}, "not a JSON object"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings: dict, complaint: str) -> None:
    with pytest.raises(DataError, match=complaint):
        Dataset(**settings)


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"name": "cifar"}, "dataset.name: unknown data set 'cifar': .* Did you mean 'cifar10'"),
        ({"name": "digits", "augment": ("crop", "flap")}, "dataset.augment: .* mean 'flip'"),
        ({"name": "digits", "augment": (Named.of("crop", by=1),)}, "unknown option of crop 'by'"),
        ({"name": "digits", "init_args": '{"a": 1}'}, "dataset.init_args: unknown option of"),
    ],
)
def test_unknown_parts_can_be_described_but_not_used(settings: dict, complaint: str) -> None:
    """A report is read where the plugin that registers them is not imported."""
    dataset = Dataset(**settings)
    assert Dataset.from_json(dataset.to_json()) == dataset
    with pytest.raises(DataError, match=complaint):
        dataset.check()
    with pytest.raises(DataError, match=complaint):
        open_data(dataset, data_dir=Path("/nowhere"), batch_size=8, seed=0)


def test_an_option_of_an_augmentation_survives_json() -> None:
    """Those without options are written as they were before there were any."""
    dataset = Dataset(name="digits", augment=("crop", Named.of("noise", spread=0.5)))
    assert json.loads(dataset.to_json())["augment"] == ["crop", {"noise": {"spread": 0.5}}]
    assert Dataset.from_json(dataset.to_json()) == dataset


def test_validation_is_a_tenth_of_the_pool_unless_said() -> None:
    assert split_sizes(Dataset(name="cifar10"), 50_000) == (45_000, 5_000)
    sized = Dataset(name="cifar10", train_size=8_192, validation_size=1_000)
    assert split_sizes(sized, 50_000) == (8_192, 1_000)


def test_shape_of_a_folder_counts_its_classes(tmp_path: Path) -> None:
    for name in ("cat", "dog", "owl", ".hidden"):
        (tmp_path / "train" / name).mkdir(parents=True)
    assert shape(Dataset(name="folder", path=str(tmp_path), image_size=20)) == ((3, 20, 20), 3)
    assert shape(Dataset(name="folder", path=str(tmp_path))) is None
    with pytest.raises(DataError, match="no folder '.*elsewhere'"):
        shape(Dataset(name="folder", path=str(tmp_path / "elsewhere"), image_size=20))


def test_shape_of_an_npz_is_read_from_its_header(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez_compressed(path, x=np.zeros((6, 12, 10, 3), np.uint8), y=np.arange(6) % 3)
    assert shape(Dataset(name="npz", path=str(path))) == ((3, 12, 10), 3)
    assert shape(Dataset(name="npz", path=str(path), image_size=8)) == ((3, 8, 8), 3)


def test_reading_settings_imports_nothing_heavy() -> None:
    program = (
        "import sys; from nas.data.catalog import Dataset, shape; shape(Dataset(name='cifar10'));"
        "print([m for m in ('torch', 'numpy', 'lightning', 'sklearn', 'rich') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr
