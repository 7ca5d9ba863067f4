"""What is measured of a run, of signal and of gradient: known cases, twins, no trace left."""

import copy
import json
import math
import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from conftest import CONV_ORDERS, small
from torch import nn

from nas.model.architecture import Architecture, Named, Stage
from nas.model.network import Network, Plain, Residual
from nas.training.metrics import (
    MEASURES,
    PROBE_STEPS,
    Run,
    default_probes,
    finished_names,
    measure_run,
    measures,
    probe_names,
    probes,
    run,
    run_measures,
)
from nas.training.metrics.curvature import extreme_eigenvalue, hessian_product
from nas.training.metrics.probes import probe
from nas.training.metrics.run import (
    THRESHOLDS,
    diverged,
    generalisation_gap,
    in_steps_made,
    loss_area,
    moving_average,
    started,
    steps_to_threshold,
)
from nas.training.metrics.subject import Readings, Subject

ALL = tuple(probe_names())
GUESSING = math.log(10)
NORMS = [Named("batch"), Named.of("group", groups=2), Named("layer"), Named("none")]


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


def build(
    depth=1,
    *,
    width=4,
    shortcut="identity",
    seed=0,
    norm=NORMS[0],
    size=8,
    num_classes=10,
    **options,
) -> Network:
    """A network of 6 * depth + 2 layers: He et al. 2015, section 4.2, option A."""
    stages = tuple(
        Stage(
            depth=depth,
            width=width * 2**index,
            stride=min(index, 1) + 1,
            shortcut=shortcut,
            transition="none" if shortcut == "none" else "zero_pad",
        )
        for index in range(3)
    )
    architecture = Architecture(
        image_shape=(3, size, size),
        num_classes=num_classes,
        stem=Named.of("conv3x3", width=width),
        stages=stages,
        norm=norm,
    )
    return Network(architecture, seed=seed, **options)


