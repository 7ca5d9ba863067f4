"""What the networks compute: every combination of parts, twins, plain networks, recomputation."""

import copy
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from conftest import COMBINATIONS, CONV_BLOCKS, CONV_ORDERS, families, pairs, small
from torch import nn

from nas.common.registry import Registry
from nas.model.architecture import Architecture, Named, Stage
from nas.model.block_layers import LayerNorm2d
from nas.model.blocks import (
    ACTIVATIONS,
    BLOCKS,
    NORMS,
    SHORTCUTS,
    last_convolution,
    same_shape,
    transitions,
)
from nas.model.cost import cost
from nas.model.network import Network, Plain, Residual, channels_last


def pictures(architecture: Architecture, num: int = 6, seed: int = 1) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(num, *architecture.image_shape, generator=generator)


def labels(num: int = 6) -> torch.Tensor:
    return torch.arange(num) % 5


@pytest.mark.parametrize("parts", families(same_shape(), transitions(), NORMS), ids="-".join)
def test_every_pair_of_parts_trains(parts: tuple[str, ...]) -> None:
    """It builds, gives numbers, and the loss reaches every parameter."""
    architecture = small(*parts)
    network = Network(architecture)
    logits = network(pictures(architecture))
    assert logits.shape == (6, 5)
    assert logits.isfinite().all()
    F.cross_entropy(logits, labels()).backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.any(), name
        assert parameter.grad.isfinite().all(), name


@pytest.mark.parametrize("activation", list(ACTIVATIONS))
@pytest.mark.parametrize("order", list(CONV_ORDERS))
def test_every_activation_trains(activation: str, order: str) -> None:
    architecture = small(order=order, activation=activation)
    network = Network(architecture)
    F.cross_entropy(network(pictures(architecture)), labels()).backward()
    assert all(parameter.grad.any() for parameter in network.parameters())
    kinds = {type(module).__name__.lower() for module in network.modules()}
    assert activation.replace("_", "") in kinds


@pytest.mark.parametrize(
    ("block", "activation", "norm"), pairs(CONV_BLOCKS, ACTIVATIONS, NORMS), ids=str
)
def test_a_plain_network_is_the_same_under_every_order(
    block: str, activation: str, norm: str
) -> None:
    """To the last bit, in training and in eval mode, and so are its gradients; but where nothing
    normalises the last block, its norm comes before the pooling or behind it.
    """
    seen = []
    late = last_convolution(BLOCKS[block](16, 16, 1)).bare
    for order in [one for one in CONV_ORDERS if one != "pre_activation" or not late]:
        architecture = small(block, order, "none", "none", norm, activation=activation)
        network = Network(architecture, seed=3)
        trained = network(pictures(architecture))
        F.cross_entropy(trained, labels()).backward()
        gradient = network.stem[0].weight.grad
        with torch.no_grad():
            evaluated = network.eval()(pictures(architecture, seed=2))
        seen.append((trained.detach(), gradient, evaluated))
        assert cost(architecture) == cost(replace(architecture, activation_order="post_activation"))
    for other in seen[1:]:
        for ours, theirs in zip(seen[0], other, strict=True):
            assert torch.equal(ours, theirs)


@pytest.mark.parametrize("order", [o for o in CONV_ORDERS if o != "post_activation"])
def test_with_shortcuts_the_order_matters(order: str) -> None:
    """So that the test above cannot pass because the order is ignored."""
    one, other = (small(order=name, transition="zero_pad") for name in ("post_activation", order))
    assert not torch.equal(Network(one)(pictures(one)), Network(other)(pictures(other)))


@pytest.mark.parametrize(("block", "order"), families(), ids=str)
def test_a_zero_pad_network_and_its_plain_twin_start_from_the_same_bits(
    block: str, order: str
) -> None:
    network = Network(small(block, order, "identity", "zero_pad"), seed=5)
    twin = Network(small(block, order, "none", "none"), seed=5)
    ours, theirs = network.state_dict(), twin.state_dict()
    assert list(ours) == list(theirs)
    for key in ours:
        assert torch.equal(ours[key], theirs[key]), key


def branch_convolutions(network: Network) -> list[torch.Tensor]:
    """Weights of stem, branches and head, shortcuts left out, in order."""
    named = network.named_modules()
    return [
        m.weight for n, m in named if isinstance(m, nn.Conv2d | nn.Linear) and ".shortcut" not in n
    ]


@pytest.mark.parametrize("combination", COMBINATIONS, ids="-".join)
def test_whatever_the_shortcut_the_rest_starts_from_the_same_bits(
    combination: tuple[str, ...],
) -> None:
    block, order, *_ = combination
    ours = branch_convolutions(Network(small(*combination), seed=5))
    theirs = branch_convolutions(Network(small(block, order, "none", "none"), seed=5))
    assert len(ours) == len(theirs)
    assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))


