"""Blocks that put channels beside those of x: widths, what they compute, spaces, twins, exports."""

from dataclasses import replace

import pytest
import torch
from conftest import CONV_ORDERS
from exported import assert_same_function, export
from torch import Tensor, nn

from nas.common.errors import SpaceError
from nas.model.architecture import Architecture, Named, Stage, grown, masked
from nas.model.blocks import Join
from nas.model.cost import cost
from nas.model.joins import JOINS, Place
from nas.model.layout import lay_out
from nas.model.network import Network
from nas.payoff.variants import deepened, plain, scaled, twins
from nas.space.enumeration import all_draws, all_values
from nas.space.space import SearchSpace
from nas.space.yaml import Source
from nas.training.candidate import Candidate

SPACE = """
name: dense
dataset: {name: digits}
architecture:
  activation_order: pre_activation
  block: dense
  depth: [1, 3]
  join: {concat: {growth: [4, 6], compression: 0.5}}
  stages: [{}, {stride: 2}]
"""


def dense(
    *, order: str = "pre_activation", shortcut: str = "identity", **stem: bool
) -> Architecture:
    """Two stages, of which the second halves its channels first."""
    join = Named.of("concat", growth=4, compression=0.5)
    kinds = {"shortcut": shortcut, "transition": "none", "block": Named("dense"), "join": join}
    first = grown(Stage(depth=2, width=1, **kinds), 8)
    second = grown(Stage(depth=3, width=1, stride=2, **kinds), first.width)
    return Architecture(
        image_shape=(3, 9, 8),
        num_classes=5,
        stem=Named.of("conv3x3", width=8, **stem),
        stages=(first, second),
        activation_order=order,
    )


def space(text: str = SPACE) -> SearchSpace:
    return SearchSpace.parse(Source("dense.yaml", text))


def candidates(found: SearchSpace) -> list[Candidate]:
    return [one for _, one in all_draws(found.candidate, all_values)]


# As data


def test_widths_follow_from_growth_and_compression() -> None:
    first, second = dense().stages
    assert (first.widths, second.widths) == ([12, 16], [12, 16, 20])
    assert (first.width_from, second.width_from) == (8, 8)
    assert str(first.join) == "concat(growth=4)"  # where nothing strides, nothing is compressed
    records = dense().blocks()
    assert [one.branch_shape for one in records] == [
        *((8, 4, 1), (12, 4, 1)),
        *((8, 4, 1), (12, 4, 1), (16, 4, 1)),
    ]
    assert {one.shortcut for one in records} == {"identity"}
    assert Architecture.from_json(dense().to_json()) == dense()


def test_widths_that_a_join_does_not_make_are_refused() -> None:
    wider = tuple(replace(stage, width=stage.width + 1) for stage in dense().stages)
    with pytest.raises(ValueError, match="from 8 to 16 here, found from 8 to 17"):
        Architecture.from_json(replace(dense(), stages=wider).to_json())
    bare = tuple(replace(stage, join=Named("concat")) for stage in dense().stages)
    with pytest.raises(ValueError, match="concat must say its growth"):
        lay_out(replace(dense(), stages=bare))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("growth: 0", "growth of the join concat must be at least 1, found 0"),
        ("compression: 1.5", "must be above 0 and at most 1, found 1.5"),
        ("compression: 0.0", "must be above 0 and at most 1, found 0"),
    ],
)
def test_impossible_numbers_are_refused(options: str, said: str) -> None:
    with pytest.raises(SpaceError, match=said):
        space(SPACE.replace("growth: [4, 6], compression: 0.5", options))


# As a module


def test_a_block_gives_x_and_the_branch_side_by_side() -> None:
    """With what it was before; a stride comes before both."""
    network = Network(dense(), seed=3).eval()
    x = torch.randn(2, 16, 9, 8, generator=torch.Generator().manual_seed(0))
    block = network.blocks()[2]
    smaller = block.before(x)
    assert smaller.shape == (2, 8, 5, 4)
    assert torch.equal(block(x), torch.cat((smaller, block.branch(smaller)), 1))
    kept = torch.randn(2, 12, 5, 4, generator=torch.Generator().manual_seed(1))
    assert torch.equal(network.blocks()[3](kept)[:, :12], kept)


def test_a_bare_stem_leaves_norm_and_activation_to_the_first_block() -> None:
    bare = Network(dense(normed=False, activated=False)).blocks()[0].branch
    usual = Network(dense()).blocks()[0].branch
    names = [type(layer).__name__ for layer in bare]
    assert names == ["BatchNorm2d", "ReLU", "Conv2d", *names[3:]]
    assert [type(layer).__name__ for layer in usual] == names[2:]


