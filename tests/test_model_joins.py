"""Joins: how shortcut and branch meet, as data, as modules, in spaces, twins and exports."""

import json
import random
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from nas.common.errors import SpaceError
from nas.export.source import module_source
from nas.model.architecture import Architecture, Named, Stage
from nas.model.blocks import Join
from nas.model.cost import cost
from nas.model.join_layers import RandomStream
from nas.model.joins import JOINS, Place
from nas.model.layout import lay_out
from nas.model.network import Network
from nas.payoff.variants import plain, twins
from nas.space.enumeration import RandomTrial, all_values
from nas.space.space import SearchSpace
from nas.space.yaml import Source
from nas.training.candidate import Candidate

SPACE = """
name: joined
architecture:
  depth: 2
  shortcut: [identity, none]
  join: [add, {gated: {bias: [-6.0, 1.0]}}]
  stages: [{width: 4}, {width: 8, stride: 2, shortcut: identity, join: dropped}]
training: {epochs: 1}
search: {sampler: random}
"""


class Gate(nn.Module):
    """The branch through a gate that reads the shortcut."""

    def __init__(self, channels: int, bias: float) -> None:
        super().__init__()
        self.gate = nn.Conv2d(channels, channels, 1)
        nn.init.constant_(self.gate.bias, bias)

    def forward(self, shortcut: Tensor, branch: Tensor) -> Tensor:
        return shortcut + torch.sigmoid(self.gate(shortcut)) * branch


class Drop(nn.Module):
    """The branch of some pictures only."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate
        self.stream = RandomStream()

    def forward(self, shortcut: Tensor, branch: Tensor) -> Tensor:
        if not self.training:
            return shortcut + (1 - self.rate) * branch
        kept = self.stream.uniform(len(branch), 1, 1, 1).to(branch.device) >= self.rate
        return shortcut + kept * branch


def gated(place: Place, *, bias: float = -1.0) -> Join:
    """x and F(x) through a gate.

    bias: of the gate at the start.
    """
    size = place.channels * (place.channels + 1)
    return Join(
        Gate,
        (place.channels, bias),
        parameters=size,
        multiply_adds=place.channels**2,
        kept=3 * place.channels,
    )


def dropped(place: Place, *, rate: float = 0.5) -> Join:
    """F(x) left out at random, the more the deeper."""
    return Join(Drop, (rate * (place.block + 1) / place.num_blocks,))


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    """The usual join and two of a user's own; tests/test_model_join_registry.py has the others."""
    monkeypatch.setattr(JOINS, "_parts", {"add": JOINS["add"]})
    JOINS.register("gated")(gated)
    JOINS.register("dropped")(dropped)


def network_of(*stages: Stage) -> Architecture:
    """A small network of these stages."""
    stem = Named.of("conv3x3", width=4)
    return Architecture(image_shape=(1, 8, 8), num_classes=5, stem=stem, stages=stages)


def joined(name: str, **options: float) -> Architecture:
    """The same with one join in all stages."""
    join = Named.of(name, **JOINS.defaults(name) | options)
    return network_of(
        Stage(depth=2, width=4, join=join, transition="none"),
        Stage(depth=2, width=8, stride=2, join=join),
    )


# As data


def test_the_usual_join_is_left_out_of_json_and_others_are_kept() -> None:
    assert "join" not in joined("add").to_json()
    assert joined("add") == Architecture.from_json(joined("add").to_json())
    other = joined("gated", bias=-6.0)
    assert json.loads(other.to_json())["stages"][0]["join"] == {"gated": {"bias": -6.0}}
    assert Architecture.from_json(other.to_json()) == other
    assert other.hash != joined("gated").hash != joined("add").hash


def test_an_unknown_join_is_refused_with_those_there_are() -> None:
    data = json.loads(joined("add").to_json())
    data["stages"][1]["join"] = "added"
    with pytest.raises(ValueError, match="unknown join 'added'.* Did you mean 'add'"):
        lay_out(Architecture.from_json(json.dumps(data)))