@pytest.mark.parametrize("order", list(CONV_ORDERS))
def test_an_identity_shortcut_has_no_parameters_and_passes_its_input_on(order: str) -> None:
    network = Network(small(order=order))
    block = network.blocks()[1]
    assert isinstance(block, Residual)
    assert not list(block.shortcut.parameters())
    x = torch.randn(2, 16, 9, 7)
    assert torch.equal(block.shortcut(block.before(x)), x)
    expected = block.after(x + block.branch(x))
    assert torch.equal(block(x), expected)


@pytest.mark.parametrize(
    "parts",
    families(same_shape(), transitions(), ["relu", "leaky_relu"]),
    ids="-".join,
)
def test_no_block_writes_into_its_input(parts: tuple[str, ...]) -> None:
    """ReLUs work in place; what a shortcut reads must be left alone."""
    *combination, activation = parts
    network = Network(small(*combination, activation=activation))
    for block, record in zip(network.blocks(), network.architecture.blocks(), strict=True):
        x = torch.randn(2, record.in_channels, 6, 6)
        before = x.clone()
        block(x)
        assert torch.equal(x, before)


def kinds(module: nn.Module) -> list[str]:
    """Names of the operations of a part."""
    short = {"Conv2d": "conv", "StridedPointwise": "conv", "BatchNorm2d": "norm", "ReLU": "act"}
    return [short[type(m).__name__] for m in module.modules() if type(m).__name__ in short]


#: He et al. 2016, Fig. 4 and Table 2: branch of a middle block | what follows the addition
FIGURE_4 = {
    "post_activation": ("conv norm act conv norm", "act"),
    "norm_after_addition": ("conv norm act conv", "norm act"),
    "activation_before_addition": ("conv norm act conv norm act", ""),
    "activation_only_pre_activation": ("act conv norm act conv norm", ""),
    "pre_activation": ("norm act conv norm act conv", ""),
}
#: the same of the first block (the stem has activated its input), and what follows the last block
FIRST_AND_LAST = {
    "post_activation": ("conv norm act conv norm", ""),
    "norm_after_addition": ("conv norm act conv", ""),
    "activation_before_addition": ("conv norm act conv norm act", ""),
    "activation_only_pre_activation": ("conv norm act conv norm", "act"),
    "pre_activation": ("conv norm act conv", "norm act"),
}


@pytest.mark.parametrize("order", FIGURE_4)
def test_orders_are_those_of_the_paper(order: str) -> None:
    network = Network(small(order=order))
    first, middle, *_ = network.blocks()
    branch, after = FIGURE_4[order]
    assert kinds(middle.branch) == branch.split()
    assert kinds(middle.after) == after.split()
    first_branch, last = FIRST_AND_LAST[order]
    assert kinds(first.branch) == first_branch.split()
    assert kinds(network.final) == last.split()
    assert kinds(network.stem) == ["conv", "norm", "act"]


def test_every_order_is_checked_above() -> None:
    assert set(FIGURE_4) == set(FIRST_AND_LAST) == set(CONV_ORDERS)
    assert set(same_shape()) | set(transitions()) == set(SHORTCUTS)


@pytest.mark.parametrize(
    ("order", "shortcut", "shared"),
    [
        ("post_activation", "conv norm", ""),
        ("norm_after_addition", "conv", ""),
        ("activation_before_addition", "conv norm", ""),
        ("activation_only_pre_activation", "conv norm", "act"),
        ("pre_activation", "conv", "norm act"),
    ],
)
def test_projections_are_normalised_as_the_branch_and_share_its_activation(
    order: str, shortcut: str, shared: str
) -> None:
    """He et al. 2016's code: one common norm and activation feed branch and projection."""
    block = Network(small(order=order)).blocks()[2]
    assert kinds(block.shortcut) == shortcut.split()
    assert kinds(block.before) == shared.split()
    assert block.shortcut[0].kernel_size == (1, 1)
    assert block.shortcut[0].stride == (2, 2)


def test_the_stride_stands_where_it_is_said() -> None:
    for first, strides in ((True, [2, 1, 1]), (False, [1, 2, 1])):
        block = Named.of("bottleneck", stride_first=first, ratio=0.5, groups=4)
        stage = Stage(depth=1, width=32, stride=2, block=block)
        convs = [
            module
            for module in Network(small(stages=(stage,))).blocks()[0].branch
            if isinstance(module, nn.Conv2d)
        ]
        assert [conv.stride[0] for conv in convs] == strides
        assert [conv.groups for conv in convs] == [1, 4, 1]
        assert [conv.out_channels for conv in convs] == [16, 16, 32]


@pytest.mark.parametrize("norm", list(NORMS))
def test_norms(norm: str) -> None:
    """Without a norm convolutions have a bias; layer norm is one group."""
    network = Network(small(norm=norm))
    groups = {m.num_groups for m in network.modules() if isinstance(m, nn.GroupNorm)}
    batch = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
    biases = {m.bias is not None for m in network.modules() if isinstance(m, nn.Conv2d)}
    assert groups == {"group": {4}, "layer": {1}}.get(norm, set())
    assert bool(batch) == (norm == "batch")
    by_place = [m for m in network.modules() if isinstance(m, LayerNorm2d)]
    assert bool(by_place) == (norm == "layer2d")
    assert biases == {norm == "none"}