def test_parameters_and_products_by_formula() -> None:
    """Blocks of c channels: norms of c and 4k, 4k (c + 9k) weights; a transition c (2 + c / 2)."""
    spent, k = cost(dense(normed=False, activated=False)), 4
    blocks = [2 * (c + 4 * k) + 4 * k * (c + 9 * k) for c in (8, 12, 8, 12, 16)]
    parameters = 3 * 8 * 9 + sum(blocks) + 16 * (2 + 8) + 2 * 20 + 21 * 5
    assert spent.parameters == parameters
    assert spent.parameters == sum(
        one.numel() for one in Network(dense(normed=False, activated=False)).parameters()
    )
    convs = [4 * k * (c + 9 * k) for c in (8, 12, 8, 12, 16)]
    products = 72 * (3 * 8 * 9 + sum(convs[:2])) + 72 * 16 * 8 + 20 * sum(convs[2:]) + 20 * 5
    assert spent.multiply_adds == products
    assert spent.depth == 1 + 2 * 5 + 1 + 1


@pytest.mark.parametrize("order", list(CONV_ORDERS))
def test_the_exported_module_is_the_network(order: str) -> None:
    """With blocks that have no shortcut, and with projections."""
    usual, projected = (
        dense(order=order),
        dense(order=order, shortcut="projection", normed=False, activated=False),
    )
    some = masked(usual.stages[1], (False, True, False), usual.stages[0].width)
    for one in (projected, replace(usual, stages=(usual.stages[0], some))):
        assert_same_function(one)
    assert "before=nn.Sequential(" in export(usual)


# A join of one's own


class Halved(nn.Module):
    """Channels side by side, those of the branch times a half."""

    def forward(self, shortcut: Tensor, branch: Tensor) -> Tensor:
        return torch.cat((shortcut, 0.5 * branch), 1)


def halved(place: Place, *, growth: int = 4) -> Join:
    """Channels side by side.

    growth: those of the branch.
    """
    return Join(Halved)


def test_a_join_of_ones_own_grows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the option `compression` x keeps its channels where a block strides."""
    monkeypatch.setattr(JOINS, "_parts", JOINS.parts())
    JOINS.register("halved")(halved)
    text = SPACE.replace("{concat: {growth: [4, 6], compression: 0.5}}", "{halved: {growth: 4}}")
    found = max(candidates(space(text)), key=lambda one: one.cost().depth).architecture
    assert [stage.widths for stage in found.stages] == [[12, 16, 20], [24, 28, 32]]
    assert_same_function(found)


# In a space


def test_a_space_names_no_widths() -> None:
    found = space()
    assert found.num_architectures() == (4, True)
    assert found.parameters().keys() == {"depth", "join.concat.growth"}
    stems = {
        (one.architecture.stem.arguments["width"], one.architecture.stages[-1].width)
        for one in candidates(found)
    }
    assert stems == {(8, 10), (8, 22), (12, 15), (12, 33)}
    with pytest.raises(SpaceError, match=r"dense.yaml:9:\d+: .*leave width out"):
        space(SPACE.replace("stages: [{}", "stages: [{width: 8}"))


def test_other_joins_of_a_choice_have_the_widths_that_are_given() -> None:
    text = SPACE.replace(
        "join: {", "shortcut: [identity, none]\n  width: 8\n  join: [add, {"
    ).replace("0.5}}", "0.5}}]")
    found = {
        (
            str(one.architecture.join_text),
            tuple(stage.widths[-1] for stage in one.architecture.stages),
        )
        for one in candidates(space(text.replace("[1, 3]", "2")))
    }
    assert found == {
        ("add", (8, 8)),
        ("", (8, 8)),
        ("concat(growth=4) / concat(compression=0.5, growth=4)", (16, 16)),
        ("concat(growth=6) / concat(compression=0.5, growth=6)", (24, 24)),
        ("", (16, 16)),
        ("", (24, 24)),
    }


def test_compression_counts_only_where_something_strides() -> None:
    text = SPACE.replace("compression: 0.5", "compression: [0.5, 1.0]").replace("[4, 6]", "4")
    assert space(text).num_architectures() == (4, True)
    assert space(text.replace("{stride: 2}", "{}")).num_architectures() == (2, True)


# Twins


def test_twins_have_equal_widths_and_a_ladder_equal_growth() -> None:
    """Without its shortcut a branch gives all channels of its block."""
    base = Candidate(
        architecture=dense(), training=candidates(space())[0].training, dataset=space().dataset
    )
    widths = [(one.in_channels, one.out_channels, one.stride) for one in dense().blocks()]
    for vary in ("shortcut", "join", "placement", "block"):
        for arm, twin in twins(base, vary, "zero_pad").items():
            blocks = twin.architecture.blocks()
            assert [(o.in_channels, o.out_channels, o.stride) for o in blocks] == widths, arm
            lay_out(twin.architecture)
            assert Architecture.from_json(twin.architecture.to_json()) == twin.architecture
    bare = plain(dense())
    assert {one.beside for one in bare.blocks()} == {0}
    assert cost(bare).parameters > cost(dense()).parameters
    added = twins(base, "join")["add"].architecture
    assert {one.shortcut for one in added.blocks()} == {"zero_pad"}
    deeper = deepened(dense(), 4).stages
    assert [stage.widths for stage in deeper] == [[12, 16, 20, 24], [16, 20, 24, 28]]
    assert [stage.growth for stage in scaled(dense(), 3).stages] == [12, 12]