def pictures(count=16, size=8, seed=0) -> tuple[torch.Tensor, torch.Tensor]:
    """Smooth pictures with some noise, of unit variance, and labels."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.randn(count, 3, 4, 4, generator=generator)
    smooth = F.interpolate(coarse, size=(size, size), mode="bilinear")
    batch = smooth + 0.2 * torch.randn(count, 3, size, size, generator=generator)
    return batch / batch.std(), torch.randint(10, (count,), generator=generator)


class Linear(nn.Module):
    """Logits = head(block(block(picture))): a linear map of known singular values."""

    def __init__(self, values, factor=1.0, channels=3, size=2):
        super().__init__()
        mixing = torch.linalg.qr(torch.randn(channels, channels, generator=torch.manual_seed(1)))[0]
        convs = [nn.Conv2d(channels, channels, 1, bias=False) for _ in range(2)]
        for conv in convs:
            conv.weight.data = factor * mixing[:, :, None, None]
        self.parts = nn.ModuleList(Plain(nn.Sequential(conv)) for conv in convs)
        pixels = channels * size**2
        self.head = nn.Linear(pixels, len(values), bias=False)
        left = torch.linalg.qr(torch.randn(len(values), len(values)))[0]
        right = torch.linalg.qr(torch.randn(pixels, len(values)))[0]
        self.head.weight.data = left @ torch.diag(torch.tensor(values)) @ right.T

    def blocks(self):
        return list(self.parts)

    def forward(self, x):
        for part in self.parts:
            x = part(x)
        return self.head(x.flatten(1))


# The table


def test_every_measure_is_explained():
    for name in MEASURES:
        assert len(MEASURES.description(name)) > 50, name


def test_all_but_the_hessian_are_taken_by_default():
    assert set(ALL) - set(default_probes()) == {"hessian_eigenvalue"}
    assert list(measure_run(Run(losses=[2.0], num_classes=10))) == list(run_measures())
    assert sorted(MEASURES) == sorted([*run_measures(), *ALL, *finished_names()])
    assert set(THRESHOLDS) <= set(run_measures())


def test_the_labels_of_measures_load_no_torch():
    code = (
        "import sys; from nas.training.metrics import MEASURES; MEASURES['gradient_norm'].label;"
        "print({'torch', 'numpy'} & set(sys.modules))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "set()"


def test_the_table_and_the_measures_of_a_run_load_no_torch():
    code = "import sys, nas.training.metrics.run; print({'torch', 'numpy'} & set(sys.modules))"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "set()"


# Measures of a run


def test_moving_average_looks_ahead():
    assert moving_average([1, 2, 3, 4], window=2) == [1.5, 2.5, 3.5]
    assert moving_average([1, 2], window=10) == [1.5]
    assert moving_average([]) == []


@pytest.mark.parametrize(
    ("threshold", "steps"),
    [(4.0, 10), (2.0, 11), (1.5, 13), (1.01, 15), (1.0, None), (0.5, None)],
)
def test_steps_to_threshold_are_steps_made(threshold, steps):
    # after t steps the window of the last ten holds 15 - t threes: its mean is 4 - t / 5
    assert steps_to_threshold([3.0] * 5 + [1.0] * 20, threshold) == steps


def test_a_single_low_loss_is_no_threshold_reached():
    losses = [2.3] * 15 + [0.1] + [2.3] * 15
    assert steps_to_threshold(losses, 1.0) is None
    assert steps_to_threshold(losses, 2.2) == 16


def test_a_run_shorter_than_the_window_is_judged_when_all_its_steps_are_made():
    assert steps_to_threshold([2.0, 1.0, 0.0], 1.5) == 3
    assert steps_to_threshold([], 1.5) is None


def test_steps_stored_by_older_versions_are_counted_as_made():
    stored = {"steps_to_90": 2, "steps_to_75": None, "loss_area": 1.0}
    assert in_steps_made(stored) == {"steps_to_90": 12, "steps_to_75": None, "loss_area": 1.0}


def test_a_broken_step_spoils_only_the_windows_that_hold_it():
    assert steps_to_threshold([2.0, math.nan] + [1.0] * 10, 1.5) == 12


LEARNS = [2.3] * 10 + [1.0] * 30
FLAT = [2.31] * 40
RISES = [2.3] * 10 + [1.0] * 20 + [2.5] * 20


@pytest.mark.parametrize(
    ("losses", "has_started", "has_diverged"),
    [
        (LEARNS, True, False),
        (FLAT, False, False),
        ([2.3 - 0.002 * t for t in range(50)], False, False),
        ([2.3 - 0.003 * t for t in range(60)], True, False),
        (RISES, True, True),
        (RISES[:-15], True, False),
        ([2.5] * 10 + [60.0] * 30, False, False),
        ([*LEARNS, math.nan], True, True),
        ([2.5] * 10 + [math.inf], False, True),
        ([*LEARNS[:30], math.inf, *LEARNS[30:]], True, True),
        ([2.0] * 5, True, False),
        ([], False, False),
    ],
)
def test_not_starting_and_diverging_are_two_failures(losses, has_started, has_diverged):
    assert (started(losses, 10), diverged(losses, 10)) == (has_started, has_diverged)


@pytest.mark.parametrize(
    ("measures", "expected"),
    [
        ({"started": True, "diverged": False}, True),
        ({"started": False, "diverged": False}, False),
        ({"started": True, "diverged": True}, False),
        ({"started": 0, "diverged": 0}, False),
        ({}, True),
    ],
)
def test_a_network_trains_that_started_and_did_not_diverge(measures, expected):
    assert run.trains(measures) == expected


def test_a_loss_back_at_guessing_has_diverged():
    assert diverged([1.0] * 20 + [GUESSING] * 10, 10)
    assert not diverged([1.0] * 20 + [GUESSING - 0.01] * 10, 10)


def test_loss_area_counts_broken_and_missing_steps_as_guessing():
    assert loss_area([3.0, 2.0, 1.0], 10) == 2.0
    assert loss_area([3.0, math.nan], 10) == pytest.approx((3 + GUESSING) / 2)
    assert loss_area([1.0, math.inf], 10, num_steps=4) == pytest.approx((1 + 3 * GUESSING) / 4)
    assert loss_area([1.0, 1.0], 10, num_steps=1) == 1.0
    assert loss_area([], 10) is None


def test_generalisation_gap():
    assert generalisation_gap(0.1, 0.25) == pytest.approx(0.15)
    assert generalisation_gap(None, 0.25) is None
    assert generalisation_gap(0.1, math.nan) is None


def test_a_run_measured_as_a_whole():
    values = measure_run(Run(losses=LEARNS, num_classes=10, train_error=0.2, val_error=0.3))
    assert values["steps_to_90"] == 12
    assert values["steps_to_50"] == 19
    assert values["steps_to_25"] is None
    assert values["started"]
    assert not values["diverged"]
    assert values["generalisation_gap"] == pytest.approx(0.1)
    json.dumps(values, allow_nan=False)


# Analytic cases


def test_singular_values_of_a_linear_network_are_known():
    batch, _ = pictures(12, size=2)
    network = Linear([8.0, 4.0, 2.0, 0.5], factor=3.0)
    values = probe(network, batch, labels=torch.arange(12) % 4, seed=0)
    assert values["jacobian_norm"] == pytest.approx(8 * 3 * 3, rel=1e-5)
    assert values["jacobian_condition"] == pytest.approx(16, rel=1e-4)


def test_the_gradients_of_a_linear_network_are_not_shattered():
    batch, _ = pictures(12, size=2)
    values = probe(Linear([3.0, 1.0]), batch, labels=torch.arange(12) % 2, seed=0)
    assert values["gradient_cosine"] == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("factor", [0.25, 2.0])
def test_branch_response_of_an_orthogonal_map_is_its_factor_squared(factor):
    batch = torch.randn(4096, 3, 2, 2, generator=torch.manual_seed(0))
    batch = torch.cat([batch, -batch]).flatten(1)
    batch = torch.cat([batch[i::4096] for i in range(64)]).view(-1, 3, 2, 2)
    network = Linear([1.0, 1.0], factor)
    plain, other = network.blocks()
    network.parts = nn.ModuleList([Residual(plain.branch, nn.Identity()), other])
    values = probe(network, batch, labels=torch.zeros(128, dtype=torch.long), seed=0)
    assert values["branch_response"] == [pytest.approx(factor**2, rel=1e-3), None]


def forward_by_hand(block, x):
    """Branch and shortcut of a residual block in training mode, and the block's output."""
    x = block.before(x)
    branch, shortcut = block.branch(x), block.shortcut(x)
    return branch, shortcut, block.after(branch + shortcut)


