"""Several streams in place of x: what they compute, where they run, spaces and twins."""

from dataclasses import replace

import pytest
import torch
from exported import assert_same_function, export
from torch import Tensor, nn

from nas.common.errors import SpaceError
from nas.model.architecture import Architecture, Named, Stage, masked
from nas.model.blocks import Join
from nas.model.cost import cost
from nas.model.joins import JOINS, Place
from nas.model.layout import lay_out
from nas.model.network import Network, Streamed
from nas.payoff.variants import twins
from nas.space.enumeration import all_draws, all_values
from nas.space.space import SearchSpace
from nas.space.yaml import Source
from nas.training.candidate import Candidate
from nas.training.metrics.subject import read_blocks

SPACE = """
name: streams
dataset: {name: digits}
architecture:
  depth: 2
  shortcut: [identity, none]
  join: [add, {hyper: {streams: [2, 4]}}]
  stages: [{width: 4}, {width: 8, stride: 2}]
"""


def streamed(name: str = "hyper", streams: int = 3, order: str = "pre_activation") -> Architecture:
    """Runs of three blocks and of one, with a transition between them."""
    join = Named.of(name, streams=streams)
    return Architecture(
        image_shape=(3, 8, 8),
        num_classes=5,
        stem=Named.of("conv3x3", width=4),
        stages=(
            Stage(depth=3, width=4, transition="none", join=join),
            Stage(depth=2, width=8, stride=2, join=join),
        ),
        activation_order=order,
    )


def scrambled(architecture: Architecture) -> Network:
    """With streams that are not alike: random matrices, and norms that have seen something."""
    network = Network(architecture, seed=3).double()
    generator = torch.Generator().manual_seed(1)
    for name, parameter in network.named_parameters():
        if ".join." in name:
            noise = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
            parameter.data += 0.5 * noise
    return network


def by_the_formula(network: Network, x: Tensor) -> Tensor:
    """The logits, by streams as they are: X' = after(H_r X + H_w F(H_d X)) for each of them."""
    x = network.stem(x)
    for block in network.blocks():
        if not isinstance(block, Streamed):
            x = block(x)
            continue
        mix, write, read = block.join()
        if block.opens:
            streams = torch.stack([x] * len(write))
        branch = block.branch(torch.einsum("j,jnchw->nchw", read, streams))
        streams = torch.einsum("ij,jnchw->inchw", mix, streams) + torch.stack(
            [weight * branch for weight in write]
        )
        streams = torch.stack([block.after(one) for one in streams])
        x = streams.mean(0)
    return network.head(network.final(x).mean((2, 3)))


