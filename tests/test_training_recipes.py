"""Parts of published recipes against torch's own, and by hand."""

import copy
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from conftest import small
from torch.optim.lr_scheduler import MultiStepLR, OneCycleLR
from torch.optim.swa_utils import AveragedModel, get_ema_avg_fn

from nas.data import Dataset, open_data
from nas.export.writing import averaged
from nas.model.architecture import Architecture, Named, Stage
from nas.model.network import Network
from nas.report.sections.method import settings_of
from nas.space.errors import SpaceError
from nas.space.space import SearchSpace
from nas.space.yaml import Source
from nas.training.averaging import Average
from nas.training.candidate import Candidate, Training
from nas.training.evaluation import accuracy
from nas.training.lightning import Trained, train
from nas.training.mixup import draw_mix
from nas.training.optimizers import OPTIMIZERS, decayed_groups
from nas.training.schedules import SCHEDULES


def rates(scheduler: Any, steps: int) -> list[float]:
    found = []
    for _ in range(steps):
        found.append(scheduler.optimizer.param_groups[0]["lr"])
        scheduler.optimizer.step()
        scheduler.step()
    return found


def sgd() -> torch.optim.Optimizer:
    return torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)


def test_milestones_are_those_of_torch() -> None:
    """Of WRN: a fifth at epochs 60, 120 and 160 of 200."""
    options = {"first": 0.3, "second": 0.6, "third": 0.8, "gamma": 0.2}
    training = Training(epochs=200, schedule=Named.of("step", **options))
    expected = rates(MultiStepLR(sgd(), [60, 120, 160], gamma=0.2), 200)
    found = [training.factor(7 * epoch, 7 * 200) for epoch in range(200)]
    assert found == pytest.approx(expected, rel=1e-12)
    assert [round(rate, 4) for rate in dict.fromkeys(found)] == [1.0, 0.2, 0.04, 0.008]
    plain = Training(epochs=200)  # as it always was, to the last bit
    assert {replace(plain, schedule=Named("step")).factor(i, 200) for i in (0, 100, 150)} == {
        1.0,
        0.1,
        0.01,
    }


def test_one_cycle_is_that_of_torch() -> None:
    """Which ends at its last step, and has its peak a step earlier."""
    steps, rise = 200, 0.3
    expected = rates(OneCycleLR(sgd(), max_lr=1.0, total_steps=steps, pct_start=rise), steps)
    peak = rise * steps - 1
    for step, rate in enumerate(expected):
        falling = (step - peak) / (steps - 1 - peak)
        progress = rise * step / peak if step <= peak else rise + (1 - rise) * falling
        assert SCHEDULES["one_cycle"](progress) == pytest.approx(rate, rel=1e-9)
    found = [Training(epochs=1, schedule=Named("one_cycle")).factor(i, steps) for i in range(steps)]
    assert max(abs(a - b) for a, b in zip(found, expected, strict=True)) < 0.03


def test_a_schedule_by_the_epoch_is_told_by_its_end() -> None:
    """Of MobileNetV2: 0.98 in each of 300 epochs."""
    schedule = Named.of("exponential", end=0.98**300)
    found = Training(epochs=300, schedule=schedule).factor(5 * 100, 5 * 300)
    assert found == pytest.approx(0.98**100)


def network(join: str = "add") -> Network:
    stages = (Stage(depth=1, width=4, join=Named(join)), Stage(depth=1, width=8, stride=2))
    stem = Named.of("conv3x3", width=4)
    shape: dict[str, Any] = {"image_shape": (1, 8, 8), "num_classes": 10, "stem": stem}
    architecture: Architecture = small(**shape | {"stages": stages})
    return Network(architecture, seed=0)