def test_a_block_without_a_shortcut_has_no_join() -> None:
    mixed = network_of(
        Stage(depth=2, width=4, join=Named("dropped")),
        Stage(depth=2, width=8, stride=2, transition="none", join=Named("dropped")),
    )
    assert [record.join.name for record in mixed.blocks()] == ["dropped"] * 2 + ["add", "dropped"]


@pytest.mark.parametrize("name", ["add", "gated", "dropped"])
def test_cost_counts_what_a_join_adds(name: str) -> None:
    spent = cost(joined(name))
    network = Network(joined(name))
    assert spent.parameters == sum(parameter.numel() for parameter in network.parameters())
    extra = 8 * 8 * 2 * 4**2 + 4 * 4 * 2 * 8**2 if name == "gated" else 0
    assert spent.multiply_adds - cost(joined("add")).multiply_adds == extra
    assert (spent.memory > cost(joined("add")).memory) == (name == "gated")
    assert spent.depth == cost(joined("add")).depth


# As a module


def test_networks_that_differ_in_their_joins_share_all_other_weights() -> None:
    added = Network(joined("add"), seed=3).state_dict()
    other = Network(joined("gated"), seed=3).state_dict()
    assert added.keys() < other.keys()
    assert all(torch.equal(tensor, other[name]) for name, tensor in added.items())


def test_a_join_keeps_the_bias_it_starts_with_and_has_weights_of_its_seed() -> None:
    gates = [block.join.gate for block in Network(joined("gated", bias=-6.0), seed=3).blocks()]
    assert all((gate.bias == -6).all() for gate in gates)
    again = [block.join.gate for block in Network(joined("gated", bias=-6.0), seed=3).blocks()]
    assert all(torch.equal(a.weight, b.weight) for a, b in zip(gates, again, strict=True))
    assert not torch.equal(gates[0].weight, gates[1].weight)


def batch() -> Tensor:
    return torch.randn(16, 1, 8, 8, generator=torch.Generator().manual_seed(0))


def test_a_stream_follows_from_seed_and_block_and_moves_no_other_random_number() -> None:
    def drawn(seed: int) -> list[list[float]]:
        network = Network(joined("dropped"), seed=seed)
        return [block.join.stream.uniform(3).tolist() for block in network.blocks()]

    network = Network(joined("dropped"))
    before = torch.get_rng_state()
    network(batch())
    assert torch.equal(torch.get_rng_state(), before)
    first = drawn(0)
    assert first == drawn(0)
    assert len({tuple(numbers) for numbers in first + drawn(1)}) == 8


def test_a_stream_goes_on_where_saved_weights_stood() -> None:
    first, second = (Network(joined("dropped"), seed=seed) for seed in (0, 1))
    first(batch())
    second.load_state_dict(first.state_dict())
    assert torch.equal(first(batch()), second(batch()))


def test_blocks_computed_again_draw_the_same_numbers() -> None:
    results = []
    for checkpointing in (False, True):
        network = Network(joined("dropped"), seed=3, checkpointing=checkpointing)
        for _ in range(3):
            loss = network(batch()).square().mean()
            loss.backward()
        gradients = [parameter.grad for parameter in network.parameters()]
        results.append([loss, *gradients, *network.state_dict().values()])
    assert all(torch.equal(a, b) for a, b in zip(*results, strict=True))


@pytest.mark.parametrize("name", ["gated", "dropped"])
def test_the_exported_module_is_the_network(name: str) -> None:
    """In training as in use; with blocks that add beside others, and with such as join nothing."""
    joint = joined(name).stages[0].join
    mixed = network_of(
        Stage(depth=2, width=4, join=joint),
        Stage(depth=2, width=8, stride=2),
        Stage(depth=2, width=8, shortcut="none", transition="none"),
    )
    for architecture in (joined(name), mixed):
        source = module_source(architecture, title="", facts=[])
        assert "nas" not in source.replace("`nas export`", "")
        namespace: dict = {"__name__": "best"}
        exec(compile(source, "best.py", "exec"), namespace)
        trained, exported = Network(architecture, seed=3), namespace["Network"]()
        exported.load_state_dict(trained.state_dict())
        assert torch.equal(trained.train()(batch()), exported.train()(batch()))
        assert torch.equal(trained.eval()(batch()), exported.eval()(batch()))


