"""Blocks of tokens: what they compute, where norms and places stand, and what is refused."""

import random
from dataclasses import replace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from conftest import TOKEN_ORDERS
from exported import assert_same_function
from measured_cost import assert_cost_is_measured
from torch import Tensor, nn

from nas.model.architecture import Architecture, Named, Stage, masked, units_of
from nas.model.block_layers import Attention, ClassToken, LayerNorm2d, Positions, RMSNorm2d
from nas.model.blocks import BLOCKS
from nas.model.layout import lay_out
from nas.model.network import Network, Residual
from nas.model.placements import mask_of
from nas.payoff.variants import deepened, twins
from nas.space.enumeration import RandomTrial, all_values
from nas.space.space import SearchSpace
from nas.training.candidate import Candidate
from nas.training.evaluation import initial_hash

BLOCK = Named.of("transformer", heads=2, expansion=2.0)


def tokens(order: str = "pre_norm", *stages: Stage, **choices: Any) -> Architecture:
    """Digits as 16 tokens; without stages given, two blocks."""
    usual: dict[str, Any] = {
        "image_shape": (1, 8, 8),
        "num_classes": 5,
        "stem": Named.of("patchify", width=8, patch=2, normed=False),
        "stages": stages or (Stage(depth=2, width=8, block=BLOCK, transition="none"),),
        "activation_order": order,
        "activation": "gelu",
        "norm": Named("layer2d"),
    }
    return Architecture(**usual | choices)


def pictures(count: int = 4) -> Tensor:
    return torch.randn(count, 1, 8, 8, generator=torch.Generator().manual_seed(0))


def test_attention_is_torchs_own() -> None:
    theirs = nn.MultiheadAttention(8, 2, batch_first=True)
    x = torch.randn(3, 8, 4, 5, generator=torch.Generator().manual_seed(0))
    row = x.flatten(2).transpose(1, 2)
    expected = theirs(row, row, row, need_weights=False)[0]
    parts = F.linear(row, theirs.in_proj_weight, theirs.in_proj_bias)
    ours = Attention(8, 2)(parts.transpose(1, 2).unflatten(2, (4, 5)))
    found = F.linear(ours.flatten(2).transpose(1, 2), theirs.out_proj.weight, theirs.out_proj.bias)
    torch.testing.assert_close(found, expected)


def test_a_norm_of_roots_is_torchs_own() -> None:
    x = torch.randn(3, 8, 4, 5, generator=torch.Generator().manual_seed(0))
    expected = F.rms_norm(x.permute(0, 2, 3, 1), (8,), eps=1e-6).permute(0, 3, 1, 2)
    torch.testing.assert_close(RMSNorm2d(8)(x), expected)


#: activation order -> its formula, of norm n, branch F and input x
FORMULAS: dict[str, Any] = {
    "post_norm": lambda x, f, n: n[0](x + f(x)),
    "pre_norm": lambda x, f, n: x + f(n[0](x)),
    "peri_norm": lambda x, f, n: x + n[1](f(n[0](x))),
    "output_norm": lambda x, f, n: x + n[0](f(x)),
    "deep_norm": lambda x, f, n: n[0](4**0.25 * x + f(x)),
    "no_norm": lambda x, f, n: x + f(x),
}


@pytest.mark.parametrize("order", TOKEN_ORDERS)
def test_norms_stand_where_the_paper_has_them(order: str) -> None:
    network = Network(tokens(order))
    for part in network.modules():
        if isinstance(part, LayerNorm2d):
            nn.init.normal_(part.weight)
            nn.init.normal_(part.bias)
    x = torch.randn(3, 8, 4, 4)
    for block in network.blocks():
        assert isinstance(block, Residual)
        norms = [part for part in block.modules() if isinstance(part, LayerNorm2d)]
        rest = [part for part in block.branch.children() if not isinstance(part, LayerNorm2d)]
        expected = FORMULAS[order](x, nn.Sequential(*rest), norms)
        torch.testing.assert_close(block(x), expected)
    assert set(FORMULAS) == set(TOKEN_ORDERS)
    has_last = order not in ("post_norm", "deep_norm")
    assert any(isinstance(part, LayerNorm2d) for part in network.final) == has_last


def test_deep_norm_starts_with_smaller_weights_but_for_queries_and_keys() -> None:
    """By (8 N)^(-1/4) for N blocks (Wang et al. 2022, Fig. 2); what is drawn is that of others."""
    usual, deep = (Network(tokens(order), seed=3) for order in ("post_norm", "deep_norm"))
    for ours, theirs in zip(usual.blocks(), deep.blocks(), strict=True):
        first, *_, last = ((theirs.branch[i].weight / ours.branch[i].weight) for i in (0, 2))
        if isinstance(ours.branch[1], Attention):
            torch.testing.assert_close(first[:16], torch.ones(16, 8, 1, 1))
            first = first[16:]
        for ratio in (first, last):
            torch.testing.assert_close(ratio, torch.full_like(ratio, 16**-0.25))
    assert initial_hash(usual, 3) == initial_hash(deep, 3)


