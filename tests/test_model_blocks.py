"""Every block type with every option: cost, the built network, the exported module and YAML."""

import itertools
import json
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import CONV_BLOCKS, CONV_ORDERS, TINY, Script, orders_of, small
from exported import assert_same_function, export, ruff
from measured_cost import assert_cost_is_measured

from nas.model.architecture import Architecture, Named, Stage
from nas.model.block_layers import Dropout, SqueezeExcite
from nas.model.blocks import BLOCKS, Conv, Identity
from nas.model.cost import cost
from nas.model.layout import lay_out, order_matters
from nas.model.network import Network, convolutions, random_streams
from nas.payoff.variants import plain
from nas.space.space import SearchSpace
from nas.space.yaml import Source

#: options that all block types have, and those of single ones, each out of the ordinary
SHARED: list[dict[str, Any]] = [{"se": 0.25}, {"dropout": 0.3}, {"dilation": 2}]
OPTIONS: dict[str, list[dict[str, Any]]] = {
    "basic": [{"convs": 1}, {"convs": 3, "kernel": 5}, {"convs": 4, "kernel": 1}],
    "bottleneck": [{"groups": 4, "ratio": 0.5}],
    "separable": [{"kernel": 5}],
    "inverted": [{"expansion": 1.0}, {"expansion": 2.5, "kernel": 5}],
    "convnext": [{"expansion": 2.5, "kernel": 5}],
    "pyramid": [{}],
    "dense": [{"ratio": 2.0}],
    "mlp": [{"hidden": 1.5, "residual_dropout": 0.2}, {"activated": True}],
    "patches": [{}],
    "attention": [{"heads": 2}],
    "feed_forward": [{"expansion": 2.5}],
    "transformer": [{"heads": 2, "expansion": 1.5}],
}
SHARED_EACH = [*SHARED, {"se": 0.1, "dropout": 0.5, "dilation": 3}]
#: block types that differ from others in how their parts are named alone
UNITS = ("feed_forward", "transformer")
#: block types whose last convolution has no norm behind it
UNNORMALISED = ("convnext", "pyramid", "patches")
BLOCKS_WITH_OPTIONS = [
    Named.of(name, **options)
    for name in BLOCKS
    for options in [*OPTIONS[name], *(SHARED_EACH if name not in UNITS else [])]
]


def of(block: Named, order: str = "post_activation", **choices: Any) -> Architecture:
    """The small network with that block type in all stages."""
    usual = small(order=order, **choices)
    return replace(usual, stages=tuple(replace(stage, block=block) for stage in usual.stages))


def wide_tiny(*settings: str) -> SearchSpace:
    """The tiny space with enough channels for every block type."""
    text = TINY.replace("width: 2", "width: 16").replace("width: 4", "width: 32")
    return SearchSpace.parse(Source("t.yaml", text), settings)


def test_every_block_type_has_options_here() -> None:
    assert set(OPTIONS) == set(BLOCKS)
    own = {name: BLOCKS.own_options(name) for name in BLOCKS}
    assert all(options.keys() <= {*own[name]} for name in OPTIONS for options in OPTIONS[name])
    assert {key for options in SHARED for key in options} == {"se", "dropout", "dilation"}


@pytest.mark.parametrize(
    ("block", "order"),
    [(block, order) for block in BLOCKS_WITH_OPTIONS for order in orders_of(block.name)],
    ids=str,
)
def test_cost_and_export_are_those_of_the_network(block: Named, order: str) -> None:
    architecture = of(block, order)
    assert_cost_is_measured(architecture)
    assert_cost_is_measured(replace(architecture, norm=Named("none")))
    assert_same_function(architecture)


