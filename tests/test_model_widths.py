"""Widths that rise from block to block: from YAML to twins and the exported module."""

import json
import random
from dataclasses import replace

import pytest
from conftest import CONV_ORDERS, outcomes, small
from exported import assert_same_function, export
from measured_cost import assert_cost_is_measured

from nas.common.errors import SpaceError
from nas.model.architecture import Architecture, Stage, masked, shortcut_kinds
from nas.payoff.variants import deepened, ladder, plain, scaled, twins, with_mask
from nas.report.trial_text import architecture_lines
from nas.space.enumeration import RandomTrial, all_values
from nas.space.schema import PayoffSection
from nas.space.space import SearchSpace
from nas.space.yaml import Source

SPACE = """
name: rising
dataset: {name: digits}
architecture:
  depth: 3
  width: {from: 8, to: 26}
  transition: TRANSITION
  stages: [{stride: 1}, {stride: 2}]
"""


def load(*settings: str, transition: str = "avg_pool_zero_pad") -> SearchSpace:
    return SearchSpace.parse(Source("t.yaml", SPACE.replace("TRANSITION", transition)), settings)


def only(*settings: str) -> Architecture:
    """The one architecture of the space."""
    ((_, architecture),) = outcomes(load(*settings).sample)
    return architecture


def shapes(architecture: Architecture) -> list[tuple[int, int, int]]:
    return [(one.in_channels, one.out_channels, one.stride) for one in architecture.blocks()]


def test_a_rise_goes_through_the_stages_that_share_it() -> None:
    """Han et al. 2017, eq. 3: equal steps from the stem to the last block."""
    network = only()
    steps = [(8, 11, 1), (11, 14, 1), (14, 17, 1), (17, 20, 2), (20, 23, 1), (23, 26, 1)]
    assert shapes(network) == steps
    assert network.stem.arguments["width"] == 8
    assert [(stage.width_from, stage.width) for stage in network.stages] == [(8, 17), (17, 26)]
    uneven = only("architecture.stages.1.depth=6")
    assert [one.out_channels for one in uneven.blocks()] == [10, 12, 14, 16, 18, 20, 22, 24, 26]


def test_a_stage_can_have_a_rise_or_a_width_of_its_own() -> None:
    network = only("architecture.stages.1.width={from: 20, to: 32}")
    assert [one.out_channels for one in network.blocks()] == [14, 20, 26, 24, 28, 32]
    assert [one.out_channels for one in only("architecture.stages.1.width=9").blocks()] == [
        *(14, 20, 26),
        *(9, 9, 9),
    ]
    falling = only("architecture.width={from: 20, to: 14}")
    assert [one.out_channels for one in falling.blocks()] == [19, 18, 17, 16, 15, 14]
    level = only("architecture.width={from: 8, to: 8}")
    assert level == only("architecture.width=8")
    assert "width_from" not in level.to_json()


def test_it_is_data() -> None:
    network = only()
    assert Architecture.from_json(network.to_json()) == network
    assert json.loads(network.to_json())["stages"][1]["width_from"] == 17
    assert network.hash != replace(network, stages=small().stages).hash
    for wrong in (-1, 2.5, "8", 200_000):
        data = json.loads(network.to_json())
        data["stages"][0]["width_from"] = wrong
        with pytest.raises(ValueError, match="width_from"):
            Architecture.from_json(json.dumps(data))


def test_its_ends_are_searched() -> None:
    space = load("architecture.width={from: [8, 16], to: {low: 24, high: 32, step: 4}}")
    assert list(space.parameters()) == ["width.from", "width.to"]
    assert space.num_architectures() == (6, True)
    drawn = [params for params, _ in outcomes(space.sample)]
    assert {tuple(params) for params in drawn} == {("width.from", "width.to")}
    assert load().hash != load("architecture.width={from: 8, to: 27}").hash


@pytest.mark.parametrize(
    ("setting", "fault"),
    [
        ("architecture.width={from: 8}", "to"),
        ("architecture.width={from: 0, to: 8}", "from"),
        ("architecture.width={from: 8, to: 16, by: 2}", "unknown key 'by'"),
        ("architecture.norm={group: {groups: 4}}", "4 norm groups do not divide"),
        ("architecture.transition=identity", "transition"),
    ],
)
def test_faults_are_told(setting: str, fault: str) -> None:
    with pytest.raises(SpaceError, match=fault):
        load(setting)