# Places


def test_without_positions_the_places_are_a_set() -> None:
    network = Network(tokens()).eval()
    mixed = pictures().unflatten(2, (4, 2)).flip(2).flatten(2, 3)
    assert not torch.allclose(network(mixed), network(pictures()), atol=1e-4)
    nn.init.zeros_(network.stages[0][0].positions)
    torch.testing.assert_close(network(mixed), network(pictures()))


def test_a_class_token_alone_is_classified() -> None:
    architecture = tokens(pooling="class_token")
    network = Network(architecture)
    assert [type(part) for part in network.stages[0]][:2] == [ClassToken, Positions]
    x = torch.randn(2, 8, 1, 17)
    other = x.clone()
    other[:, :, :, 1:] += 1
    assert torch.equal(network.final(x), network.final(other))
    assert not torch.equal(network.final(x), network.final(x.flip(3)))
    assert architecture.hash != tokens().hash
    assert "pooling" not in tokens().to_json()


HYBRID = (
    Stage(depth=1, width=8, join=Named.of("hyper", streams=2)),
    Stage(depth=1, width=8, block=BLOCK, transition="none", join=Named.of("hyper", streams=2)),
)


@pytest.mark.parametrize("pooling", ["mean", "class_token"])
def test_convolutions_streams_and_tokens_mix(pooling: str) -> None:
    """Streams are closed where tokens begin, as their places are not those before."""
    architecture = tokens("pre_norm", *HYBRID, pooling=pooling)
    assert [(one.opens, one.closes) for one in lay_out(architecture).blocks] == [
        (True, True),
        (True, False),
        (False, True),
    ]
    assert_same_function(architecture)
    assert_cost_is_measured(tokens("pre_norm", *(replace(s, join=Named("add")) for s in HYBRID)))
    again = [Network(architecture, seed=3, checkpointing=some) for some in (True, False)]
    assert torch.equal(*(network.train()(pictures()) for network in again))


# Units


def test_each_unit_has_a_shortcut_of_its_own() -> None:
    stage = tokens().stages[0]
    for first, around in ((1, "attention"), (2, "feed_forward")):
        mask = mask_of(Named.of("every", step=2, first=first), stage.num_units)
        assert mask is not None
        architecture = tokens("pre_norm", masked(stage, mask, 8))
        records = architecture.blocks()
        assert [one.type.name for one in records if one.shortcut != "none"] == [around] * 2
        assert Architecture.from_json(architecture.to_json()) == architecture
        assert len(deepened(architecture, 3).blocks()) == 6
        assert_same_function(architecture)


def test_units_take_the_options_that_they_know() -> None:
    block = Named.of("transformer", heads=2, expansion=3.0, dropout=0.5)
    assert units_of(block) == (
        Named.of("attention", heads=2, dropout=0.5),
        Named.of("feed_forward", expansion=3.0, dropout=0.5),
    )
    assert units_of(Named("unheard_of")) == (Named("unheard_of"),)
    for name in BLOCKS:
        for unit in BLOCKS[name].units:
            assert BLOCKS.own_options(unit)
            assert {*BLOCKS.own_options(unit)} <= {*BLOCKS.own_options(name)}


SPACE = """
name: tokens
dataset: {name: digits}
architecture:
  stem: {patchify: {width: 8, patch: 2}}
  activation_order: [pre_norm, post_norm]
  block: {transformer: {heads: [1, 2]}}
  transition: none
  placement: [all, {every: {first: [1, 2]}}, none]
  depth: [1, 2]
  stages: [{width: 8}]
"""


def test_a_space_draws_them_and_twins_share_their_weights() -> None:
    space = SearchSpace.from_yaml(SPACE)
    assert space.num_architectures() == (2 * 2 * 2 * 4, True)
    candidate = space.candidate(RandomTrial(random.Random(1), all_values))
    for vary in ("activation_order", "placement"):
        arms = twins(candidate, vary, named=["every(first=1, step=2)"])
        hashes = {initial_hash(Network(arm.architecture, seed=3), 3) for arm in arms.values()}
        assert len(hashes) == 1
    assert list(twins(candidate, "activation_order")) == TOKEN_ORDERS
    assert Candidate.from_json(candidate.to_json()) == candidate


# What cannot be


@pytest.mark.parametrize(
    ("architecture", "words"),
    [
        (tokens("pre_activation"), "does not say where the norms of token blocks"),
        (tokens("pre_norm", Stage(depth=1, width=8)), "is one of token blocks, and there are none"),
        (
            tokens("pre_norm", Stage(depth=1, width=8, block=Named.of("attention", heads=3))),
            "3 heads cannot share the 8 channels of block 0",
        ),
        (
            tokens("pre_norm", *HYBRID[::-1], pooling="class_token"),
            "pooling class_token: the class token needs",
        ),
        (
            tokens("post_activation", Stage(depth=1, width=8), pooling="class_token"),
            "pooling class_token: the class token needs",
        ),
    ],
)
def test_what_cannot_be_is_said(architecture: Architecture, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        lay_out(architecture)