@pytest.mark.parametrize("order", list(CONV_ORDERS))
@pytest.mark.parametrize("shortcut", ["identity", "projection"])
@pytest.mark.parametrize("transition", ["projection", "zero_pad"])
def test_signal_is_measured_where_branch_and_shortcut_are_added(order, shortcut, transition):
    architecture = replace(
        small(order=order, shortcut=shortcut, transition=transition),
        image_shape=(3, 8, 8),
        num_classes=10,
    )
    network, (batch, labels) = Network(architecture), pictures()
    names = ("branch_response", "channel_squared_mean", "channel_variance")
    found = probe(network, batch, labels=labels, seed=0, names=names)
    x = network.train().stem(batch)
    for place, block in enumerate(network.blocks()):
        branch, shortcut_out, x = forward_by_hand(block, x)
        channels = x.transpose(0, 1).flatten(1)
        expected = (
            branch.var() / shortcut_out.var(),
            channels.mean(1).square().mean(),
            channels.var(1, correction=0).mean(),
        )
        for name, value in zip(names, expected, strict=True):
            assert found[name][place] == pytest.approx(value.item(), rel=1e-4), (name, place)


def test_blocks_without_a_shortcut_have_no_response():
    batch, labels = pictures()
    found = probe(build(shortcut="none"), batch, labels=labels, seed=0)
    assert found["branch_response"] == [None] * 3
    assert None not in found["channel_variance"]


def test_gradient_norms_are_those_of_the_loss():
    network, (batch, labels) = build(), pictures()
    values = probe(network, batch, labels=labels, seed=0)
    F.cross_entropy(network(batch), labels).backward()
    convs = [(block.branch[0], block.branch[3]) for block in network.blocks()]
    raw = [math.hypot(a.weight.grad.norm(), b.weight.grad.norm()) for a, b in convs]
    weight = [math.hypot(a.weight.norm().item(), b.weight.norm().item()) for a, b in convs]
    assert values["gradient_norm"] == pytest.approx(raw, rel=1e-5)
    assert values["relative_gradient_norm"] == pytest.approx(
        [r / w for r, w in zip(raw, weight, strict=True)], rel=1e-5
    )


