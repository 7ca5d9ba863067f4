"""Convolutions are right on this processor, with the kernels of AVX2 as well as with its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from conftest import COMBINATIONS, small
from convolutions import NETWORK
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from nas.export.source import module_source
from nas.model.architecture import Architecture, Named, Stage
from nas.model.blocks import BLOCKS, BlockType, conv
from nas.model.network import Network, build_op, channels_last

#: what oneDNN may use: all that the processor has, and AVX2 alone
KERNELS = ("DEFAULT", "AVX2")
NARROW = """
name: narrow
dataset: {name: digits, train_size: 100, validation_size: 50}
architecture:
  stem: {conv3x3: {width: 2}}
  transition: projection
  block: [basic, {bottleneck: {ratio: 1.0, stride_first: true}}]
  stages:
    - {depth: 1, width: 2, shortcut: projection}
    - {depth: 1, width: 4, stride: 2, shortcut: projection}
    - {depth: 1, width: 6, stride: 2, shortcut: projection}
training: {epochs: 1, batch_size: 32}
search: {trials: 2, sampler: grid, pruner: none, workers: 1, probes: false}
"""


def with_kernels(kernels: str, *command: str | Path, **options) -> subprocess.CompletedProcess:
    """Run a command whose convolutions use those kernels."""
    environment = os.environ | {"ONEDNN_MAX_CPU_ISA": kernels}
    return subprocess.run(
        command,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        **options,
    )


@pytest.mark.parametrize("kernels", KERNELS)
def test_output_and_gradients_of_every_convolution_are_those_of_float64(kernels: str) -> None:
    done = with_kernels(kernels, sys.executable, Path(__file__).with_name("convolutions.py"))
    *wrong, counted = done.stdout.splitlines() or [done.stderr]
    assert wrong == []
    assert int(counted.split()[0]) > 2000, done.stderr


def test_a_search_of_narrow_networks_with_projections_ends_well(tmp_path: Path) -> None:
    (tmp_path / "narrow.yaml").write_text(NARROW)
    nas = Path(sys.executable).with_name("nas")
    done = with_kernels("AVX2", nas, "search", "narrow.yaml", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "  2 trials: " in done.stdout, done.stdout


class Convolutions(TorchDispatchMode):
    """Keeps kernel and stride of every convolution that torch is asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[tuple[int, int]] = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func in (
            torch.ops.aten.convolution.default,
            torch.ops.aten.convolution_backward.default,
        ):
            backward = func is torch.ops.aten.convolution_backward.default
            weight, stride = (args[2], args[4]) if backward else (args[1], args[3])
            self.seen.add((weight.shape[-1], stride[0]))
        return func(*args, **(kwargs or {}))


def asked_for(network: nn.Module, architecture: Architecture) -> set[tuple[int, int]]:
    """Kernel and stride of the convolutions of a step."""
    with Convolutions() as convolutions:
        network(torch.randn(2, *architecture.image_shape)).square().sum().backward()
    return convolutions.seen


def exported(architecture: Architecture) -> nn.Module:
    """The network of the exported module."""
    names: dict = {"__name__": "best"}
    exec(module_source(architecture, title="A network.", facts=[]), names)
    return names["Network"]()


def strided_first(in_channels, out_channels, stride):
    """A block type as somebody may register it."""
    return conv(in_channels, out_channels, 1, stride), conv(out_channels, out_channels, 1)


CASES = {
    **{"-".join(parts): small(*parts) for parts in COMBINATIONS},
    "stride-first": small(
        stages=(
            Stage(depth=1, width=16, block=Named.of("bottleneck", stride_first=True)),
            Stage(depth=1, width=32, stride=3, block=Named.of("bottleneck", stride_first=True)),
        )
    ),
    "registered": small(stages=(Stage(depth=2, width=24, stride=2, block=Named("strided_first")),)),
}


@pytest.mark.parametrize("name", CASES)
def test_no_strided_1x1_convolution_reaches_the_kernels(name: str, monkeypatch) -> None:
    monkeypatch.setitem(BLOCKS._parts, "strided_first", BlockType(function=strided_first))
    architecture = CASES[name]
    for network in (channels_last(Network(architecture)), exported(architecture)):
        seen = asked_for(network, architecture)
        assert (3, 1) in seen
        assert {stride for kernel, stride in seen if kernel == 1} <= {1}


@pytest.mark.parametrize("groups", [1, 4])
@pytest.mark.parametrize("size", [(8, 8), (7, 9), (1, 2), (3, 1)], ids=str)
@pytest.mark.parametrize("stride", [2, 3])
def test_a_strided_1x1_convolution_is_that_of_torch(stride: int, size, groups: int) -> None:
    """Its function, its numbers and the names of its weights."""
    ours = build_op(NETWORK, conv(4, 12, 1, stride, groups), first=True)
    torchs = nn.Conv2d(4, 12, 1, stride, groups=groups, bias=False)
    torchs.load_state_dict(ours.state_dict(), strict=True)
    assert repr(ours) == repr(torchs).replace("Conv2d", "StridedPointwise")
    x = torch.randn(5, 4, *size)
    assert torch.allclose(ours(x), torchs(x), atol=1e-6)