def test_the_average_of_weights_is_that_of_torch() -> None:
    ours, decay = network(), 0.9
    average = Average(ours, decay)
    theirs = AveragedModel(ours, avg_fn=get_ema_avg_fn(decay), use_buffers=True)
    optimizer = torch.optim.SGD(ours.parameters(), lr=0.1)
    weight = ours.head.weight
    by_hand = None
    for step in range(4):
        pictures = torch.randn(16, 1, 8, 8, generator=torch.Generator().manual_seed(step))
        ours(pictures).square().mean().backward()
        optimizer.step()
        optimizer.zero_grad()
        average.update()
        theirs.update_parameters(ours)
        now = weight.detach().clone()
        by_hand = now if by_hand is None else decay * by_hand + (1 - decay) * now
    trained = copy.deepcopy(ours.state_dict())
    average.swap()
    assert by_hand is not None
    assert torch.allclose(ours.head.weight, by_hand, rtol=1e-5)
    assert not torch.allclose(trained["head.weight"], by_hand, rtol=1e-3)
    for name, value in theirs.module.state_dict().items():
        if value.is_floating_point():
            assert torch.allclose(ours.state_dict()[name], value, rtol=1e-5, atol=1e-7), name
    average.swap()
    assert all(torch.equal(value, trained[name]) for name, value in ours.state_dict().items())


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_a_mixed_loss_is_that_with_mixed_targets(smoothing: float) -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(6, 4, generator=generator)
    labels = torch.randint(4, (6,), generator=generator)
    mix = draw_mix(6, 0.8, "3:5")
    assert mix.partners is not None
    one_hot = F.one_hot(labels, 4).float()
    targets = mix.share * one_hot + (1 - mix.share) * one_hot[mix.partners]
    expected = F.cross_entropy(logits, targets, label_smoothing=smoothing)

    def loss(targets: torch.Tensor) -> torch.Tensor:
        return F.cross_entropy(logits, targets, label_smoothing=smoothing)

    assert torch.allclose(mix.mean(loss, labels), expected)
    pictures = torch.randn(6, 1, 2, 2, generator=generator)
    mixed = mix.pictures(pictures)[0]
    other = pictures[int(mix.partners[0])]
    assert torch.allclose(mixed, mix.share * pictures[0] + (1 - mix.share) * other)


def test_shares_of_mixup_are_drawn_from_a_beta_distribution() -> None:
    for alpha in (0.2, 1.0):
        shares = torch.tensor([draw_mix(2, alpha, f"0:{step}").share for step in range(2000)])
        assert float(shares.mean()) == pytest.approx(0.5, abs=0.03)
        variance = 1 / (4 * (2 * alpha + 1))  # of Beta(alpha, alpha)
        assert float(shares.var()) == pytest.approx(variance, rel=0.1)
    assert draw_mix(9, 1.0, "0:1").share == draw_mix(9, 1.0, "0:1").share != shares[0]


def test_norms_biases_and_joins_can_be_left_out_of_weight_decay() -> None:
    ours = network("layer_scale")
    names = {id(parameter): name for name, parameter in ours.named_parameters()}
    decayed, others = decayed_groups(ours)
    found = [{names[id(one)] for one in group["params"]} for group in (decayed, others)]
    assert found[0] | found[1] == set(names.values())
    assert not found[0] & found[1]
    assert all(one.ndim in (2, 4) for one in decayed["params"])
    assert "head.weight" in found[0]
    assert "head.bias" in found[1]
    assert any("scale" in name for name in found[1])
    optimizer = OPTIMIZERS["sgd"]([decayed, others], lr=1.0, momentum=0.0, weight_decay=0.25)
    before = {name: one.detach().clone() for name, one in ours.named_parameters()}
    for one in ours.parameters():
        one.grad = torch.zeros_like(one)
    optimizer.step()
    for name, one in ours.named_parameters():
        share = 0.75 if name in found[0] else 1.0
        assert torch.allclose(one, share * before[name]), name


