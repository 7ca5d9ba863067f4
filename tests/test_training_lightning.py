"""Training one candidate: exact repetition, measured numbers, divergence, interruption."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from conftest import CONV_ORDERS, small
from sklearn.metrics import balanced_accuracy_score

from nas.data import DataError, Dataset
from nas.model.architecture import Architecture, Named, Stage
from nas.model.blocks import NORMS
from nas.model.network import Network
from nas.training.candidate import OPTIMIZERS, SCHEDULES, Candidate, Training
from nas.training.evaluation import accuracy
from nas.training.lightning import StoppedError, Trained, train


def tiny(**choices: Any) -> Architecture:
    stages = (Stage(depth=1, width=4), Stage(depth=1, width=8, stride=2))
    stem = Named.of("conv3x3", width=4)
    shape = {"image_shape": (1, 8, 8), "num_classes": 10, "stem": stem, "stages": stages}
    return small(**shape | choices)


def candidate(architecture: Architecture | None = None, **settings: Any) -> Candidate:
    values = {"epochs": 2, "batch_size": 32, "optimizer": Named.of("sgd", lr=0.1)} | settings
    dataset = Dataset(name="digits", train_size=96, validation_size=40)
    return Candidate(
        architecture=architecture or tiny(), training=Training(**values), dataset=dataset
    )


def run(ours: Candidate, seed: int = 0, **options: Any) -> Trained:
    return train(ours, seed=seed, data_dir=Path("/nowhere"), **options)


def same_weights(one: Trained, other: Trained) -> bool:
    ours, theirs = one.network.state_dict(), other.network.state_dict()
    return all(torch.equal(ours[key], theirs[key]) for key in ours)


def test_the_same_seed_gives_the_same_bits_and_another_does_not() -> None:
    torch.manual_seed(1)
    one = run(candidate())
    torch.manual_seed(2)
    two, other = run(candidate()), run(candidate(), seed=1)
    assert one.result.curve == two.result.curve
    assert one.result.measures == two.result.measures
    assert same_weights(one, two)
    assert other.result.curve != one.result.curve


def test_training_leaves_the_callers_generator_alone() -> None:
    torch.manual_seed(5)
    Network(tiny())
    expected = torch.rand(1)
    torch.manual_seed(5)
    run(candidate(epochs=1))
    assert torch.equal(torch.rand(1), expected)


def by_hand(ours: Candidate, seed: int) -> list[float]:
    """Losses of a training written without Lightning."""
    from nas.data import open_data

    settings = ours.training
    data = open_data(ours.dataset, data_dir=Path(), batch_size=settings.batch_size, seed=seed)
    data.setup("fit")
    network = Network(ours.architecture, seed=seed).to(memory_format=torch.channels_last)
    optimizer = OPTIMIZERS["sgd"](network.parameters(), **settings.optimizer.arguments)
    batches, losses, step = data.train_dataloader(), [], 0
    num_steps = settings.epochs * len(batches)
    counts = torch.cat([labels for _, labels in batches]).bincount()
    batches.epoch = 0
    balanced = counts.sum() / (len(counts) * counts)
    weights = balanced if settings.class_weights == "balanced" else None
    for _ in range(settings.epochs):
        for pictures, labels in batches:
            factor = SCHEDULES[settings.schedule.name](step / num_steps)
            optimizer.param_groups[0]["lr"] = settings.optimizer.arguments["lr"] * factor
            logits = network(pictures.to(memory_format=torch.channels_last))
            loss = F.cross_entropy(
                logits, labels, weights, label_smoothing=settings.label_smoothing
            )
            optimizer.zero_grad()
            loss.backward()
            if settings.gradient_clip:
                torch.nn.utils.clip_grad_norm_(network.parameters(), settings.gradient_clip)
            optimizer.step()
            losses.append(loss.item())
            step += 1
    return losses


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"schedule": Named("step")},
        {"label_smoothing": 0.2},
        {"gradient_clip": 0.5},
        {"class_weights": "balanced"},
    ],
    ids=["cosine", "step", "smoothing", "clip", "class weights"],
)
def test_it_is_the_training_one_would_write_by_hand(settings: dict[str, Any]) -> None:
    ours = candidate(**settings)
    losses = [loss for _, loss in run(ours, seed=3).result.losses]
    assert losses == pytest.approx(by_hand(ours, seed=3), rel=1e-4)


def test_the_curve_holds_what_was_measured() -> None:
    trained = run(candidate(epochs=3))
    result = trained.result
    assert [record["epoch"] for record in result.curve] == [1.0, 2.0, 3.0]
    keys = {"epoch", "train_loss", "train_accuracy", "val_loss", "val_accuracy"}
    keys |= {"val_balanced_accuracy"}
    assert all(set(record) == keys for record in result.curve)
    measured = accuracy(trained.network, trained.data.val_dataloader())
    assert result.final["val_accuracy"] == pytest.approx(measured)
    batches = list(trained.data.val_dataloader())
    with torch.no_grad():
        guesses = torch.cat([trained.network(x).argmax(1) for x, _ in batches])
    expected = balanced_accuracy_score(torch.cat([y for _, y in batches]), guesses)
    assert result.final["val_balanced_accuracy"] == pytest.approx(expected)
    assert 0 <= result.measures["train_error"] <= 1
    assert result.final["train_loss"] < result.curve[0]["train_loss"]
    assert result.seconds > 0
    spent = candidate().cost()
    assert (result.parameters, result.multiply_adds, result.depth, result.memory) == (
        spent.parameters,
        spent.multiply_adds,
        spent.depth,
        spent.memory,
    )
    assert (result.diverged, result.pruned, result.latency) == (False, False, None)


def test_latency_is_measured_when_asked_for() -> None:
    latency = run(candidate(epochs=1), measure_latency=True).result.latency
    assert latency is not None
    assert 0 < latency < 1


@pytest.mark.parametrize("norm", list(NORMS))
@pytest.mark.parametrize("lr", [1e6, 1e30])
def test_divergence_is_a_result(norm: str, lr: float) -> None:
    """With its measured accuracy and a flag, whatever became of the numbers."""
    ours = candidate(tiny(norm=Named(norm)), optimizer=Named.of("sgd", lr=lr), epochs=3)
    result = run(ours).result
    assert result.diverged
    assert 0 <= result.final["val_accuracy"] <= 1
    assert 1 <= len(result.curve) <= 3
    broken = [not math.isfinite(record["train_loss"]) for record in result.curve]
    assert not any(broken[:-1]), "it went on after the loss was lost"


def test_pruning_ends_a_training_after_the_epoch() -> None:
    seen: list[dict[str, float]] = []

    def on_epoch(record: dict[str, float]) -> bool:
        seen.append(record)
        return len(seen) == 2

    result = run(candidate(epochs=5), on_epoch=on_epoch).result
    assert result.pruned
    assert result.curve == seen
    assert len(seen) == 2
    whole = run(candidate(epochs=2), on_epoch=lambda record: record["epoch"] == 2.0).result
    assert not whole.pruned


def test_pruned_trainings_agree_with_whole_ones_so_far() -> None:
    whole = run(candidate(epochs=4)).result.curve
    pruned = run(candidate(epochs=4), on_epoch=lambda record: True).result.curve
    assert pruned == whole[:1]


def test_an_interrupted_training_stops_at_the_next_batch() -> None:
    asked: list[int] = []

    def interrupted() -> bool:
        asked.append(1)
        return len(asked) > 4

    with pytest.raises(StoppedError):
        run(candidate(epochs=9), interrupted=interrupted)
    assert len(asked) == 5


@pytest.mark.parametrize("order", list(CONV_ORDERS))
def test_recomputation_changes_no_result(order: str) -> None:
    ours = candidate(tiny(activation_order=order))
    keeping, saving = run(ours), run(ours, memory=1)
    assert saving.network.checkpointing
    assert not keeping.network.checkpointing
    assert saving.result.curve == keeping.result.curve
    assert same_weights(keeping, saving)


def test_the_last_training_sees_the_validation_split_too() -> None:
    ours = candidate(epochs=1)
    assert len(run(ours).data.train_evaluation_dataloader().rows) == 96
    both = run(ours, train_on_validation=True)
    assert len(both.data.train_evaluation_dataloader().rows) == 136


def test_settings_may_be_left_at_their_defaults() -> None:
    ours = replace(candidate(), training=Training(epochs=1, batch_size=48))
    assert len(run(ours).result.curve) == 1


@pytest.mark.parametrize(
    ("train_size", "batch_size", "complaint"),
    [
        (9, 4, "10 classes, and 9 training pictures"),
        (96, 97, "96 .* fewer than the 97 of one batch"),
    ],
)
def test_too_few_pictures_are_refused_before_the_training(
    train_size: int, batch_size: int, complaint: str
) -> None:
    ours = candidate(epochs=1, batch_size=batch_size)
    ours = replace(ours, dataset=replace(ours.dataset, train_size=train_size))
    with pytest.raises(DataError, match=complaint):
        run(ours, on_epoch=lambda record: pytest.fail("it was trained"))
    assert len(run(candidate(epochs=1, batch_size=96)).result.losses) == 1


def test_a_warm_up_of_the_whole_training_is_one() -> None:
    settings = Training(epochs=2, warmup=2.0)
    assert [settings.factor(step, 4) for step in range(4)] == [0.2, 0.4, 0.6, 0.8]


@pytest.mark.parametrize("optimizer", list(OPTIMIZERS))
def test_every_optimiser_learns(optimizer: str) -> None:
    lr = 0.1 if optimizer == "sgd" else 0.01
    ours = candidate(optimizer=Named.of(optimizer, lr=lr), epochs=6)
    curve = run(ours).result.curve
    assert curve[-1]["train_loss"] < 0.8 * curve[0]["train_loss"]


def test_digits_are_learnt() -> None:
    """A real result on real data: three quarters of the unseen digits after eight epochs."""
    dataset = Dataset(name="digits", train_size=600, validation_size=200)
    ours = replace(candidate(epochs=8), dataset=dataset)
    assert run(ours).result.final["val_accuracy"] > 0.75