def test_blocks_that_change_the_shape_have_a_transition() -> None:
    """In a stage that rises all of them, but where a step is too small to add a channel. Where
    nothing strides there is nothing to average.
    """
    moved = ["zero_pad", "avg_pool_zero_pad"]
    assert [one.shortcut for one in only().blocks()] == [moved[0]] * 3 + [moved[1]] * 3
    assert [stage.shortcut for stage in only().stages] == ["identity", "identity"]
    slow = only("architecture.width={from: 8, to: 11}")
    widths = [one.out_channels for one in slow.blocks()]
    assert widths == [9, 9, 10, 10, 11, 11]
    by_stage = zip(shapes(slow), (0, 0, 0, 1, 1, 1), strict=True)
    kinds = ["identity" if w == b and s == 1 else moved[stage] for (b, w, s), stage in by_stage]
    assert [one.shortcut for one in slow.blocks()] == kinds
    assert only("architecture.shortcut=none") == only("architecture.transition=none")


def test_some_of_its_blocks_have_a_shortcut() -> None:
    network = only("architecture.placement=every")
    kinds = [one.shortcut for one in network.blocks()]
    assert kinds == ["none", "zero_pad", "none", *["avg_pool_zero_pad", "none"] * 2][:-1]
    assert Architecture.from_json(network.to_json()) == network
    assert masked(network.stages[0], (True,) * 3, 8) == network.stages[0]
    assert with_mask(only(), (False, True) * 3) == network
    free = load("architecture.placement=per_block")
    assert free.num_architectures() == (2**6, True)
    drawn = {one for _, one in outcomes(free.sample)}
    assert len(drawn) == 64
    assert {only(), network, only("architecture.shortcut=none")} < drawn
    for one in drawn:
        assert Architecture.from_json(one.to_json()) == one


def test_twins_keep_the_rise() -> None:
    base = load().candidate(RandomTrial(random.Random(0), all_values))
    arms = twins(base, "shortcut", "zero_pad")
    for twin in arms.values():
        assert shapes(twin.architecture) == shapes(base.architecture)
    assert {one.shortcut for one in arms["projection"].architecture.blocks()} == {"projection"}
    deeper = deepened(base.architecture, 6)
    assert shapes(deeper)[-1] == (24, 26, 1)
    assert shapes(deeper)[5:7] == [(16, 17, 1), (17, 18, 2)]
    assert shapes(scaled(base.architecture, 2)) == [
        (2 * before, 2 * width, stride) for before, width, stride in shapes(base.architecture)
    ]
    depths = {depth for _, depth, _ in ladder(base, PayoffSection(), [1, 6])}
    assert depths == {1, 6}
    assert shapes(plain(base.architecture)) == shapes(base.architecture)
    some = deepened(with_mask(base.architecture, (True, False, False) * 2), 6)
    assert [one.shortcut == "none" for one in some.blocks()] == [*[False] * 2, *[True] * 4] * 2


@pytest.mark.parametrize("order", list(CONV_ORDERS))
def test_it_is_counted_and_exported(order: str) -> None:
    for transition in ("avg_pool_zero_pad", "avg_pool_projection", "projection"):
        rising = Stage(depth=3, width=22, width_from=16, stride=2, transition=transition)
        architecture = small(order=order, stages=(rising, Stage(depth=1, width=22)))
        assert_cost_is_measured(architecture)
        assert_same_function(architecture)
    source = export(architecture)
    assert "# stage 1: 18 to 22 channels, 5x4" in source
    assert any("width 18 to 22" in line for line in architecture_lines(architecture))


def test_kinds_of_a_stage_are_those_of_its_blocks() -> None:
    stage = Stage(depth=3, width=22, width_from=16, transition="zero_pad")
    assert shortcut_kinds(stage, 16) == ("zero_pad",) * 3
    assert shortcut_kinds(replace(stage, shortcut="none"), 16) == ("none",) * 3
    assert shortcut_kinds(replace(stage, width_from=0), 22) == ("identity",) * 3