def candidate(**settings: Any) -> Candidate:
    values = {"epochs": 2, "batch_size": 32, "optimizer": Named.of("sgd", lr=0.1)} | settings
    dataset = Dataset(name="digits", train_size=96, validation_size=40)
    architecture = network("layer_scale").architecture
    return Candidate(architecture=architecture, training=Training(**values), dataset=dataset)


def run(ours: Candidate, **options: Any) -> Trained:
    return train(ours, seed=3, data_dir=Path("/nowhere"), **options)


def test_trainings_with_all_of_it_are_those_one_would_write_by_hand() -> None:
    alpha, decay = 0.4, 0.8
    options = {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.01}
    ours = candidate(
        optimizer=Named.of("sgd", **options),
        mixup=alpha,
        weight_average=decay,
        weight_decay_of="weights",
    )
    trained = run(ours)
    data = open_data(ours.dataset, data_dir=Path(), batch_size=32, seed=3)
    by_hand = Network(ours.architecture, seed=3).to(memory_format=torch.channels_last)
    shapes = [(one, len(one.shape) in (2, 4)) for one in by_hand.parameters()]
    optimizer = torch.optim.SGD(
        [
            {"params": [one for one, many in shapes if many]},
            {"params": [one for one, many in shapes if not many], "weight_decay": 0.0},
        ],
        **options,
    )
    batches, losses, step, averaged = data.train_dataloader(), [], 0, None
    for _ in range(2):
        for pictures, labels in batches:
            mix = draw_mix(len(labels), alpha, f"3:{step}")
            others = mix.partners
            for group in optimizer.param_groups:
                group["lr"] = 0.1 * 0.5 * (1 + math.cos(math.pi * step / 6))
            logits = by_hand(mix.share * pictures + (1 - mix.share) * pictures[others])
            loss = mix.share * F.cross_entropy(logits, labels)
            loss = loss + (1 - mix.share) * F.cross_entropy(logits, labels[others])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
            weight = by_hand.head.weight.detach()
            averaged = (
                weight.clone() if averaged is None else decay * averaged + (1 - decay) * weight
            )
            step += 1
    assert [loss for _, loss in trained.result.losses] == pytest.approx(losses, rel=1e-3)
    assert averaged is not None
    assert torch.allclose(trained.network.head.weight, averaged, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_mixed_precision_is_that_of_torch(precision: str) -> None:
    """Steps by hand, with torch's autocast and its scaler."""
    options = {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.01}
    optimizer_named = Named.of("sgd", **options)
    ours = candidate(optimizer=optimizer_named, precision=precision, gradient_clip=0.5)
    trained = run(ours)
    dtype = {"bf16": torch.bfloat16, "fp16": torch.float16}[precision]
    scaler = torch.amp.GradScaler("cpu", enabled=precision == "fp16")
    data = open_data(ours.dataset, data_dir=Path(), batch_size=32, seed=3)
    network = Network(ours.architecture, seed=3).to(memory_format=torch.channels_last)
    for norm in (one for one in network.modules() if isinstance(one, torch.nn.BatchNorm2d)):
        norm.momentum = 1.0  # the training follows its own rule; it matters in use alone
    optimizer = torch.optim.SGD(network.parameters(), **options, fused=True)
    batches, losses = data.train_dataloader(), []
    for _ in range(2):
        for pictures, labels in batches:
            for group in optimizer.param_groups:
                group["lr"] = 0.1 * 0.5 * (1 + math.cos(math.pi * len(losses) / 6))
            with torch.autocast("cpu", dtype):
                logits = network(pictures.to(memory_format=torch.channels_last))
            loss = F.cross_entropy(logits.float(), labels)
            optimizer.zero_grad()
            scaler.scale(loss).backward()
            scaler.unscale_(optimizer)
            torch.nn.utils.clip_grad_norm_(network.parameters(), 0.5)
            scaler.step(optimizer)
            scaler.update()
            losses.append(loss.item())
    assert [loss for _, loss in trained.result.losses] == pytest.approx(losses, abs=1e-4)
    assert all(
        torch.equal(a, b)
        for a, b in zip(trained.network.parameters(), network.parameters(), strict=True)
    )
    full = run(replace(ours, training=replace(ours.training, precision="fp32")))
    assert full.result.losses != trained.result.losses
    assert {weight.dtype for weight in trained.network.parameters()} == {torch.float32}
    assert settings_of(ours.training)["products of a training step in"] == precision


def test_recomputed_blocks_have_the_same_bits_in_mixed_precision() -> None:
    gradients = []
    for checkpointing in (False, True):
        network = Network(small(), seed=1, checkpointing=checkpointing)
        with torch.autocast("cpu", torch.bfloat16):
            logits = network(torch.randn(6, 3, 9, 7, generator=torch.Generator().manual_seed(1)))
        F.cross_entropy(logits.float(), torch.arange(6) % 5).backward()
        gradients.append([weight.grad for weight in network.parameters()])
    assert all(torch.equal(a, b) for a, b in zip(*gradients, strict=True))


def test_what_is_measured_is_the_average_and_training_is_the_same_without() -> None:
    plain, averaged = run(candidate()), run(candidate(weight_average=0.95))
    assert plain.result.losses == averaged.result.losses
    assert plain.result.curve[-1]["train_loss"] == averaged.result.curve[-1]["train_loss"]
    found = accuracy(averaged.network, averaged.data.val_dataloader())
    assert averaged.result.final["val_accuracy"] == pytest.approx(found)
    assert averaged.result.final["val_loss"] != plain.result.final["val_loss"]
    assert not torch.equal(averaged.network.head.weight, plain.network.head.weight)


SPACE = "{name: s, architecture: {stages: [{depth: 1, width: 8}]}, training: {%s}}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("optimizer: {adam: {beta2: [0.9, 1.0]}}", "beta2 of adam must be below 1"),
        ("weight_average: 1.0", "weight_average"),
        ("mixup: -0.1", "mixup"),
        ("weight_decay_of: matrices", "weight_decay_of"),
    ],
)
def test_settings_that_cannot_be_are_refused(text: str, message: str) -> None:
    with pytest.raises(SpaceError, match=message):
        SearchSpace.parse(Source("s.yaml", SPACE % text))