def test_weights_depend_on_the_seed_and_on_nothing_else() -> None:
    torch.manual_seed(0)
    one = Network(small(), seed=0).state_dict()
    torch.manual_seed(1)
    two, other = Network(small(), seed=0).state_dict(), Network(small(), seed=1).state_dict()
    assert all(torch.equal(one[key], two[key]) for key in one)
    weights = [key for key in one if key.endswith("weight") and one[key].dim() > 1]
    assert not any(torch.equal(one[key], other[key]) for key in weights)


def test_weights_have_the_variance_of_he_et_al() -> None:
    stage = Stage(depth=1, width=256, block=Named("basic"))
    network = Network(small(stages=(stage,), stem=Named.of("conv3x3", width=128)))
    for conv in (m for m in network.modules() if isinstance(m, nn.Conv2d)):
        expected = (2 / (conv.out_channels * conv.kernel_size[0] ** 2)) ** 0.5
        tolerance = 4 / conv.weight.numel() ** 0.5
        assert conv.weight.std().item() == pytest.approx(expected, rel=tolerance)


def test_no_two_layers_start_alike() -> None:
    stages = (Stage(depth=4, width=16),)
    weights = branch_convolutions(Network(small(stages=stages)))[1:-1]
    assert len(weights) == 8
    assert len({tuple(weight.flatten()[:4].tolist()) for weight in weights}) == 8


@pytest.mark.parametrize(("block", "order", "norm"), families(NORMS), ids=str)
def test_recomputing_blocks_changes_no_bit(block: str, order: str, norm: str) -> None:
    """Gradients and running statistics, over two steps."""
    architecture = small(block, order, norm=norm)
    plain = channels_last(Network(architecture, seed=1))
    saving = channels_last(Network(architecture, seed=1, checkpointing=True))
    for step in range(2):
        for network in (plain, saving):
            network.zero_grad()
            F.cross_entropy(network(pictures(architecture, seed=step)), labels()).backward()
        for (name, a), b in zip(plain.named_parameters(), saving.parameters(), strict=True):
            assert torch.equal(a.grad, b.grad), name
        for (name, a), b in zip(plain.named_buffers(), saving.buffers(), strict=True):
            assert torch.equal(a, b), name
    assert norm != "batch" or saving.stem[1].num_batches_tracked == 2


def test_recomputing_keeps_less() -> None:
    """Saved tensors of the forward pass: with recomputation only the blocks' inputs."""

    def kept(network: Network) -> int:
        sizes: list[int] = []

        def save(tensor: torch.Tensor) -> torch.Tensor:
            sizes.append(tensor.numel())
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(save, lambda tensor: tensor):
            network(pictures(architecture))
        return sum(sizes)

    architecture = small(stages=(Stage(depth=12, width=16),))
    assert kept(Network(architecture, checkpointing=True)) < kept(Network(architecture)) / 2


def test_eval_mode_leaves_the_network_as_it_is() -> None:
    architecture = small()
    network = Network(architecture, checkpointing=True).eval()
    before = copy.deepcopy(network.state_dict())
    with torch.no_grad():
        one = network(pictures(architecture))
        alone = network(pictures(architecture)[:1])
    assert torch.allclose(one[:1], alone, atol=1e-5)
    assert all(torch.equal(before[key], value) for key, value in network.state_dict().items())


def test_state_survives_a_round_trip(tmp_path) -> None:
    architecture = small("bottleneck", "pre_activation", "projection")
    network = Network(architecture, seed=1)
    network(pictures(architecture))
    torch.save(network.state_dict(), tmp_path / "weights.pt")
    other = Network(architecture, seed=2)
    other.load_state_dict(torch.load(tmp_path / "weights.pt", weights_only=True))
    with torch.no_grad():
        assert torch.equal(
            network.eval()(pictures(architecture)), other.eval()(pictures(architecture))
        )


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 11, 5), (2, 4, 4), (4, 33, 32)])
def test_odd_pictures(shape: tuple[int, int, int]) -> None:
    for combination in (("basic", "pre_activation", "identity", "zero_pad"), ("bottleneck",)):
        architecture = small(*combination, image_shape=shape)
        assert Network(architecture)(pictures(architecture)).shape == (6, 5)


def test_a_plain_block_is_plain() -> None:
    """`none` adds nothing: not even a block that could."""
    for block in Network(small(shortcut="none")).blocks():
        assert isinstance(block, Plain)
    for block in Network(small(shortcut="identity", transition="none")).blocks()[2::2]:
        assert isinstance(block, Plain)


def test_registries_refuse_what_they_do_not_know() -> None:
    table: Registry[int] = Registry("colour")
    table.add("red", 1)
    with pytest.raises(ValueError, match="'red' is registered twice"):
        table.add("red", 2)
    with pytest.raises(
        ValueError, match=r"unknown colour 'rad': it can be red. Did you mean 'red'"
    ):
        table["rad"]
    assert list(table) == ["red"]
    assert "rad" not in table
    own, shared = ["ratio", "groups", "stride_first"], ["dilation", "dropout", "se"]
    assert list(BLOCKS.options("bottleneck")) == own + shared
