"""What is measured of a trained network: on which pictures, which statistics, which steps."""

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from nas.data import Dataset, open_data
from nas.data.readers import read_digits
from nas.model.architecture import Architecture, Named, Stage
from nas.payoff.records import steps_of
from nas.training import classifier_module, evaluation
from nas.training.candidate import Candidate, Training
from nas.training.classifier_module import MOMENTUM, running_average_momentum
from nas.training.evaluation import (
    accuracy,
    clean_error,
    measured,
    of_two_or_more,
    retake_statistics,
)
from nas.training.lightning import Trained, train
from nas.training.losses import balanced_accuracy, class_hits
from nas.training.metrics.run import THRESHOLDS


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def trained(dataset: Dataset, *, stages: int, batch_size: int, epochs: int) -> Trained:
    """A network of one block in each stage, its width doubled and its sides halved by each."""
    blocks = tuple(Stage(depth=1, width=8 * 2**i, stride=2 if i else 1) for i in range(stages))
    one = Candidate(
        architecture=Architecture(
            image_shape=(1, 8, 8),
            num_classes=10,
            stem=Named.of("conv3x3", width=8),
            stages=blocks,
        ),
        training=Training(epochs=epochs, batch_size=batch_size, optimizer=Named.of("sgd", lr=0.1)),
        dataset=dataset,
    )
    return train(one, seed=0, data_dir=Path("/nowhere"))


def of_digits(train_size: int) -> Dataset:
    return Dataset(name="digits", train_size=train_size, validation_size=100)


@pytest.mark.parametrize(
    ("train_size", "batch_size", "right"), [(129, 128, 0.132), (193, 64, 0.01)]
)
def test_a_short_last_batch_counts_by_its_pictures(
    train_size: int, batch_size: int, right: float
) -> None:
    found = trained(of_digits(train_size), stages=3, batch_size=batch_size, epochs=8)
    twin, at_once = copy.deepcopy(found.network), found.data.train_evaluation_dataloader()
    at_once.batch_size = train_size
    retake_statistics(twin, at_once)
    error = found.result.measures["train_error"]
    assert error == pytest.approx(1 - accuracy(twin, at_once), abs=0.006)
    assert error == pytest.approx(right, abs=0.03)


@pytest.mark.parametrize("train_size", [128, 129])
def test_one_picture_left_over_of_one_place_ends_no_training(train_size: int) -> None:
    result = trained(of_digits(train_size), stages=4, batch_size=64, epochs=1).result
    assert 0 <= result.measures["train_error"] <= 1
    assert result.steps == 2


def test_batches_of_one_picture_are_put_together() -> None:
    sizes = [1, 3, 1, 1, 4, 1]
    batches = [(torch.full((size, 1, 1, 1), size), torch.zeros(size)) for size in sizes]
    assert [len(batch) for batch in of_two_or_more(batches)] == [4, 2, 4]


def test_statistics_are_the_mean_over_pictures() -> None:
    network = nn.Sequential(nn.BatchNorm2d(1))
    sizes = ((6, 1.0), (2, 9.0))
    batches = [(torch.full((size, 1, 2, 2), value), torch.zeros(size)) for size, value in sizes]
    retake_statistics(network, batches)
    assert network[0].running_mean.item() == pytest.approx((6 * 1 + 2 * 9) / 8)


def written(folder: Path, *, by_class: bool) -> Dataset:
    """The digits as an .npz file, its rows shuffled or sorted by class."""
    pictures = read_digits(folder, "train")
    order = np.random.default_rng(0).permutation(len(pictures.labels))
    if by_class:
        order = order[np.argsort(pictures.labels[order], kind="stable")]
    path = folder / f"digits-{by_class}.npz"
    x, y = pictures.pixels[order].transpose(0, 2, 3, 1), pictures.labels[order]
    np.savez(path, x_train=x, y_train=y, x_test=x[:50], y_test=y[:50])
    return Dataset(name="npz", path=str(path))


def test_the_order_of_the_rows_in_a_file_moves_no_measure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluation, "STATISTICS_PICTURES", 256)
    monkeypatch.setattr(evaluation, "CLEAN_PICTURES", 640)
    shuffled, by_class = (written(tmp_path, by_class=order) for order in (False, True))
    found = trained(shuffled, stages=2, batch_size=64, epochs=2)
    options = {"data_dir": tmp_path, "batch_size": 64}
    of_sorted = open_data(by_class, seed=0, **options)
    assert clean_error(found.network, of_sorted) == pytest.approx(
        found.result.measures["train_error"], abs=0.03
    )
    first, labels = next(iter(of_sorted.train_evaluation_dataloader()))
    assert len(labels.unique()) == 10
    other_seed = open_data(by_class, seed=1, **options).train_evaluation_dataloader()
    assert torch.equal(next(iter(other_seed))[0], first)