def test_new_options_at_their_defaults_change_no_hash() -> None:
    """As studies are found by it."""

    def hashes(text: str) -> tuple[str, str]:
        space = SearchSpace.parse(Source("s.yaml", SPACE % text))
        (one,) = space.trainings()
        return space.hash, Candidate(
            architecture=small(), training=one, dataset=Dataset(name="digits")
        ).hash

    for short, long in (
        ("optimizer: {adam: {lr: 0.1}}", "optimizer: {adam: {lr: 0.1, beta1: 0.9, beta2: 0.999}}"),
        ("schedule: step", "schedule: {step: {first: 0.5, gamma: 0.1}}"),
        ("epochs: 10", "weight_average: 0.0, mixup: 0.0, weight_decay_of: all, precision: fp32"),
    ):
        assert hashes(short)[1] == hashes(long)[1]
    before = {  # as found before these options came
        "optimizer: {adam: {lr: 0.1}}": "2b873cc6a1017442",
        "schedule: step": "02d6c55aee6e2707",
    }
    assert {text: hashes(text)[0] for text in before} == before
    assert hashes("mixup: 0.1") != hashes("mixup: 0.2") != hashes("epochs: 10")


def test_reports_and_exported_modules_tell_of_the_average() -> None:
    ours = candidate(weight_average=0.9, mixup=0.2, weight_decay_of="weights")
    told = settings_of(ours.training)
    assert told["moving average of the weights, which is what is measured and exported"] == "0.9"
    assert told["mixup, alpha"] == "0.2"
    assert told["weight decay"] == "of convolutions and linear layers alone"
    assert averaged(ours) == [
        "The weights are a moving average over the steps of the training (0.9 kept)."
    ]
    assert averaged(candidate()) == []
