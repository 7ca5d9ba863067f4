"""Transitions that average or rearrange pixels, and stems: what they compute and where they are."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from conftest import Script, small
from exported import export

from nas.common.errors import SpaceError
from nas.model.architecture import Architecture, Named, Stage
from nas.model.block_layers import SpaceToDepth
from nas.model.blocks import (
    SHORTCUTS,
    STEMS,
    AvgPool,
    Conv,
    MaxPool,
    Norm,
    ZeroPad,
    transitions,
    unstrided,
)
from nas.model.cost import cost
from nas.model.layout import lay_out
from nas.model.network import Network, build_op
from nas.payoff.plan import make_plan
from nas.payoff.variants import ON_DEMAND, twins, wanted
from nas.space.enumeration import all_draws, all_values
from nas.space.schema import PayoffSection
from nas.space.space import SearchSpace
from nas.space.yaml import Source
from nas.training.candidate import Candidate

LATER = ["avg_pool_projection", "avg_pool_zero_pad", "space_to_depth"]


def pictures(height: int = 7, width: int = 5) -> torch.Tensor:
    return torch.randn(2, 6, height, width, generator=torch.Generator().manual_seed(0))


def test_means_over_squares_are_those_of_what_there_is() -> None:
    """At the edge of odd pictures over fewer pixels; as large as a convolution of that stride."""
    x = pictures()
    pool = build_op(small(), AvgPool(2), first=True)
    pooled = pool(x)
    assert pooled.shape == F.conv2d(x, torch.zeros(6, 6, 3, 3), None, 2, 1).shape
    assert torch.allclose(pooled[:, :, 0, 0], x[:, :, :2, :2].mean((2, 3)))
    assert torch.allclose(pooled[:, :, 3, 2], x[:, :, 6, 4])
    assert torch.allclose(pooled[:, :, 3, 0], x[:, :, 6, :2].mean(2))


@pytest.mark.parametrize("name", LATER[:2])
def test_only_strides_are_averaged(name: str) -> None:
    """He T. et al. 2019; Han et al. 2017."""
    strided, widened = SHORTCUTS[name](6, 9, 3), SHORTCUTS[name](6, 9, 1)
    assert strided == (AvgPool(3), *widened)
    last = (Conv(6, 9, 1), Norm(9)) if name == "avg_pool_projection" else (ZeroPad(6, 9, 1),)
    assert widened == last


def test_pixels_of_a_square_follow_each_other_in_the_channels() -> None:
    x = pictures()
    found = SpaceToDepth(6, 30, 2)(x)
    assert found.shape == (2, 30, 4, 3)
    assert torch.equal(found[:, :6], x[:, :, ::2, ::2])
    assert torch.equal(found[:, 6:12, :, :2], x[:, :, ::2, 1::2])
    assert torch.equal(found[:, 12:18, :3], x[:, :, 1::2, ::2])
    assert torch.equal(found[:, 18:24, :3, :2], x[:, :, 1::2, 1::2])
    assert not found[:, 24:].any()
    assert not found[:, 6:12, :, 2].any()  # beyond the edge
    assert torch.equal(SpaceToDepth(6, 12, 2)(x), found[:, :12])
    whole = pictures(4, 6)
    assert SpaceToDepth(6, 24, 2)(whole).square().sum() == pytest.approx(whole.square().sum())


@pytest.mark.parametrize("name", LATER)
def test_what_a_transition_costs(name: str) -> None:
    """A projection's, or nothing."""
    usual = "projection" if name == "avg_pool_projection" else "zero_pad"
    ours, known = (cost(small(transition=kind)) for kind in (name, usual))
    assert ours[:3] == known[:3]


def test_the_pool_is_written_where_it_stands() -> None:
    stages = (Stage(depth=1, width=16, stride=2, transition="avg_pool_projection"),)
    source = export(small(stages=stages))
    assert "nn.AvgPool2d(stride, ceil_mode=True)" in source
    assert "SpaceToDepth" not in source
    assert "SpaceToDepth(16, 32, 2)" in export(small(transition="space_to_depth"))


def test_a_deep_stem_is_that_of_the_paper() -> None:
    """He T. et al. 2019, Fig. 2b."""
    ops = STEMS["deep"](3, width=64)
    convs = [op for op in ops if isinstance(op, Conv)]
    assert convs == [Conv(3, 32, 3, 2), Conv(32, 32, 3), Conv(32, 64, 3)]
    assert ops[-1] == MaxPool()
    with pytest.raises(ValueError, match="a convolution of stem has 0 channels"):
        cost(small(stem=Named.of("deep", width=1)))


def resnet50d() -> Architecture:
    """He T. et al. 2019, ResNet-50-D."""
    rows = ((3, 256, 1), (4, 512, 2), (6, 1024, 2), (3, 2048, 2))
    kind = {"block": Named("bottleneck"), "transition": "avg_pool_projection"}
    return Architecture(
        image_shape=(3, 224, 224),
        num_classes=1000,
        stem=Named.of("deep", width=64),
        stages=tuple(Stage(depth=d, width=w, stride=s, **kind) for d, w, s in rows),
    )


def test_resnet_50_d_has_the_sizes_others_count() -> None:
    """timm 1.0.31, resnet50d: its parameters, and its convolutions and linear layers by hooks."""
    assert cost(resnet50d())[1:3] == (25_576_264, 4_328_824_832)


# Where nothing strides

UNSTRIDED = """
name: turned
dataset: {name: digits}
architecture:
  depth: 1
  transition: [avg_pool_projection, projection, space_to_depth, zero_pad, avg_pool_zero_pad, none]
  stages: [{width: 8}, {width: 16}]
"""