def deep(epochs: int, **settings: Any) -> Candidate:
    """A residual network of 32 layers at a rate at which it learns within two epochs."""
    stages = tuple(
        Stage(depth=5, width=8 * 2**i, stride=2 if i else 1, transition="zero_pad")
        for i in range(3)
    )
    return Candidate(
        architecture=Architecture(
            image_shape=(1, 8, 8), num_classes=10, stem=Named.of("conv3x3", width=8), stages=stages
        ),
        training=Training(
            epochs=epochs, batch_size=64, optimizer=Named.of("sgd", lr=0.1), **settings
        ),
        dataset=Dataset(name="digits", validation_size=280),
    )


def test_validation_sees_what_a_deep_network_learnt_in_its_first_epoch() -> None:
    ours = deep(1, schedule=Named("constant"))
    found = train(ours, seed=0, data_dir=Path("/nowhere"))
    retaken = copy.deepcopy(found.network)
    retake_statistics(retaken, found.data.train_evaluation_dataloader())
    reached = accuracy(retaken, found.data.val_dataloader())
    assert reached > 0.7  # .79 to .87 by processor
    assert found.result.final["val_accuracy"] > reached - 0.15  # with torch's default: .16


def test_running_averages_change_no_step(monkeypatch: pytest.MonkeyPatch) -> None:
    ours = deep(1, schedule=Named("constant"))
    found = train(ours, seed=0, data_dir=Path("/nowhere"))
    monkeypatch.setattr(classifier_module, "MOMENTUM_WARMUP_STEPS", 0)
    usual = train(ours, seed=0, data_dir=Path("/nowhere"))
    assert found.result.losses == usual.result.losses
    weights = zip(found.network.parameters(), usual.network.parameters(), strict=True)
    assert all(torch.equal(one, other) for one, other in weights)
    assert found.result.measures == usual.result.measures | {
        "generalisation_gap": found.result.measures["generalisation_gap"]
    }
    norms = [one for one in found.network.modules() if isinstance(one, nn.BatchNorm2d)]
    assert {norm.momentum for norm in norms} == {nn.BatchNorm2d(1).momentum} == {MOMENTUM}


@pytest.mark.parametrize(
    ("step", "momentum"), [(1, 1.0), (10, 1.0), (20, 0.5), (100, 0.1), (10**6, 0.1)]
)
def test_running_averages_cover_a_tenth_of_the_steps(step: int, momentum: float) -> None:
    assert running_average_momentum(step) == momentum


def test_steps_are_those_made() -> None:
    result = trained(of_digits(100), stages=2, batch_size=30, epochs=3).result
    assert result.steps == 3 * 4
    assert max(result.measures[name] or 0 for name in THRESHOLDS) <= result.steps


@pytest.mark.parametrize(
    ("epochs", "last", "steps"), [(4, 254, 256), (15, 268, 270), (60, 1075, 1080), (2, 7, 8)]
)
def test_steps_of_results_stored_without_them(epochs: int, last: int, steps: int) -> None:
    stored = {"curve": [{}] * epochs, "losses": [[0, 2.3], [last, 1.0]]}
    assert steps_of(stored) == steps


def test_balanced_accuracy_is_the_mean_over_classes_that_have_pictures() -> None:
    logits = torch.eye(4)[[0, 0, 0, 0, 1, 1, 2, 0]]
    labels = torch.tensor([0, 0, 0, 0, 0, 1, 2, 2])  # none of the last class
    hits = class_hits(logits, labels)
    assert hits.tolist() == [[1, 4], [0, 1], [1, 1], [0, 0]]
    assert balanced_accuracy(hits) == pytest.approx((0.8 + 1 + 0.5) / 3)


def test_always_guessing_the_largest_class_of_95_in_100_is_no_better_than_chance() -> None:
    labels = torch.tensor([0] * 95 + [1, 1, 2, 3, 4])
    always = torch.eye(5)[torch.zeros(100, dtype=torch.long)]

    class Largest(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.zeros(1))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return always[: len(x)]

    pictures = torch.zeros(100, 1, 4, 4)
    batches = zip(pictures.split(30), labels.split(30), strict=True)
    found = measured(Largest(), batches)
    assert (found["accuracy"], found["balanced_accuracy"]) == pytest.approx((0.95, 0.2))