def test_a_module_with_additions_alone_holds_no_join() -> None:
    source = module_source(joined("add"), title="", facts=[])
    assert "join" not in source
    assert "self.after(self.shortcut(x) + self.branch(x))" in source


# In a space


def space(text: str = SPACE) -> SearchSpace:
    return SearchSpace.parse(Source("joined.yaml", text))


def candidates(found: SearchSpace, count: int = 60) -> set[Candidate]:

    generator = random.Random(0)
    return {found.candidate(RandomTrial(generator, all_values)) for _ in range(count)}


def test_a_join_is_drawn_where_something_is_joined() -> None:
    found = {one.architecture.stages for one in candidates(space())}
    joins = {(first.shortcut, str(first.join), str(second.join)) for first, second in found}
    assert joins == {
        ("none", "add", "dropped(rate=0.5)"),
        ("identity", "add", "dropped(rate=0.5)"),
        ("identity", "gated(bias=-6.0)", "dropped(rate=0.5)"),
        ("identity", "gated(bias=1.0)", "dropped(rate=0.5)"),
    }
    assert space().num_architectures() == (4, True)
    assert space().parameters().keys() == {"shortcut", "join", "join.gated.bias"}


def test_a_space_that_names_the_usual_join_is_the_same_space() -> None:
    without = SPACE.replace("  join: [add, {gated: {bias: [-6.0, 1.0]}}]\n", "")
    without = without.replace(", join: dropped", "")
    named = without.replace("  depth: 2\n", "  depth: 2\n  join: add\n")
    assert space(without).hash == space(named).hash
    assert "join" not in json.dumps(space(without).drawn)
    assert space(without).hash != space().hash


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("added", "6:9: join: should be 'add', 'gated' or 'dropped', found 'added'"),
        ("{gated: {bais: 1.0}}", "unknown key 'bais'"),
        ("{dropped: {rate: -1.0}}", "should be greater than or equal to 0"),
    ],
)
def test_a_wrong_join_is_told_with_its_place(written: str, said: str) -> None:
    with pytest.raises(SpaceError) as told:
        space(SPACE.replace("[add, {gated: {bias: [-6.0, 1.0]}}]", written))
    assert said in str(told.value)


# Twins


def test_twins_differ_in_their_join() -> None:
    candidate = next(one for one in candidates(space()) if "gated" in one.to_json())
    arms = twins(candidate, "join")
    assert list(arms) == ["add", "gated", "dropped"]
    for arm, twin in arms.items():
        assert {stage.join.name for stage in twin.architecture.stages} == {arm}
    assert arms["gated"].architecture.stages[0] == candidate.architecture.stages[0]
    assert "join" not in arms["add"].to_json()
    bare = plain(candidate.architecture)
    assert "join" not in bare.to_json()
    of_bare = twins(replace(candidate, architecture=bare), "join")
    assert len({twin.hash for twin in of_bare.values()}) == 3


@pytest.mark.parametrize(
    ("payoff", "said"),
    [
        ("{vary: join, arms: [add, identity]}", "arms: unknown join 'identity'"),
        ("{arms: [add]}", "arms: unknown shortcut 'add'"),
    ],
)
def test_arms_are_of_what_varies(payoff: str, said: str) -> None:
    with pytest.raises(SpaceError, match=said):
        space(SPACE + f"payoff: {payoff}\n")
    space(SPACE + "payoff: {vary: join, arms: [add, gated]}\n")
