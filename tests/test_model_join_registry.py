"""Every join of the package: where it is add, what it costs, and that it is the same everywhere."""

import json
import random
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from nas.export.source import module_source
from nas.model.architecture import Architecture, Named, Stage, grown
from nas.model.cost import cost
from nas.model.joins import JOINS
from nas.model.layout import lay_out
from nas.model.network import Network, random_streams
from nas.payoff.variants import twins
from nas.space.enumeration import RandomTrial, all_values
from nas.space.space import SearchSpace
from nas.space.yaml import Source
from nas.training.evaluation import retake_statistics

JOIN_NAMES = list(JOINS)
#: joins whose blocks have the shapes of others; tests/test_model_concat.py has those that grow
SAME_SHAPE = [name for name in JOIN_NAMES if "growth" not in JOINS.options(name)]
RANDOM = ["drop_path", "dropout_shortcut"]
GATES = ["shortcut_gate", "exclusive_gate"]
#: join -> options with which it is add; what it learns is frozen there
NEUTRAL = {
    "add": {},
    "scaled": {"shortcut": 1.0, "branch": 1.0},
    "depth_scaled": {"exponent": 0.0},
    "decayed": {"to": 1.0},
    "skip_init": {"start": 1.0},
    "layer_scale": {"init": 1.0},
    "shortcut_gate": {"bias": -1000.0},
    "drop_path": {"rate": 0.0},
    "dropout_shortcut": {"rate": 0.0},
    "orthogonal": {"share": 0.0},
    "hyper": {"streams": 4},
    "mhc": {"streams": 3},
}


def joined(name: str, *, order: str = "post_activation", **options: float) -> Architecture:
    """A small network with one join in all blocks."""
    join = Named.of(name, **JOINS.defaults(name) | options)
    first = grown(Stage(depth=2, width=4, transition="none", join=join), 4)
    second = grown(Stage(depth=2, width=8, stride=2, join=join), first.width)
    return Architecture(
        image_shape=(1, 8, 8),
        num_classes=5,
        stem=Named.of("conv3x3", width=4),
        stages=(first, replace(second, transition="none") if second.growth else second),
        activation_order=order,
    )


def pictures(seed: int = 0, count: int = 16) -> Tensor:
    return torch.randn(count, 1, 8, 8, generator=torch.Generator().manual_seed(seed))


def trained(network: Network, steps: int = 20) -> list[Tensor]:
    """The logits of some steps of SGD, and the network's weights and statistics after them."""
    learned = [one for one in network.parameters() if one.requires_grad]
    optimizer = torch.optim.SGD(learned, lr=0.1, momentum=0.9, weight_decay=1e-4)
    seen = []
    for step in range(steps):
        logits = network.train()(pictures(step))
        optimizer.zero_grad()
        F.cross_entropy(logits, torch.arange(16) % 5).backward()
        optimizer.step()
        seen.append(logits.detach())
    state = network.state_dict()
    return [*seen, network.eval()(pictures()), *(state[key] for key in state if "join" not in key)]


def frozen(network: Network) -> Network:
    """With joins that learn nothing."""
    for block in network.blocks():
        block.join.requires_grad_(False)
    return network


