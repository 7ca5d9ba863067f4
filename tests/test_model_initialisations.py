"""What weights start as: zero where that is said, smaller the deeper, and the same everywhere."""

import json
from dataclasses import replace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from conftest import CONV_ORDERS, TINY, Script, outcomes, pairs, small
from exported import assert_same_function

from nas.common.errors import SpaceError
from nas.model.architecture import Architecture, Named, Stage
from nas.model.blocks import NORMS
from nas.model.cost import cost
from nas.model.initialisations import INITIALISATIONS, Start, starts_plain
from nas.model.network import Network, branch_convolutions
from nas.payoff.variants import ladder, plain, twins
from nas.report.trial_text import architecture_lines
from nas.space.schema import PayoffSection
from nas.space.space import SearchSpace
from nas.space.yaml import Source
from nas.training import evaluation
from nas.training.candidate import Candidate

#: the order whose branches end in an activation, which have no gradient at zero
DEAD = "activation_before_addition"
LIVE = [order for order in CONV_ORDERS if order != DEAD]
OTHERS = [name for name in INITIALISATIONS if not starts_plain(name)]


def started(name: str, *, order: str = "post_activation", **choices: Any) -> Architecture:
    """A small network with shortcuts in all blocks and that initialisation."""
    return small(order=order, initialisation=name, **choices)


def state(architecture: Architecture) -> dict[str, torch.Tensor]:
    return Network(architecture, seed=3).state_dict()


def pictures() -> torch.Tensor:
    return torch.randn(4, 3, 9, 7, generator=torch.Generator().manual_seed(0))


def load(*settings: str) -> SearchSpace:
    return SearchSpace.parse(Source("t.yaml", TINY), settings)


def initial_hash(candidate: Candidate) -> str:
    return evaluation.initial_hash(Network(candidate.architecture, seed=3), 3)


def test_the_usual_one_is_left_out() -> None:
    assert "initialisation" not in json.loads(small().to_json())
    assert small() == started("he")
    assert INITIALISATIONS["he"](7, 2) == Start()
    text = started("zero_last").to_json()
    assert Architecture.from_json(text) == started("zero_last")
    assert started("zero_last").hash != small().hash
    assert load().hash == load("architecture.initialisation=he").hash


@pytest.mark.parametrize(("name", "norm", "order"), pairs(OTHERS, NORMS, LIVE))
def test_branches_start_as_zero_and_learn(name: str, norm: str, order: str) -> None:
    """In the published form of every order: the block gives what its shortcut gives, and what was
    set to zero moves with the first step.
    """
    network = Network(started(name, order=order, norm=norm), seed=3)
    inputs: list[tuple[Any, torch.Tensor]] = []
    for block in network.blocks():
        block.branch.register_forward_hook(lambda _, x, y: inputs.append((x, y)))
    logits = network.train()(pictures())
    assert len(inputs) == 5
    assert not any(output.any() for _, output in inputs)
    assert logits.any() == (name != "fixup")
    with torch.no_grad():
        network.head.weight.normal_(generator=torch.Generator().manual_seed(1))
    F.cross_entropy(network(pictures()), torch.arange(4)).backward()
    for block in network.blocks():
        weights = [w for key, w in block.branch.named_parameters() if key.endswith("weight")]
        (zero,) = [weight for weight in weights if not weight.detach().any()]
        assert zero.grad.any()


def test_the_last_norm_is_what_is_zero() -> None:
    """Goyal et al. 2017: all else is as ever."""
    ours, usual = state(started("zero_last")), state(small())
    changed = [key for key, value in ours.items() if not torch.equal(value, usual[key])]
    assert changed == [f"stages.{stage}.{block}.branch.4.weight" for stage, block in PLACES]
    assert not any(ours[key].any() for key in changed)


#: the blocks of the small network
PLACES = [(0, 0), (0, 1), (1, 0), (1, 1), (2, 0)]


@pytest.mark.parametrize("convs", [1, 2, 3, 4])
def test_fixup_scales_by_depth(convs: int) -> None:
    """Zhang et al. 2019, section 4: L^(-1 / (2m - 2)), and the last convolution is zero."""
    stages = (Stage(depth=9, width=16, block=Named.of("basic", convs=convs)),)
    ours = Network(started("fixup", stages=stages, norm="none"), seed=3)
    usual = Network(small(stages=stages, norm="none"), seed=3)
    factor = 9 ** (-1 / (2 * convs - 2)) if convs > 1 else None
    for mine, theirs in zip(ours.blocks(), usual.blocks(), strict=True):
        *others, last = branch_convolutions(mine)
        for conv, same in zip(others, branch_convolutions(theirs), strict=False):
            assert torch.equal(conv.weight, same.weight * factor)
        assert not last.weight.any()
    assert not ours.head.weight.any()
    assert torch.equal(ours.stem[0].weight, usual.stem[0].weight)


def test_fixup_trains_without_norms_where_the_usual_weights_explode() -> None:
    """With the multiplier as a join; a hundred blocks, and a learning rate of 0.1."""
    join = Named.of("skip_init", start=1.0)
    stages = (Stage(depth=100, width=8, join=join),)
    choices = {"stages": stages, "norm": "none", "stem": Named.of("conv3x3", width=8)}
    losses = {}
    for name in ("he", "fixup"):
        network = Network(started(name, **choices), seed=3)
        optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
        for _ in range(10):
            optimizer.zero_grad()
            loss = F.cross_entropy(network(pictures()), torch.arange(4))
            loss.backward()
            optimizer.step()
        losses[name] = loss.item()
    assert losses["fixup"] < 1.5
    assert not losses["he"] < 10  # also where it is NaN


