"""Networks for rows of a table: mlp blocks, held against scikit-learn and against their paper."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from exported import assert_same_function, export
from measured_cost import measured
from sklearn.neural_network import MLPClassifier
from torch import nn

from nas.model.architecture import Architecture, Named, Stage, grown
from nas.model.blocks import ORDERS, SHORTCUTS
from nas.model.cost import cost
from nas.model.joins import JOINS
from nas.model.layout import lay_out
from nas.model.network import Network, convolutions

MLP = Named.of("mlp", hidden=1.5, dropout=0.2, residual_dropout=0.1)


def rows_network(*stages: Stage, **choices) -> Architecture:
    """A network for rows of 13 features; without stages, one that keeps its width and one that
    changes it."""
    usual = Stage(depth=2, width=16, block=MLP), Stage(depth=2, width=24, block=MLP)
    defaults = {
        "image_shape": (13, 1, 1),
        "num_classes": 5,
        "stem": Named.of("linear", width=16),
        "stages": stages or usual,
        "activation_order": "pre_activation",
    }
    return Architecture(**defaults | choices)


@pytest.mark.parametrize("join", list(JOINS))
@pytest.mark.parametrize("order", [name for name in ORDERS if not ORDERS[name]().tokens])
def test_exported_is_the_network_to_the_last_bit(order: str, join: str) -> None:
    stage = Stage(depth=2, width=16, block=MLP, join=Named.of(join, **JOINS.defaults(join)))
    stage = replace(stage, transition="none") if stage.growth else stage
    candidate = rows_network(grown(stage, 16), activation_order=order)
    if stage.streams and ORDERS[order]().after_addition > 1:
        pytest.skip("streams with a norm behind the addition are refused")
    assert_same_function(candidate)
    assert cost(candidate).parameters == sum(p.numel() for p in Network(candidate).parameters())


@pytest.mark.parametrize(
    "kind", [name for name, one in SHORTCUTS.parts().items() if one.changes_shape]
)
def test_every_shortcut_that_changes_the_width(kind: str) -> None:
    stages = (
        Stage(depth=1, width=16, block=MLP),
        Stage(depth=2, width=24, transition=kind, block=MLP),
    )
    assert_same_function(rows_network(*stages))


def test_cost_is_that_of_the_layers() -> None:
    candidate = rows_network(norm=Named("none"))
    depth, parameters, multiply_adds, _ = measured(Network(candidate))
    assert cost(candidate)[:3] == (depth, parameters, multiply_adds)


def test_the_outputs_of_scikit_learns_mlp_with_its_weights() -> None:
    """A plain MLP of five hidden layers, float64 there and float32 here."""
    rng = np.random.default_rng(0)
    rows, labels = rng.normal(size=(200, 13)), rng.integers(0, 5, 200)
    theirs = MLPClassifier((16, 32, 16, 32, 16), max_iter=20, random_state=0, tol=0).fit(
        rows, labels
    )
    block = Named.of("mlp", hidden=2.0, activated=True)
    ours = Network(
        rows_network(
            Stage(depth=2, width=16, block=block, shortcut="none", transition="none"),
            stem=Named.of("linear", width=16, activated=True),
            activation_order="post_activation",
            norm=Named("none"),
        )
    )
    layers = [*convolutions(ours.stem), *convolutions(ours.stages), ours.head]
    for layer, weight, bias in zip(layers, theirs.coefs_, theirs.intercepts_, strict=True):
        layer.weight.data = torch.tensor(weight.T.reshape(layer.weight.shape), dtype=torch.float32)
        layer.bias.data = torch.tensor(bias, dtype=torch.float32)
    with torch.no_grad():
        shares = ours(torch.tensor(rows, dtype=torch.float32)[..., None, None]).softmax(1)
    np.testing.assert_allclose(shares.numpy(), theirs.predict_proba(rows), rtol=0, atol=1e-6)


class TabularResNet(nn.Module):
    """Gorishniy et al. 2021, equations of section 3.2, written anew."""

    def __init__(self, width: int, inner: int, blocks: int) -> None:
        super().__init__()
        self.first = nn.Linear(13, width)
        self.blocks = nn.ModuleList(
            nn.ModuleList([nn.BatchNorm1d(width), nn.Linear(width, inner), nn.Linear(inner, width)])
            for _ in range(blocks)
        )
        self.norm = nn.BatchNorm1d(width)
        self.head = nn.Linear(width, 5)

    def forward(self, x):
        x = self.first(x)
        for norm, one, two in self.blocks:
            x = x + two(torch.relu(one(norm(x))))
        return self.head(torch.relu(self.norm(x)))


def test_pre_activation_is_the_tabular_resnet_of_the_paper() -> None:
    theirs = TabularResNet(16, 24, 3)
    block = Named.of("mlp", hidden=1.5)
    ours = Network(rows_network(Stage(depth=3, width=16, block=block)))
    assert sum(p.numel() for p in ours.parameters()) == sum(p.numel() for p in theirs.parameters())
    for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        mine.data = other.data.reshape(mine.shape).clone()
    rows = torch.randn(32, 13, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(ours(rows[..., None, None]), theirs(rows))


@pytest.mark.parametrize(
    ("choices", "place"),
    [
        ({"stem": Named.of("conv3x3", width=16)}, "stem looks at 3x3 pixels"),
        ({"stages": (Stage(depth=1, width=16),)}, "block 0 looks at 3x3 pixels"),
    ],
)
def test_kernels_on_rows_are_refused_with_a_way_on(choices: dict, place: str) -> None:
    with pytest.raises(ValueError, match=f"{place}.*stem: linear with block: mlp"):
        lay_out(rows_network(**choices))


def test_kernels_of_one_pixel_will_do() -> None:
    for block in (Named.of("basic", kernel=1), Named.of("basic", kernel=1, se=0.25)):
        assert_same_function(rows_network(Stage(depth=2, width=16, block=block)))


def test_on_pictures_an_mlp_is_the_same_at_every_place() -> None:
    picture = rows_network(Stage(depth=2, width=16, block=Named("mlp")), norm=Named("none"))
    network = Network(replace(picture, image_shape=(13, 4, 3))).eval()
    x = torch.randn(2, 13, 4, 3, generator=torch.Generator().manual_seed(0))
    features = network.stages(network.stem(x))
    swapped = network.stages(network.stem(x.flip(2, 3)))
    torch.testing.assert_close(swapped.flip(2, 3), features)


def test_an_exported_network_of_rows_reads_as_linear_layers() -> None:
    source = export(rows_network())
    assert "kind = Linear if groups == 1 else nn.Conv2d" in source
    assert "# stage 2: 24 features" in source