@pytest.mark.parametrize("order", list(CONV_ORDERS))
def test_an_export_of_stages_with_different_blocks(order: str) -> None:
    blocks = [Named.of("basic", convs=1), Named.of("basic", convs=3, se=0.5), Named("inverted")]
    usual = small(order=order, shortcut="none", transition="none")
    stages = [replace(stage, block=one) for stage, one in zip(usual.stages, blocks, strict=True)]
    for change in ({}, {"shortcut": "identity", "transition": "projection"}):
        mixed = replace(usual, stages=tuple(replace(stage, **change) for stage in stages))
        assert_cost_is_measured(mixed)
        assert_same_function(mixed)


def test_an_exported_block_is_written_out() -> None:
    source = export(of(Named.of("basic", convs=3, kernel=5, se=0.25)))
    assert "convs=3, kernel=5" in source
    assert "    return (\n        conv(in_channels, out_channels, 5, stride)," in source
    assert "block((*basic(16, 16, 1), SqueezeExcite(16, 4)), nn.Identity())," in source
    assert "Dropout" not in source


def test_modules_are_formatted(tmp_path: Path) -> None:
    blocks = [(block, order) for block in BLOCKS_WITH_OPTIONS for order in orders_of(block.name)]
    for number, (block, order) in enumerate(blocks):
        (tmp_path / f"module_{number}.py").write_text(export(of(block, order)), encoding="utf-8")
    for arguments in (["check", "--select", "E,F,I,UP,B,SIM"], ["format", "--check"]):
        command = [ruff(), *arguments, "--line-length", "100", "--isolated", "--no-cache"]
        done = subprocess.run([*command, tmp_path], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", list(BLOCKS))
def test_options_of_later_leave_a_candidate_as_it_was(name: str) -> None:
    """Those at their defaults are not in the JSON, however they were given."""
    written = BLOCKS.written(name, BLOCKS.defaults(name))
    usual = {"basic": [], "bottleneck": ["groups", "ratio", "stride_first"]}
    assert sorted(written) == usual.get(name, sorted(BLOCKS.own_options(name)))
    given = f"architecture.block={{{name}: {{se: 0.0, dropout: 0.0, dilation: 1}}}}"
    spaces = (
        wide_tiny(),
        wide_tiny(given, f"architecture.activation_order={orders_of(name)[0]}"),
    )
    ours = [space.sample(Script([0, 0, 0])) for space in spaces]
    if name == "basic":
        assert ours[0].hash == ours[1].hash
        assert json.loads(ours[1].to_json())["stages"][0]["block"] == "basic"
    assert not {"se", "dropout", "dilation"} & ours[1].stages[0].block.arguments.keys()


@pytest.mark.parametrize("block", BLOCKS_WITH_OPTIONS, ids=str)
def test_it_is_searched_from_yaml(block: Named) -> None:
    options = json.dumps({key: [value] for key, value in block.options})
    order = f"architecture.activation_order={orders_of(block.name)[0]}"
    space = wide_tiny(f"architecture.block={{{block.name}: {options}}}", order)
    architecture = space.sample(Script([0, 0, 0]))
    stored = Architecture.from_json(architecture.to_json())
    assert stored == architecture
    assert set(block.options) <= set(stored.stages[0].block.options)


def test_values_that_cannot_be() -> None:
    for block, words in {
        Named.of("basic", convs=5): "convs of basic cannot be 5",
        Named.of("basic", kernel=2): "kernel of basic cannot be 2",
        Named.of("basic", dropout=1.0): "dropout must be at least 0 and below 1, found 1",
        Named.of("basic", dilation=0): "dilation must be from 1 to 64, found 0",
    }.items():
        with pytest.raises(ValueError, match=words):
            cost(of(block))


# Where the layers stand


def kinds(ops) -> list[str]:
    return [type(op).__name__ for op in ops]


def test_squeeze_and_excitation_stands_before_the_addition() -> None:
    """Hu et al. 2018, Fig. 3: behind the last norm."""
    block = lay_out(of(Named.of("basic", se=0.25))).blocks[0]
    assert kinds(block.branch) == ["Conv", "Norm", "Activation", "Conv", "Norm", "SqueezeExcite"]
    assert kinds(block.after) == ["Activation"]


def test_dropout_stands_between_activation_and_convolution() -> None:
    """Zagoruyko and Komodakis 2016, section 2.4."""
    block = lay_out(of(Named.of("basic", dropout=0.3), "pre_activation")).blocks[1]
    assert kinds(block.branch)[-4:] == ["Norm", "Activation", "Dropout", "Conv"]
    assert kinds(block.branch).count("Dropout") == 1


def test_a_linear_bottleneck_is_not_activated() -> None:
    """Sandler et al. 2018: neither behind its last convolution nor behind the addition."""
    layout = lay_out(of(Named("inverted")))
    assert kinds(layout.blocks[1].branch)[-2:] == ["Conv", "Norm"]
    assert layout.blocks[1].after == (Identity(),)
    convs = [op for op in layout.blocks[1].branch if isinstance(op, Conv)]
    assert convs == [Conv(16, 96, 1), Conv(96, 96, 3, 1, 96), Conv(96, 16, 1, linear=True)]
    before = lay_out(of(Named("inverted"), "pre_activation"))
    assert kinds(before.final) == ["Norm", "Identity"]


@pytest.mark.parametrize("block", BLOCKS_WITH_OPTIONS, ids=str)
def test_a_plain_network_has_one_order_where_that_changes_nothing(block: Named) -> None:
    """What does not matter is not searched; where it does, twins keep their order."""
    names = orders_of(block.name)
    orders = [of(block, order, shortcut="none", transition="none") for order in names]
    matters = order_matters(orders[0].stages)
    ends_otherwise = {"se", "residual_dropout"} & block.arguments.keys()
    others = block.name in UNNORMALISED or block.name not in CONV_BLOCKS
    assert matters == (bool(ends_otherwise) or others)
    assert len({plain(one) for one in orders}) == (len(orders) if matters else 1)
    pictures = torch.randn(4, 3, 9, 7, generator=torch.Generator().manual_seed(0))
    outputs = [Network(one).train()(pictures) for one in orders]
    same = all(torch.allclose(outputs[0], one, atol=1e-6) for one in outputs)
    assert same is not matters


def test_blocks_of_two_kinds_have_an_order() -> None:
    two = Stage(depth=1, width=8), Stage(depth=1, width=8, block=Named("inverted"))
    assert order_matters(two)
    assert not order_matters(two[:1])
    assert not order_matters(two[1:])


# What is drawn and learned


def test_squeezing_changes_no_other_weight() -> None:
    usual, squeezed = Network(of(Named("basic"))), Network(of(Named.of("basic", se=0.25)))
    theirs = usual.state_dict()
    assert all(torch.equal(squeezed.state_dict()[name], value) for name, value in theirs.items())
    blocks = [part for part in squeezed.modules() if isinstance(part, SqueezeExcite)]
    weights = [conv.weight for part in blocks for conv in convolutions(part)]
    assert not any(torch.equal(a, b) for a, b in itertools.pairwise(weights) if a.shape == b.shape)


def test_dropout_moves_no_other_random_number() -> None:
    network = Network(of(Named.of("basic", dropout=0.5)), seed=3)
    streams = [stream for block in network.blocks() for stream in random_streams(block)]
    assert len({stream.seed for stream in streams}) == len(streams) == 5
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    first = network.train()(torch.ones(2, 3, 9, 7))
    assert torch.equal(torch.rand(3), expected)
    assert not torch.equal(network(torch.ones(2, 3, 9, 7)), first)
    again = Network(of(Named.of("basic", dropout=0.5)), seed=3).train()
    assert torch.equal(again(torch.ones(2, 3, 9, 7)), first)


def test_dropout_keeps_the_mean() -> None:
    layer = Dropout(0.3).train()
    x = torch.ones(1, 1, 200, 200)
    assert layer(x).mean().item() == pytest.approx(1, abs=0.02)
    assert set(layer(x).unique().tolist()) == {0.0, torch.tensor(1 / 0.7).item()}
    assert layer.eval()(x) is x