@pytest.mark.parametrize("name", OTHERS)
def test_plain_blocks_start_as_ever(name: str) -> None:
    """They would be zero for good; a network without shortcuts is the same under all of them."""
    shortcuts = ("identity", "none")
    stages = (Stage(depth=2, width=16, shortcuts=shortcuts, transition="none"),)
    network = Network(started(name, stages=stages), seed=3)
    usual = Network(small(stages=stages), seed=3)
    ours, theirs = (list(one.blocks()[1].state_dict().values()) for one in (network, usual))
    assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))
    assert plain(started(name)) == plain(small())


@pytest.mark.parametrize("name", OTHERS)
def test_it_costs_nothing_and_is_exported(name: str) -> None:
    assert cost(started(name)) == cost(small())
    assert_same_function(started(name))
    assert any(f"initialisation {name}" in line for line in architecture_lines(started(name)))
    assert "initialisation" not in "".join(architecture_lines(small()))


def test_it_is_searched_where_there_is_a_shortcut() -> None:
    space = load("architecture.initialisation=[he, zero_last, fixup]")
    assert space.num_architectures() == (12, True)
    drawn = list(outcomes(space.sample))
    assert {one.initialisation for _, one in drawn} == {"he", "zero_last", "fixup"}
    for params, one in drawn:
        has_shortcut = any(block.shortcut != "none" for block in one.blocks())
        assert ("initialisation" in params) == has_shortcut
    assert load("architecture.initialisation=zero_last").hash != load().hash
    some = load("architecture.initialisation=[he, zero_last, fixup]", "architecture.shortcut=none")
    assert some.num_architectures() == (2 * (3 + 1), True)


@pytest.mark.parametrize("name", OTHERS)
def test_weights_that_would_stay_zero_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="behind which it would stay zero"):
        Network(started(name, order=DEAD))
    orders = f"architecture.activation_order=[post_activation, {DEAD}]"
    with pytest.raises(SpaceError, match="initialisation") as caught:
        load(f"architecture.initialisation=[he, {name}]", orders)
    assert f"activation_order = {DEAD}" in str(caught.value)
    with pytest.raises(SpaceError, match="would stay zero"):
        load(f"architecture.initialisation={name}", f"payoff={{activation_orders: [{DEAD}]}}")


@pytest.mark.parametrize("name", OTHERS)
def test_twins_keep_it(name: str) -> None:
    space = load(f"architecture.initialisation={name}")
    candidate: Candidate = space.candidate(Script([0, 0, 0]))
    arms = twins(candidate, "shortcut", "zero_pad")
    found = {arm: one.architecture.initialisation for arm, one in arms.items()}
    assert found == {"identity": name, "projection": name, "none": "he"}
    assert len({initial_hash(one) for one in arms.values()}) == 1
    assert DEAD not in twins(candidate, "activation_order")
    steps = ladder(candidate, PayoffSection(), [1, 3])
    assert {one.architecture.initialisation for one in steps.values()} == {name, "he"}


def test_an_initialisation_has_twins_of_its_own() -> None:
    base = replace(load().candidate(Script([0, 0, 0])), architecture=small())
    arms = twins(base, "initialisation")
    assert {arm: one.architecture.initialisation for arm, one in arms.items()} == {
        name: name for name in INITIALISATIONS
    }


@pytest.mark.parametrize("shortcut", ["identity", "none"])
def test_orthogonal_weights_keep_the_length_of_what_comes_in(shortcut: str) -> None:
    """Xiao et al. 2018: a matrix at the middle whose rows or columns are orthogonal, 0 around it;
    of groups each has its own.
    """
    block = Named.of("bottleneck", groups=2)
    stages = (Stage(depth=2, width=16, block=block, shortcut=shortcut, transition="none"),)
    network = Network(started("orthogonal", stages=stages), seed=3)
    for conv in (conv for block in network.blocks() for conv in branch_convolutions(block)):
        middle = conv.weight.detach().flatten(2)[:, :, conv.weight[0, 0].numel() // 2]
        assert torch.isclose(conv.weight.abs().sum(), middle.abs().sum())
        for part in middle.chunk(conv.groups):
            small_side = part @ part.T if part.shape[0] <= part.shape[1] else part.T @ part
            assert torch.allclose(small_side, 2 * torch.eye(len(small_side)), atol=1e-5)
    again = Network(started("orthogonal", stages=stages), seed=4)
    assert not torch.equal(again.blocks()[0].branch[0].weight, network.blocks()[0].branch[0].weight)
    usual = Network(small(stages=stages), seed=3)
    assert torch.equal(network.stem[0].weight, usual.stem[0].weight)


def test_plain_networks_start_orthogonal_too() -> None:
    kept = plain(started("orthogonal"))
    assert kept.initialisation == "orthogonal"
    assert_same_function(kept)
    space = load("architecture.initialisation=[he, orthogonal]")
    found = {(one.initialisation, "none" in kinds_of(one)) for _, one in outcomes(space.sample)}
    assert ("orthogonal", True) in found
    assert ("he", True) in found


def kinds_of(architecture: Architecture) -> set[str]:
    """The shortcuts of the blocks."""
    return {block.shortcut for block in architecture.blocks()}