@pytest.mark.parametrize(
    ("gradient", "ratio", "slope"),
    [
        ([8.0, 2.0, 0.5], 16.0, -math.log(4)),
        ([1.0, 0.0, 0.5], 2.0, None),
        ([1.0, 1.0, 0.0], None, None),
        ([1.0, math.inf, 2.0], 0.5, None),
        ([math.nan] * 3, None, None),
        ([3.0], 1.0, None),
    ],
)
def test_ratio_and_slope(gradient, ratio, slope):
    readings = Readings(gradient, [1.0] * len(gradient), ([], []), [], [])
    subject = SimpleNamespace(readings=readings)
    assert probes.without_infinity(measures.gradient_ratio(subject)) == pytest.approx(ratio)
    assert probes.without_infinity(measures.gradient_slope(subject)) == pytest.approx(slope)


@pytest.mark.parametrize("extreme", [-7.0, 7.0])
def test_extreme_eigenvalue_of_a_quadratic(extreme):
    x = torch.zeros(6, dtype=torch.float64, requires_grad=True)
    turn = torch.linalg.qr(torch.randn(6, 6, dtype=torch.float64, generator=torch.manual_seed(2)))[
        0
    ]
    matrix = turn @ torch.diag(torch.tensor([extreme, 5.0, -5.0, 1.0, 0.5, 0.0]).double()) @ turn.T
    product = hessian_product(0.5 * x @ matrix @ x, [x])
    assert extreme_eigenvalue(product, torch.ones(6).double()) == pytest.approx(extreme, abs=1e-9)


def test_extreme_eigenvalue_in_many_dimensions():
    diagonal = torch.linspace(-1, 1, 5000, dtype=torch.float64)
    diagonal[17], diagonal[99] = -4, 3.9
    start = torch.randn(5000, generator=torch.manual_seed(0)).double()
    assert extreme_eigenvalue(lambda v: diagonal * v, start) == pytest.approx(-4, rel=1e-3)


def test_extreme_eigenvalue_where_the_space_ends_early():
    start = torch.tensor([1.0, 1.0, 0.0, 0.0]).double()
    diagonal = torch.tensor([2.0, -3.0, 9.0, 9.0]).double()
    assert extreme_eigenvalue(lambda v: diagonal * v, start) == pytest.approx(-3)
    assert extreme_eigenvalue(lambda v: 0 * v, start) == 0


def test_hessian_of_a_network_is_that_of_autograd():
    batch, _ = pictures(6, size=2)
    labels = torch.arange(6) % 2
    network = Linear([2.0, 1.0])
    names, parameters = zip(*network.named_parameters(), strict=True)

    def loss(flat):
        parts = flat.split([p.numel() for p in parameters])
        values = {n: v.view_as(p) for n, v, p in zip(names, parts, parameters, strict=True)}
        return F.cross_entropy(torch.func.functional_call(network, values, (batch,)), labels)

    flat = torch.cat([p.detach().flatten() for p in parameters])
    exact = torch.linalg.eigvalsh(torch.autograd.functional.hessian(loss, flat)).tolist()
    values = probe(network, batch, labels=labels, seed=0, names=("hessian_eigenvalue",))
    assert values["hessian_eigenvalue"] == pytest.approx(max(exact, key=abs), rel=1e-3)


def test_the_statistics_of_the_batch_are_used_in_evaluation_mode():
    network, (batch, labels) = build(), pictures(32)
    network.stem[1].running_var.fill_(math.nan)  # as found: of no use
    subject = Subject(network, batch, labels, 0)
    training = subject.network.train()(batch)
    assert torch.allclose(
        subject.network.eval()(batch), training, atol=0.05 * training.std().item()
    )


# Twins at initialisation


@pytest.fixture(scope="module")
def twins() -> dict[str, list[dict]]:
    """Probes of 32-layer networks with and without shortcuts, else equal, for three seeds."""
    torch.set_num_threads(1)
    batch, labels = pictures(64, size=16)
    return {
        shortcut: [
            probe(
                build(5, width=8, shortcut=shortcut, size=16, seed=s), batch, labels=labels, seed=s
            )
            for s in range(3)
        ]
        for shortcut in ("none", "identity")
    }


def pairs(twins, name):
    """Values of plain and residual networks, seed by seed."""
    return [(a[name], b[name]) for a, b in zip(twins["none"], twins["identity"], strict=True)]


