"""How a candidate is trained, as data; schedules and optimisers."""

import json
from dataclasses import replace
from typing import Any

import pytest
import torch
from conftest import small

from nas.common.errors import UserError
from nas.data import Dataset
from nas.model.architecture import Named
from nas.space.enumeration import EnumeratingTrial, all_draws, all_values
from nas.space.space import SearchSpace
from nas.space.yaml import Source
from nas.training.candidate import OPTIMIZERS, SCHEDULES, Candidate, Training


def candidate(**choices: Any) -> Candidate:
    training = Training(epochs=4, optimizer=Named.of("sgd", lr=0.1, momentum=0.9))
    values = {"architecture": small(), "training": training, "dataset": Dataset(name="digits")}
    return Candidate(**values | choices)


def test_json_and_back() -> None:
    ours = candidate(
        dataset=Dataset(name="digits", augment=("crop", "flip"), train_size=20),
        training=Training(
            epochs=7,
            batch_size=3,
            optimizer=Named.of("adamw", lr=1e-5, weight_decay=0.1),
            schedule=Named("step"),
            warmup=0.5,
            label_smoothing=0.1,
            gradient_clip=2.0,
        ),
    )
    assert Candidate.from_json(ours.to_json()) == ours
    assert Candidate.from_json(ours.to_json()).hash == ours.hash
    assert json.loads(ours.to_json())["training"]["optimizer"] == {
        "adamw": {"lr": 1e-5, "weight_decay": 0.1}
    }


def test_every_setting_is_part_of_the_hash() -> None:
    ours = candidate()
    changes: dict[str, Any] = {
        "epochs": 5,
        "batch_size": 64,
        "optimizer": Named.of("sgd", lr=0.2, momentum=0.9),
        "schedule": Named("linear"),
        "warmup": 1.0,
        "label_smoothing": 0.1,
        "gradient_clip": 1.0,
        "class_weights": "balanced",
        "weight_decay_of": "weights",
        "weight_average": 0.9,
        "mixup": 0.2,
        "precision": "bf16",
        "fade_shortcuts": 0.3,
    }
    assert set(changes) == set(Training.__dataclass_fields__)
    others = [replace(ours, training=replace(ours.training, **{k: v})) for k, v in changes.items()]
    others.append(replace(ours, architecture=small("bottleneck")))
    others.append(replace(ours, dataset=Dataset(name="digits", split_seed=1)))
    assert len({other.hash for other in others} | {ours.hash}) == len(others) + 1


@pytest.mark.parametrize(
    ("name", "space_hash", "candidate_hash"),
    [
        ("digits", "02ad3a7d613cb579", "b85856045cf216db"),
        ("cifar_small", "57259f182d53e03a", "8212ee7698322250"),
        ("resnet20", "362feb7731909846", "6a7dd3bda6c176c8"),
    ],
)
def test_what_was_stored_before_keys_were_added_keeps_its_hash(
    name: str, space_hash: str, candidate_hash: str
) -> None:
    """A study is resumed only with the same space; these are the hashes of version 0.1.0."""
    space = SearchSpace.load(name)
    assert space.hash == space_hash
    assert space.candidate(EnumeratingTrial([], all_values)).hash == candidate_hash


