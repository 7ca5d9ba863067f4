"""Parts by name, with options that stand in the name: `blurred(size=5)`."""

from dataclasses import dataclass, replace
from typing import Literal

import pytest
from exported import architecture as network
from exported import assert_same_function, export, two_stages

from nas.common.errors import UserError
from nas.common.registry import Entry, Registry, base_name
from nas.data import Dataset
from nas.model.architecture import Architecture, Named
from nas.model.blocks import ACTIVATIONS, ORDERS, SHORTCUTS, Conv, Layer, Order, Shortcut
from nas.model.layout import lay_out
from nas.payoff.variants import as_there, twins
from nas.report.style import kind_colour
from nas.space.enumeration import all_draws, all_values
from nas.space.space import SearchSpace
from nas.space.yaml import Source
from nas.training.candidate import Candidate, Training


@dataclass(frozen=True, kw_only=True)
class Sized(Entry):
    """With a fact."""

    size: int = 0


def part(
    x: float, *, by: float = 1.0, times: int = 1, kind: Literal["a", "b"] = "a", off: bool = False
) -> str:
    """A part.

    by: how much.
    """
    return f"{x} {by} {times} {kind} {off}"


@pytest.fixture
def registry() -> Registry[Sized]:
    found: Registry[Sized] = Registry("part", Sized)
    found.register("part", size=3)(part)
    return found


def test_options_in_a_name_are_those_of_the_part(registry: Registry[Sized]) -> None:
    assert registry["part"](0) == "0 1.0 1 a False"
    text = str(Named.of("part", by=-0.5, times=2, kind="b", off=True))
    assert text == "part(by=-0.5, kind=b, off=True, times=2)"
    assert registry[text](0) == "0 -0.5 2 b True"
    assert registry[text].size == 3
    assert registry["part(by=1e-05)"](0) == "0 1e-05 1 a False"
    assert registry.function(text) is part
    assert registry.description(text) == "A part."
    assert registry.defaults(text)["by"] == 1.0
    assert base_name(text) == "part"


@pytest.mark.parametrize(
    "text",
    [
        "part()",
        "part(by)",
        "part(by=)",
        "part(by=1, by=2)",
        "part(times=1, by=2)",
        "part(times=1.5)",
        "part(by=nan)",
        "part(by=1e9)",
        "part(kind=c)",
        "part(off=1)",
        "part(size=3)",
        "prt(by=1)",
        "part(by=1",
        "part(by=1)(by=1)",
        f"part(times={'9' * 5000})",
    ],
)
def test_a_name_with_other_options_is_refused(registry: Registry[Sized], text: str) -> None:
    with pytest.raises(ValueError, match="part|option"):
        registry[text]


# In a space


def widened(in_channels, out_channels, stride, *, size: int = 3):
    """A convolution.

    size: of its kernel.
    """
    return (Conv(in_channels, out_channels, size, stride),)


def leaky(*, slope: float = 0.1) -> Layer:
    """A small slope below zero."""
    return Layer("LeakyReLU", (slope,))


def late(*, after: int = 1) -> Order:
    """Norm after each activation."""
    return Order(("conv", "act", "norm"), after_addition=after)


@pytest.fixture
def own_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    own = Shortcut(function=widened, keeps_shape=True, changes_shape=True)
    for registry, added in (
        (SHORTCUTS, {"own": own}),
        (ACTIVATIONS, {"leaky": leaky}),
        (ORDERS, {"late": late}),
    ):
        monkeypatch.setattr(registry, "_parts", dict(registry.parts()) | added)


SPACE = """
name: options
architecture:
  depth: 2
  activation: [relu, {leaky: {slope: [0.1, 0.3]}}]
  activation_order: {name: late, after: 2}
  shortcut: [identity, {own: {size: [1, 5]}}]
  transition: own
  stages: [{width: 8}, {width: 16, stride: 2, shortcut: {name: own, size: 3}}]
"""


def drawn(text: str = SPACE) -> dict[Architecture, dict]:
    space = SearchSpace.parse(Source("s.yaml", text))
    return {one: trial.values for trial, one in all_draws(space.sample, all_values)}


@pytest.mark.usefixtures("own_parts")
def test_options_of_shortcuts_activations_and_orders_are_searched() -> None:
    found = drawn()
    assert len(found) == 9
    assert {one.activation for one in found} == {"relu", "leaky(slope=0.1)", "leaky(slope=0.3)"}
    assert {one.activation_order for one in found} == {"late(after=2)"}
    kinds = {one.stages[0].shortcut for one in found}
    assert kinds == {"identity", "own(size=1)", "own(size=5)"}
    assert {one.stages[1].shortcut for one in found} == {"own(size=3)"}
    assert {one.stages[1].transition for one in found} == {"own(size=3)"}
    for one in found:
        assert Architecture.from_json(one.to_json()) == one
        lay_out(one)
    space = SearchSpace.parse(Source("s.yaml", SPACE))
    names = {"activation", "activation.leaky.slope", "shortcut", "shortcut.own.size"}
    assert space.parameters().keys() == names
    assert space.num_architectures() == (9, True)


@pytest.mark.usefixtures("own_parts")
def test_each_block_can_choose_among_kinds_with_options() -> None:
    text = SPACE.replace("  depth: 2", "  depth: 2\n  placement: per_block")
    kinds = {stage.shortcuts for one in drawn(text) for stage in one.stages}
    assert ("identity", "own(size=5)") in kinds
    assert ("own(size=1)", "own(size=5)") not in kinds  # options are drawn for all of them


@pytest.mark.usefixtures("own_parts")
def test_a_stored_kind_with_a_wrong_option_is_refused() -> None:
    architecture = network(*two_stages(shortcut="own(size=5)", transition="own(size=3)"))
    one = Candidate(
        architecture=architecture, training=Training(epochs=1), dataset=Dataset(name="digits")
    )
    assert Candidate.from_json(one.to_json()) == one
    with pytest.raises(UserError, match="option of own 'sise'"):
        Candidate.from_json(one.to_json().replace("own(size=5)", "own(sise=5)"))


@pytest.mark.usefixtures("own_parts")
def test_networks_of_such_parts_are_exported() -> None:
    one = network(
        *two_stages(shortcut="own(size=1)", transition="own(size=5)"),
        activation="leaky(slope=0.3)",
        activation_order="late(after=2)",
    )
    assert_same_function(one)
    source = export(one)
    assert "def own(in_channels, out_channels, stride):" in source
    assert "def own_2(in_channels, out_channels, stride):" in source
    assert "def late(convs):" in source
    assert "nn.LeakyReLU(0.3)" in source


@pytest.mark.usefixtures("own_parts")
def test_twins_keep_the_options_of_the_candidate() -> None:
    """And an arm that is new to it has the defaults, written out as a search writes them."""
    one = next(one for one in drawn() if one.stages[0].shortcut == "own(size=5)")
    base = Candidate(architecture=one, training=Training(epochs=1), dataset=Dataset(name="digits"))
    arms = twins(base, "shortcut")
    assert arms["own"].architecture.stages[0].shortcut == "own(size=5)"
    orders = twins(base, "activation_order")
    assert orders["late"].architecture.activation_order == "late(after=2)"
    plain = replace(base, architecture=replace(one, activation_order="post_activation"))
    again = twins(plain, "activation_order")["late"]
    assert again.architecture.activation_order == "late(after=1)"
    assert as_there(SHORTCUTS, "own", []) == "own(size=3)"
    assert kind_colour("own(size=5)") == kind_colour("own")