def test_without_shortcuts_gradients_are_shattered(twins):
    for plain, residual in pairs(twins, "gradient_cosine"):
        assert plain < 0.2
        assert residual > 0.5


def test_without_shortcuts_gradients_explode_towards_the_input(twins):
    for plain, residual in pairs(twins, "gradient_ratio"):
        assert plain > 4 * residual > 4
    for plain, residual in pairs(twins, "gradient_slope"):
        assert plain < 1.5 * residual < 0


def test_without_shortcuts_the_jacobian_is_larger_and_worse_conditioned(twins):
    for plain, residual in pairs(twins, "jacobian_norm"):
        assert plain > 3 * residual
    for plain, residual in pairs(twins, "jacobian_condition"):
        assert plain > residual


def test_batch_norm_shrinks_the_branch_against_the_shortcut(twins):
    for _, residual in pairs(twins, "branch_response"):
        assert residual[4] < residual[1] < residual[0]
        assert residual[-1] < 0.3 * residual[0]


def test_the_variance_of_plain_networks_does_not_grow_and_that_of_residual_ones_does(twins):
    for plain, residual in pairs(twins, "channel_variance"):
        assert max(plain) < 1
        assert residual[0] < residual[2] < residual[4]
        assert residual[4] > 1.5


def test_without_shortcuts_the_curvature_is_larger():
    batch, labels = pictures(32)
    plain, residual = (
        probe(
            build(3, shortcut=shortcut), batch, labels=labels, seed=0, names=("hessian_eigenvalue",)
        )["hessian_eigenvalue"]
        for shortcut in ("none", "identity")
    )
    assert abs(plain) > 2 * abs(residual)


# No trace left


def fingerprint(network):
    """All that training could notice."""
    return {
        "state": copy.deepcopy(network.state_dict()),
        "gradients": {
            n: None if p.grad is None else p.grad.clone() for n, p in network.named_parameters()
        },
        "needs": [p.requires_grad for p in network.parameters()],
        "modes": [m.training for m in network.modules()],
        "momenta": [getattr(m, "momentum", None) for m in network.modules()],
        "hooks": sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in network.modules()),
        "random": torch.get_rng_state(),
    }


def same(a, b):
    """Equality to the last bit, inside containers too."""
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, torch.Tensor) and isinstance(b, torch.Tensor):
        return a.dtype == b.dtype and torch.equal(a, b)
    return a == b


@pytest.mark.parametrize("norm", NORMS, ids=str)
@pytest.mark.parametrize("with_gradients", [True, False])
def test_a_probe_leaves_the_network_as_found(norm, with_gradients):
    network, (batch, labels) = build(norm=norm), pictures()
    if with_gradients:
        F.cross_entropy(network(batch), labels).backward()
        network.eval()
        network.stages[1].train()
        network.stem[0].weight.requires_grad_(False)
    before, batch_before = fingerprint(network), batch.clone()
    values = probe(network, batch, labels=labels, seed=0, names=ALL)
    assert same(before, fingerprint(network))
    assert torch.equal(batch, batch_before)
    assert not batch.requires_grad
    assert None not in values.values()


def train(*, probed: bool, num_steps=12, **options):
    """A short training with a random layer; its losses, weights and random state at the end."""
    torch.manual_seed(7)
    network = build(**options)
    network.stages[0][0].branch.append(nn.Dropout(0.2))
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9)
    losses = []
    for step in range(num_steps):
        if probed and step in PROBE_STEPS:
            batch, labels = pictures(seed=99)
            probe(network, batch, labels=labels, seed=step, names=ALL)
        batch, labels = pictures(seed=step)
        optimizer.zero_grad()
        loss = F.cross_entropy(network(batch + 0.1 * torch.randn_like(batch)), labels)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses, network.state_dict(), torch.get_rng_state()


@pytest.mark.parametrize("checkpointing", [False, True])
def test_training_is_the_same_to_the_last_bit(checkpointing):
    losses, state, random = train(probed=True, checkpointing=checkpointing)
    expected_losses, expected_state, expected_random = train(
        probed=False, checkpointing=checkpointing
    )
    assert losses == expected_losses
    assert same(dict(state), dict(expected_state))
    assert torch.equal(random, expected_random)