def test_unknown_class_weights_are_refused() -> None:
    with pytest.raises(UserError, match="unknown class weights 'heavy': it can be none, balanced"):
        Candidate.from_json(
            candidate().to_json().replace('"epochs"', '"class_weights": "heavy", "epochs"')
        )


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", '{"training": 1}', "[" * 100_000])
def test_other_json_is_refused_in_words(text: str) -> None:
    with pytest.raises(ValueError, match=r"JSON of a candidate|Expecting"):
        Candidate.from_json(text)


#: schedule -> factor at the start, after a quarter, a half, three quarters, and at the last step
FACTORS = {
    "cosine": [1.0, 0.853553, 0.5, 0.146447, 0.000247],
    "linear": [1.0, 0.75, 0.5, 0.25, 0.01],
    "step": [1.0, 1.0, 0.1, 0.01, 0.01],
    "constant": [1.0] * 5,
    "exponential": [1.0, 0.316228, 0.1, 0.031623, 0.010471],
    "one_cycle": [0.04, 0.935693, 0.811746, 0.283060, 0.000507],
}


@pytest.mark.parametrize("schedule", list(SCHEDULES))
def test_schedules(schedule: str) -> None:
    training = Training(epochs=10, schedule=Named(schedule))
    found = [training.factor(step, 100) for step in (0, 25, 50, 75, 99)]
    assert found == pytest.approx(FACTORS[schedule], abs=1e-6)


def power(progress: float, *, power: float = 1.0) -> float:
    """A power of the part that is left.

    power: of that part.
    """
    return (1 - progress) ** power


def test_a_schedule_has_options(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which a space searches, and JSON keeps; one without options is written as its name alone."""
    monkeypatch.setattr(SCHEDULES, "_parts", dict(SCHEDULES.parts()) | {"power": power})
    text = "{name: s, architecture: {stages: [{depth: 1, width: 8}]}, training: {schedule: %s}}"
    space = SearchSpace.parse(Source("s.yaml", text % "[cosine, {power: {power: [2.0, 3.0]}}]"))
    assert space.parameters().keys() == {"training.schedule", "training.schedule.power.power"}
    found = {
        trial.values.get("training.schedule.power.power"): training
        for trial, training in all_draws(space.sample_training, all_values)
    }
    assert found[2.0].factor(50, 100) == 0.25
    assert found[3.0].factor(50, 100) == 0.125
    assert found[3.0].written()["schedule"] == {"power": {"power": 3.0}}
    assert found[None].written()["schedule"] == "cosine"
    ours = replace(candidate(), training=found[3.0])
    assert Candidate.from_json(ours.to_json()) == ours
    wrong = ours.to_json().replace('"power": 3.0', '"power": "high"')
    with pytest.raises(UserError, match="power of power cannot be 'high'"):
        Candidate.from_json(wrong)


@pytest.mark.parametrize("schedule", [name for name in SCHEDULES if name != "one_cycle"])
def test_warm_up_rises_to_the_schedule_and_never_above_it(schedule: str) -> None:
    training = Training(epochs=10, schedule=Named(schedule), warmup=2.0)
    factors = [training.factor(step, 100) for step in range(100)]
    assert factors[:20] == pytest.approx([(step + 1) / 21 for step in range(20)])
    assert factors[20] == pytest.approx(1.0)
    assert max(factors) <= 1.0
    assert min(factors) > 0
    assert factors[20:] == sorted(factors[20:], reverse=True)


@pytest.mark.parametrize("warmup", [10.0, 99.0])
def test_warm_up_may_last_longer_than_the_training(warmup: float) -> None:
    training = Training(epochs=10, warmup=warmup)
    factors = [training.factor(step, 100) for step in range(100)]
    assert factors == sorted(factors)
    assert 0 < factors[0] < factors[-1] < 1


@pytest.mark.parametrize("name", list(OPTIMIZERS))
def test_optimisers_take_their_options_and_move_weights(name: str) -> None:
    weight = torch.nn.Parameter(torch.ones(3))
    optimizer = OPTIMIZERS[name]([weight], lr=0.5, weight_decay=0.25)
    assert optimizer.param_groups[0]["lr"] == 0.5
    assert optimizer.param_groups[0]["weight_decay"] == 0.25
    (weight**2).sum().backward()
    optimizer.step()
    assert (weight < 1).all()


def test_momentum_of_nesterov_needs_momentum() -> None:
    """Drawn together by a search, they are plain gradient descent."""
    for momentum, nesterov in ((0.0, False), (0.9, True)):
        weight = torch.nn.Parameter(torch.ones(1))
        optimizer = OPTIMIZERS["sgd"]([weight], momentum=momentum, nesterov=True)
        assert optimizer.param_groups[0]["nesterov"] == nesterov


def test_the_cost_is_that_of_training() -> None:
    ours = candidate()
    assert (
        ours.cost().memory > candidate(training=replace(ours.training, batch_size=1)).cost().memory
    )
    adam = candidate(training=replace(ours.training, optimizer=Named("adam")))
    assert adam.cost().memory - ours.cost().memory == 4 * ours.cost().parameters
    averaged = candidate(training=replace(ours.training, weight_average=0.99))
    assert averaged.cost().memory - ours.cost().memory == 4 * ours.cost().parameters