def pictures() -> Tensor:
    generator = torch.Generator().manual_seed(2)
    return torch.randn(6, 3, 8, 8, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("order", ["pre_activation", "post_activation"])
@pytest.mark.parametrize("name", ["hyper", "mhc"])
def test_streams_are_those_of_the_formula(name: str, order: str) -> None:
    """Logits and the gradients of all matrices, also where streams have long been different."""
    results = []
    for compute in (Network.forward, by_the_formula):
        network = scrambled(streamed(name, order=order))
        logits = compute(network, pictures())
        logits.square().sum().backward()
        results.append((logits, {n: p.grad for n, p in network.named_parameters()}))
    (mine, gradients), (theirs, expected) = results
    assert torch.allclose(mine, theirs, rtol=1e-9)
    assert all(torch.allclose(gradients[key], expected[key], rtol=1e-7) for key in expected)
    mixes = [grad for key, grad in gradients.items() if key.endswith("join.mix")]
    assert len(mixes) == 4
    assert mixes[1].abs().min() > 1e-6  # every entry of H_r does something
    usual = Network(streamed(name, order=order), seed=3).double()(pictures())
    assert not torch.allclose(mine, usual, rtol=0.01)


def test_each_block_reads_its_own_stream_at_the_start() -> None:
    """Zhu et al. 2024, eq. 14; else all streams would stay alike for good."""
    blocks = [one for one in Network(streamed()).blocks() if isinstance(one, Streamed)]
    for block, stream in zip(blocks, (0, 1, 2, 1), strict=True):
        mix, write, read = block.join()
        assert torch.equal(mix, torch.eye(3))
        assert torch.equal(write, torch.ones(3))
        assert torch.equal(read, torch.eye(3)[stream])
    network = Network(streamed(), seed=3)
    for _ in range(3):
        network.zero_grad()
        network(pictures().float()).square().sum().backward()
        for parameter in network.parameters():
            parameter.data -= 0.01 * parameter.grad
    inside = network.blocks()[0](network.stem(pictures().float()))
    assert inside.chunk(3)[2].abs().max() > 1e-4  # how far the third stream differs from the first


def test_doubly_stochastic_matrices_are() -> None:
    join = scrambled(streamed("mhc", streams=4)).blocks()[1].join
    mix, write, read = join()
    ones = torch.ones(4, dtype=torch.float64)
    assert torch.allclose(mix.sum(1), ones, rtol=1e-12)
    assert torch.allclose(mix.sum(0), ones, rtol=1e-2)  # after 20 steps
    assert min(mix.min(), read.min(), write.min()) > 0
    assert read.sum().item() == pytest.approx(1)
    assert write.max() < 2
    assert not torch.allclose(mix, torch.eye(4).double(), atol=0.05)


# Where they run


def ends(architecture: Architecture) -> list[str]:
    """For each block where streams begin and end; empty without streams."""
    blocks = lay_out(architecture).blocks
    return ["-" * bool(b.join.streams) + "o" * b.opens + "c" * b.closes for b in blocks]


def test_streams_run_through_identity_shortcuts_with_equal_joins() -> None:
    usual = streamed()
    assert ends(usual) == ["-o", "-", "-c", "", "-oc"]
    gap = masked(usual.stages[0], (True, False, True), 4)
    assert ends(replace(usual, stages=(gap, usual.stages[1]))) == ["-oc", "", "-oc", "", "-oc"]
    equal = replace(usual.stages[1], stride=1, width=4, transition="none")
    assert ends(replace(usual, stages=(usual.stages[0], equal))) == ["-o", "-", "-", "-", "-c"]
    fewer = replace(equal, join=Named.of("hyper", streams=2))
    assert ends(replace(usual, stages=(usual.stages[0], fewer))) == ["-o", "-", "-c", "-o", "-c"]
    records = usual.blocks()
    assert [record.join.name for record in records] == [*["hyper"] * 3, "add", "hyper"]


def test_measures_of_a_block_are_those_of_the_mean_of_its_streams() -> None:
    labels = torch.arange(6) % 5
    readings = [
        read_blocks(Network(one, seed=3).double(), pictures(), labels)
        for one in (streamed(), replace(streamed(), stages=added(streamed())))
    ]
    assert readings[0].variance == pytest.approx(readings[1].variance)
    assert readings[0].added[1][1] == pytest.approx(readings[1].added[1][1])


def added(architecture: Architecture) -> tuple[Stage, ...]:
    return tuple(replace(stage, join=Named("add")) for stage in architecture.stages)


@pytest.mark.parametrize("order", ["post_activation", "activation_only_pre_activation"])
def test_the_exported_module_is_the_network(order: str) -> None:
    """With blocks without shortcuts, and streams of two kinds."""
    usual = streamed(order=order)
    gap = masked(usual.stages[0], (True, False, True), 4)
    other = replace(usual.stages[1], join=Named.of("mhc", streams=2))
    assert_same_function(replace(usual, stages=(gap, other)))
    assert "HyperConnections(3, 1)" in export(usual)
    network = Network(usual, seed=3).eval()
    sizes = ({0: torch.export.Dim("batch")},)
    program = torch.export.export(network, (pictures().float(),), dynamic_shapes=sizes)
    some = pictures().float()[:2]  # as many as there are
    assert torch.equal(program.module()(some), network(some))


def test_norms_behind_the_addition_are_refused() -> None:
    with pytest.raises(ValueError, match="norm_after_addition has a norm behind the addition"):
        lay_out(streamed(order="norm_after_addition"))
    assert cost(replace(streamed(order="norm_after_addition"), norm=Named("none"))).parameters
    orders = "  activation_order: [pre_activation, norm_after_addition]\n"
    with pytest.raises(SpaceError, match=r"streams.yaml:8:\d+: activation order norm_after"):
        space(SPACE.replace("  depth: 2\n", f"  depth: 2\n{orders}"))
    with pytest.raises(SpaceError, match="activation order norm_after"):
        space(SPACE + "payoff: {activation_orders: [pre_activation, norm_after_addition]}\n")


@pytest.mark.parametrize("streams", [0, 17])
def test_impossible_numbers_of_streams_are_refused(streams: int) -> None:
    with pytest.raises(SpaceError, match=f"from 1 to 16 streams, found {streams}"):
        space(SPACE.replace("[2, 4]", str(streams)))


# A join of one's own


class Shared(nn.Module):
    """Streams that mix by one learned number."""

    is_stochastic = False

    def __init__(self, streams: int) -> None:
        super().__init__()
        self.register_buffer("eye", torch.eye(streams))
        self.write = nn.Parameter(torch.ones(streams))
        self.share = nn.Parameter(torch.tensor(0.25))

    def forward(self) -> tuple[Tensor, Tensor, Tensor]:
        mix = self.eye * (1 - self.share) + self.share / len(self.eye)
        return mix, self.write, self.write / self.write.sum()


def shared(place: Place, *, streams: int = 2) -> Join:
    """Streams that mix by one number.

    streams: how many.
    """
    return Join(Shared, (streams,), parameters=streams + 1, streams=streams)


def test_a_join_of_ones_own_has_streams(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(JOINS, "_parts", JOINS.parts())
    JOINS.register("shared")(shared)
    own = streamed("shared")
    assert ends(own) == ["-o", "-", "-c", "", "-oc"]
    network = scrambled(own)
    expected = by_the_formula(network, pictures())
    assert torch.allclose(network(pictures()), expected, rtol=1e-9)
    assert_same_function(own)
    learned = sum(one.numel() for one in network.parameters())
    assert cost(own).parameters == learned


# In a space, and as twins


def space(text: str = SPACE) -> SearchSpace:
    return SearchSpace.parse(Source("streams.yaml", text))


def test_equal_networks_are_equal_data() -> None:
    """Streams that no shortcut takes are none."""
    assert space().num_architectures() == (4, True)
    projected = space(SPACE.replace("[identity, none]", "projection"))
    assert projected.num_architectures() == (1, True)
    (one,) = {found.architecture for _, found in all_draws(projected.candidate, all_values)}
    assert {stage.join.name for stage in one.stages} == {"add"}


def test_twins_have_streams_where_they_have_identity_shortcuts() -> None:
    draws = all_draws(space().candidate, all_values)
    base = next(one for _, one in draws if "hyper" in one.to_json())
    arms: dict[str, Candidate] = twins(base, "shortcut", "zero_pad")
    joins = {arm: {r.join.name for r in o.architecture.blocks()} for arm, o in arms.items()}
    assert joins == {"identity": {"hyper", "add"}, "projection": {"add"}, "none": {"add"}}
    for twin in arms.values():
        assert Architecture.from_json(twin.architecture.to_json()) == twin.architecture