# Use


def test_values_follow_from_the_seed_alone():
    network, (batch, labels) = build(), pictures()
    network.stages[0][0].branch.append(nn.Dropout(0.2))
    values = probe(network, batch, labels=labels, seed=3)
    torch.manual_seed(5)
    assert probe(network, batch, labels=labels, seed=3) == values
    assert probe(network, batch, labels=labels, seed=4) != values


def test_values_do_not_depend_on_what_else_is_measured():
    network, (batch, labels) = build(), pictures()
    values = probe(network, batch, labels=labels, seed=3, names=ALL)
    one_by_one = {}
    for name in reversed(ALL):
        one_by_one |= probe(network, batch, labels=labels, seed=3, names=(name,))
    assert one_by_one == values


@pytest.mark.parametrize(
    "surroundings",
    [torch.no_grad, torch.inference_mode, lambda: torch.autocast("cpu", dtype=torch.bfloat16)],
    ids=["no_grad", "inference_mode", "autocast"],
)
def test_values_do_not_depend_on_the_surroundings(surroundings):
    network, (batch, labels) = build(), pictures()
    expected = probe(network, batch, labels=labels, seed=0)
    with surroundings():
        assert probe(network, batch.clone(), labels=labels, seed=0) == expected


def test_checkpointing_changes_no_value():
    batch, labels = pictures()
    expected = probe(build(), batch, labels=labels, seed=0, names=ALL)
    values = probe(build(checkpointing=True), batch, labels=labels, seed=0, names=ALL)
    assert values == {name: pytest.approx(value) for name, value in expected.items()}


@pytest.mark.parametrize("poison", [math.nan, math.inf, 3e38])
@pytest.mark.parametrize("norm", NORMS, ids=str)
def test_what_is_not_finite_is_none(poison, norm):
    network, (batch, labels) = build(norm=norm), pictures()
    network.stages[1][0].branch[0].weight.data.fill_(poison)
    values = probe(network, batch, labels=labels, seed=0, names=ALL)
    text = json.dumps(values, allow_nan=False)
    assert "null" in text
    assert len(values["gradient_norm"]) == len(values["branch_response"]) == 3


def test_a_dead_network_has_no_gradient_to_compare():
    network, (batch, labels) = build(norm=NORMS[3]), pictures()
    for parameter in network.stem.parameters():
        parameter.data.fill_(-1.0)
    values = probe(network, batch.abs(), labels=labels, seed=0, names=ALL)
    assert values["jacobian_norm"] == 0
    assert values["gradient_cosine"] is None
    assert values["jacobian_condition"] is None


def test_a_network_that_predicts_a_number_is_probed_by_its_only_output():
    network, (batch, labels) = build(num_classes=1), pictures()
    values = probe(network, batch, labels=labels.float(), seed=0, names=ALL)
    assert -1 <= values["gradient_cosine"] <= 1
    assert values["jacobian_condition"] == pytest.approx(1)
    assert all(math.isfinite(x) for x in values["gradient_norm"])


@pytest.mark.parametrize("count", [2, 3, 5])
def test_a_few_pictures_are_enough(count):
    batch, labels = pictures(count)
    values = probe(build(), batch, labels=labels, seed=0)
    assert None not in values.values()


def test_wrong_use_is_refused_in_a_sentence():
    network, (batch, labels) = build(), pictures()
    with pytest.raises(ValueError, match="Did you mean 'gradient_norm'"):
        probe(network, batch, labels=labels, seed=0, names=("gradient_nrm",))
    with pytest.raises(ValueError, match="at least 2 pictures, found 1"):
        probe(network, batch[:1], labels=labels[:1], seed=0)


def test_very_deep_networks_are_measured_on_fewer_pictures(monkeypatch):
    network, (batch, labels) = build(), pictures()
    few = probe(network, batch[:8], labels=labels[:8], seed=0)
    monkeypatch.setattr("nas.training.metrics.subject.MAX_LOAD", 7 * 8)
    sizes = []
    network.stem.register_forward_pre_hook(lambda _, inputs: sizes.append(len(inputs[0])))
    values = probe(network, batch, labels=labels, seed=0)
    assert max(sizes) == 8
    assert values == {name: pytest.approx(value, rel=1e-4) for name, value in few.items()}