def all_equal(first: list[Tensor], second: list[Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


# Neutral settings


@pytest.mark.parametrize("order", ["post_activation", "pre_activation"])
@pytest.mark.parametrize("name", NEUTRAL)
def test_a_neutral_setting_is_add_to_the_last_bit(name: str, order: str) -> None:
    one = frozen(Network(joined(name, order=order, **NEUTRAL[name]), seed=3))
    assert all_equal(trained(one), trained(Network(joined("add", order=order), seed=3)))


def test_an_open_exclusive_gate_is_half_the_sum() -> None:
    """Its weights add up to 1, so it is never `add`."""
    assert {*NEUTRAL, "exclusive_gate"} == set(SAME_SHAPE)
    gated = frozen(Network(joined("exclusive_gate", bias=0.0), seed=3))
    for block in gated.blocks():
        torch.nn.init.zeros_(block.join.gate.weight)
    halves = Network(joined("scaled", shortcut=0.5, branch=0.5), seed=3)
    assert all_equal(trained(gated), trained(halves))


# What they compute


@pytest.mark.parametrize(
    ("name", "weights"),
    [
        ("scaled", [(0.5, 0.5)] * 4),
        ("depth_scaled", [(1.0, 0.5)] * 4),
        ("decayed", [(0.9, 1.0), (0.8, 1.0), (0.7, 1.0), (0.6, 1.0)]),
    ],
)
def test_fixed_weights_by_block(name: str, weights: list[tuple[float, float]]) -> None:
    blocks = lay_out(joined(name)).blocks
    for block, expected in zip(blocks, weights, strict=True):
        assert block.join.arguments == pytest.approx(expected)


def of_join(name: str, **options: float) -> tuple[torch.nn.Module, Tensor, Tensor]:
    """The last join of a network, and what it may be called with."""
    network = Network(joined(name, **options), seed=3)
    generator = torch.Generator().manual_seed(1)
    x, branch = torch.randn(2, 64, 8, 5, 5, generator=generator)
    return network.blocks()[-1].join, x, branch


def test_branches_start_as_small_as_is_said() -> None:
    join, x, branch = of_join("skip_init")
    assert torch.equal(join(x, branch), x)
    join, x, branch = of_join("layer_scale", init=0.25)
    assert torch.equal(join(x, branch), x + 0.25 * branch)
    assert join.scale.shape == (8, 1, 1)


@pytest.mark.parametrize("name", GATES)
def test_the_bias_of_a_gate_outlives_the_initialiser(name: str) -> None:
    join, x, branch = of_join(name, bias=-2.0)
    assert (join.gate.bias == -2).all()
    assert join.gate.weight.std() > 0.1
    gate = torch.sigmoid(join.gate(x))
    of_branch = gate if name == "exclusive_gate" else 1.0
    assert torch.equal(join(x, branch), (1 - gate) * x + of_branch * branch)


def test_an_orthogonal_update_has_nothing_along_the_shortcut() -> None:
    join, x, branch = of_join("orthogonal")
    update = join(x, branch) - x
    assert (update * x).sum(1).abs().max() < 1e-4
    removed = branch - update
    assert F.cosine_similarity(removed, x).abs().min() > 0.999


def test_a_branch_is_left_out_of_whole_pictures_the_more_often_the_deeper() -> None:
    rates = [block.join.arguments[0] for block in lay_out(joined("drop_path", rate=0.4)).blocks]
    assert rates == pytest.approx([0.1, 0.2, 0.3, 0.4])
    join, x, branch = of_join("drop_path", rate=0.75)
    shares = ((join.train()(x, branch) - x) / branch).flatten(1)
    means = shares.mean(1)
    assert torch.allclose(shares, means[:, None], atol=0.01)
    assert {round(mean) for mean in means.tolist()} == {0, 4}
    assert 0.1 < (means > 2).float().mean() < 0.4
    assert torch.equal(join.eval()(x, branch), x + branch)


def test_single_numbers_of_a_shortcut_are_left_out() -> None:
    join, x, branch = of_join("dropout_shortcut")
    shares = (join.train()(x, branch) - branch) / x
    assert {round(share) for share in shares.flatten().tolist()} == {0, 2}
    assert 0.45 < (shares > 1).float().mean() < 0.55
    assert torch.equal(join.eval()(x, branch), x + branch)


@pytest.mark.parametrize("name", RANDOM)
def test_a_rate_at_which_nothing_is_left_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"the rate of the join {name} must be below 1, found 1.0"):
        lay_out(joined(name, rate=1.0))


# Random numbers


@pytest.mark.parametrize("name", RANDOM)
def test_every_block_and_seed_draws_its_own_numbers_and_no_others_move(name: str) -> None:
    networks = [Network(joined(name), seed=seed) for seed in (0, 1)]
    before = torch.get_rng_state()
    streams = [stream for network in networks for stream in random_streams(network)]
    assert len({tuple(stream.uniform(3).tolist()) for stream in streams}) == 8
    trained(networks[0], steps=2)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("name", JOIN_NAMES)
def test_blocks_computed_again_give_the_same_bits(name: str) -> None:
    networks = [Network(joined(name), seed=3, checkpointing=again) for again in (False, True)]
    assert all_equal(*(trained(network, steps=5) for network in networks))


@pytest.mark.parametrize("name", RANDOM)
def test_clean_statistics_are_those_of_the_network_in_use(name: str) -> None:
    networks = [Network(joined(one), seed=3) for one in (name, "add")]
    for network in networks:
        retake_statistics(network, [(pictures(1), None), (pictures(2), None)])
    assert all_equal(*([*network.buffers()] for network in networks))


# As data, counted, exported, and as an arm


@pytest.mark.parametrize("name", JOIN_NAMES)
def test_a_join_is_data(name: str) -> None:
    architecture = joined(name)
    assert Architecture.from_json(architecture.to_json()) == architecture
    assert len({joined(one).hash for one in JOIN_NAMES}) == len(JOIN_NAMES)
    for option, value in JOINS.defaults(name).items():
        other = value + 1 if type(value) is int else 0.75
        assert joined(name, **{option: other}).hash != architecture.hash
        assert JOINS.option_description(name, option)


STREAMS = ["hyper", "mhc"]
#: join -> what a join of so many channels learns; of n streams n (n + 2)
LEARNED = {"skip_init": lambda c: 1, "layer_scale": lambda c: c}
LEARNED |= {name: lambda c: c**2 + c for name in GATES} | {name: lambda c: 8 for name in STREAMS}


@pytest.mark.parametrize("name", SAME_SHAPE)
def test_what_a_join_learns_is_counted(name: str) -> None:
    spent, usual = cost(joined(name)), cost(joined("add"))
    count = LEARNED.get(name, lambda c: 0)
    last = 1 if name in STREAMS else 2  # streams end where the shape changes
    assert spent.parameters - usual.parameters == 2 * count(4) + last * count(8)
    assert spent.parameters == sum(one.numel() for one in Network(joined(name)).parameters())
    products = 2 * 64 * 4**2 + 2 * 16 * 8**2 if name in GATES else 0
    products += (2 * 64 * 4 + 16 * 8) * 8 if name in STREAMS else 0
    assert spent.multiply_adds - usual.multiply_adds == products


@pytest.mark.parametrize("name", SAME_SHAPE)
def test_what_a_join_keeps_for_the_gradient_is_counted(name: str) -> None:
    """No less than what autograd saves beyond what it saves for an addition."""

    def saved(join: str) -> int:
        found: dict[int, int] = {}

        def pack(tensor: Tensor) -> Tensor:
            storage = tensor.untyped_storage()
            found[storage.data_ptr()] = storage.nbytes()
            return tensor

        network = Network(joined(join), seed=3)
        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            kept = network(pictures(count=64))
        assert kept.requires_grad
        return sum(found.values())

    counted = cost(joined(name), batch_size=64).memory - cost(joined("add"), batch_size=64).memory
    assert saved(name) - saved("add") <= 1.05 * counted + 4096


@pytest.mark.parametrize("name", JOIN_NAMES)
def test_the_exported_module_is_the_trained_network(name: str) -> None:
    network = Network(joined(name), seed=3)
    trained(network, steps=3)
    source = module_source(joined(name), title="", facts=[])
    assert "nas" not in source.replace("`nas export`", "")
    namespace: dict = {"__name__": "best"}
    exec(compile(source, "best.py", "exec"), namespace)
    exported = namespace["Network"]()
    exported.load_state_dict(network.state_dict())
    for mode in (True, False):
        assert torch.equal(network.train(mode)(pictures()), exported.train(mode)(pictures()))


SPACE = """
name: joined
dataset: {name: digits, train_size: 96, validation_size: 40}
architecture:
  depth: 1
  join: [JOINS]
  stages: [{width: 4}, {width: 8, stride: 2}]
training: {epochs: 1, batch_size: 32}
search: {sampler: random}
payoff: {vary: join, arms: [JOINS]}
"""


def test_twins_of_all_joins_share_their_initial_weights() -> None:
    space = SearchSpace.parse(Source("joined.yaml", SPACE.replace("JOINS", ", ".join(JOIN_NAMES))))
    assert space.num_architectures() == (len(JOIN_NAMES), True)
    candidate = space.candidate(RandomTrial(random.Random(0), all_values))
    arms = twins(candidate, "join")
    assert list(arms) == JOIN_NAMES
    states = [Network(arms[name].architecture, seed=3).state_dict() for name in SAME_SHAPE]
    for state in states:
        assert state.keys() >= states[0].keys()
        assert all(torch.equal(tensor, state[name]) for name, tensor in states[0].items())
    assert "join" not in json.loads(arms["add"].to_json())["architecture"]["stages"][0]