def unstrided_networks(*settings: str) -> SearchSpace:
    return SearchSpace.parse(Source("t.yaml", UNSTRIDED), settings)


def test_transitions_that_are_the_same_without_a_stride_are_one_network() -> None:
    """As counted, as drawn, as twins, and block by block; with a stride they differ."""
    assert unstrided_networks().num_architectures() == (3, True)
    assert unstrided_networks("architecture.stages.1.stride=2").num_architectures() == (6, True)
    found = [one for _, one in all_draws(unstrided_networks().candidate, all_values)]
    kinds = [one.architecture.stages[1].transition for one in found]
    assert kinds == [*["projection"] * 2, *["zero_pad"] * 3, "none"]
    arms = twins(found[0], "transition")
    assert len({twin.hash for twin in arms.values()}) == 3
    each = ("architecture.placement=per_block", "architecture.shortcut=identity")
    assert unstrided_networks(*each).num_architectures() == (2 * 3, True)
    rising = (*each, "architecture.depth=3", "architecture.stages.1.width={from: 8, to: 14}")
    count = (
        2**3 * 3**3
    )  # three free choices where widths stay, three of three kinds where they rise
    assert unstrided_networks(*rising).num_architectures() == (count, True)
    strided = (*rising, "architecture.stages.1.stride=2")
    assert unstrided_networks(*strided).num_architectures() == (2**3 * 6 * 3**2, True)


def test_equal_names_compute_the_same_without_a_stride() -> None:
    x = pictures()
    for kind in transitions():
        for out in (4, 9):
            ops = [SHORTCUTS[one](6, out, 1) for one in (kind, unstrided(kind))]
            if kind == "space_to_depth":
                made = [build_op(small(), op, first=True)(x) for ((op,),) in zip(ops, strict=True)]
                assert torch.equal(*made)
            else:
                assert ops[0] == ops[1]


# As arms

SPACE = """
name: turned
dataset: {name: digits}
architecture:
  depth: 1
  transition: [projection, zero_pad, space_to_depth]
  stages: [{width: 8}, {width: 16, stride: 2}]
payoff: {vary: transition}
"""


def candidate(choice: int) -> tuple[Candidate, PayoffSection]:
    space = SearchSpace.parse(Source("t.yaml", SPACE))
    assert space.section.payoff is not None
    return space.candidate(Script([choice])), space.section.payoff


def test_what_is_compared_without_a_word() -> None:
    """The transitions that there were before, one's own, and that of the candidate."""
    assert set(transitions()) - {*ON_DEMAND["transition"]} == {"projection", "zero_pad", "none"}
    usual = ["projection", "zero_pad", "none"]
    for choice, arms in ((0, usual), (2, ["projection", "zero_pad", "space_to_depth", "none"])):
        base, asked = candidate(choice)
        assert make_plan(asked, [base]).arms == arms
        assert [arm for arm in twins(base, "transition") if wanted(asked, arm)] == usual


def test_arms_can_be_named() -> None:
    base, asked = candidate(0)
    named = asked.model_copy(update={"arms": ["projection", "avg_pool_projection"]})
    assert make_plan(named, [base]).arms == ["projection", "avg_pool_projection"]
    of_shortcuts = asked.model_copy(update={"arms": ["identity", "none"]})
    assert make_plan(of_shortcuts, [base]).arms == make_plan(asked, [base]).arms
    with pytest.raises(SpaceError, match="unknown transition 'add': it can be projection"):
        SearchSpace.parse(Source("t.yaml", SPACE), ["payoff.arms=[add]"])


def test_not_all_joins_are_compared_without_a_word() -> None:
    base, asked = candidate(0)
    joins = asked.model_copy(update={"vary": "join"})
    assert make_plan(joins, [base]).arms == ["add", "scaled", "skip_init", "drop_path"]
    gated = tuple(replace(s, join=Named("decayed")) for s in base.architecture.stages)
    own = replace(base, architecture=replace(base.architecture, stages=gated))
    assert make_plan(joins, [own]).arms == ["add", "scaled", "decayed", "skip_init", "drop_path"]


def test_not_all_block_types_are_compared_without_a_word() -> None:
    """Those that came later are where they are named, or the candidate has them."""
    base, asked = candidate(0)
    blocks = asked.model_copy(update={"vary": "block"})
    usual = ["basic", "bottleneck", "separable", "inverted"]
    assert make_plan(blocks, [base]).arms == usual
    assert [arm for arm in twins(base, "block") if wanted(blocks, arm)] == usual
    rising = tuple(replace(s, block=Named("pyramid")) for s in base.architecture.stages)
    own = replace(base, architecture=replace(base.architecture, stages=rising))
    assert make_plan(blocks, [own]).arms == [*usual, "pyramid"]
    named = blocks.model_copy(update={"arms": ["basic", "convnext"]})
    assert make_plan(named, [base]).arms == ["basic", "convnext"]
    of_shortcuts = blocks.model_copy(update={"arms": ["identity", "none"]})
    assert make_plan(of_shortcuts, [base]).arms == usual


def test_a_network_with_them_learns_through_its_shortcuts() -> None:
    """Where the branches are zero, the gradient still comes to the stem."""
    for name in LATER:
        network = Network(replace(small(transition=name), initialisation="zero_last"), seed=1)
        network(torch.randn(4, 3, 9, 7)).square().sum().backward()
        assert network.stem[0].weight.grad.any()
        assert lay_out(network.architecture).blocks[2].shortcut
