"""Blocks that leave out norms, patches, and the norm of single places: what they compute."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from conftest import CONV_ORDERS, small
from exported import assert_same_function, export
from measured_cost import assert_cost_is_measured

from nas.model.architecture import Architecture, Named
from nas.model.block_layers import LayerNorm2d, Patches
from nas.model.blocks import (
    BLOCKS,
    NORMS,
    STEMS,
    Activation,
    BlockType,
    Conv,
    GlobalPool,
    Norm,
)
from nas.model.cost import cost
from nas.model.layout import lay_out
from nas.model.network import Network


def next_(order: str = "post_activation", **choices: object) -> Architecture:
    """A small network of ConvNeXt blocks."""
    kind = {
        "norm": "layer2d",
        "activation": "gelu",
        "stem": Named.of("patchify", width=16, patch=2),
    }
    return small("convnext", order, **kind | choices)


def kinds(ops) -> list[str]:
    return [type(op).__name__ for op in ops if type(op).__name__ != "Identity"]


def test_layer_norm_sees_the_channels_of_one_place() -> None:
    x = torch.randn(2, 6, 5, 4, generator=torch.Generator().manual_seed(0))
    found = LayerNorm2d(6)(x)
    mean, spread = x.mean(1, keepdim=True), x.var(1, keepdim=True, unbiased=False)
    assert torch.allclose(found, (x - mean) / (spread + 1e-6).sqrt(), atol=1e-5)
    changed = x.clone()
    changed[:, :, 2, 3] = 7
    others = torch.ones(5, 4, dtype=torch.bool)
    others[2, 3] = False
    assert torch.equal(LayerNorm2d(6)(changed)[:, :, others], found[:, :, others])


def test_patches_are_linear_maps_of_squares() -> None:
    """Those at the edge of odd pictures are filled up with zeros."""
    torch.manual_seed(0)
    layer = Patches(3, 5, 2, 2, 0)
    x = torch.randn(2, 3, 7, 4, generator=torch.Generator().manual_seed(0))
    found = layer(x)
    assert found.shape == (2, 5, 4, 2)
    square = x[:, :, 2:4, 2:4].flatten(1)
    linear = F.linear(square, layer.weight.flatten(1), layer.bias)
    torch.testing.assert_close(found[:, :, 1, 1], linear, rtol=0, atol=1e-5)
    edge = F.pad(x[:, :, 6:, :2], (0, 0, 0, 1)).flatten(1)
    linear = F.linear(edge, layer.weight.flatten(1), layer.bias)
    torch.testing.assert_close(found[:, :, 3, 0], linear, rtol=0, atol=1e-5)


@pytest.mark.parametrize("order", list(CONV_ORDERS))
def test_a_convnext_block_is_the_same_under_every_order(order: str) -> None:
    """Liu et al. 2022, Fig. 4: one norm and one activation, none around the addition."""
    layout = lay_out(next_(order))
    for block in layout.blocks:
        assert kinds(block.before + block.branch) == ["Conv", "Norm", "Conv", "Activation", "Conv"]
        assert kinds(block.after) == []
    depthwise, widen, narrow = (op for op in layout.blocks[2].branch if isinstance(op, Conv))
    assert (depthwise.groups, depthwise.kernel_size, depthwise.stride) == (16, 7, 2)
    assert (widen.out_channels, narrow.out_channels) == (128, 32)
    early = order == "pre_activation"
    assert layout.final == ((Norm(48), Activation()) if early else (GlobalPool(), Norm(48)))


@pytest.mark.parametrize("order", list(CONV_ORDERS))
@pytest.mark.parametrize("norm", list(NORMS))
def test_it_is_counted_and_exported(norm: str, order: str) -> None:
    for architecture in (next_(order, norm=norm), small("patches", order, norm=norm)):
        assert_cost_is_measured(architecture)
        if norm != "none":  # its numbers would be too large to compare
            assert_same_function(architecture)
        assert "GlobalPool" not in export(architecture) or order != "pre_activation"


def test_convolutions_have_a_bias_where_it_is_said() -> None:
    convs = [part for part in Network(next_()).modules() if isinstance(part, torch.nn.Conv2d)]
    shortcuts = [conv for conv in convs if conv.bias is None]
    assert [(conv.in_channels, conv.out_channels) for conv in shortcuts] == [(16, 32), (32, 48)]
    assert cost(replace(next_(), norm=Named("none"))).parameters == sum(
        one.numel() for one in Network(next_(norm="none")).parameters()
    )


def test_kernels_that_cannot_be() -> None:
    odd = small(stages=(replace(small().stages[0], block=Named("even")),))
    BLOCKS.add("even", BlockType(function=lambda i, o, s: (Conv(i, o, 2), Conv(o, o, 3))))
    try:
        with pytest.raises(ValueError, match="sees patches, so its stride must be 2, found 1"):
            lay_out(odd)
    finally:
        del BLOCKS._parts["even"]
    with pytest.raises(ValueError, match="a stride of 8 in stem leaves less than one pixel of 9x7"):
        lay_out(small(stem=Named.of("patchify", width=16, patch=8)))


@pytest.mark.parametrize("stem", list(STEMS))
def test_every_stem_before_blocks_of_every_order(stem: str) -> None:
    for order in CONV_ORDERS:
        assert_same_function(next_(order, stem=Named.of(stem, width=16)))
