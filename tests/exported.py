"""Modules as they are exported, and whether they are the same function as the network."""

import shutil
import sys
from pathlib import Path

import pytest
import torch

from nas.export.prediction import Inputs
from nas.export.source import module_source
from nas.model.architecture import Architecture, Named, Stage
from nas.model.network import Network

TITLE = "Network found by study digits, trial 7."


FACTS = ["0.97 ± 0.01 test accuracy (n = 3 seeds)", "1,234 parameters, 5.6 M multiply-adds"]


def architecture(*stages: Stage, **choices) -> Architecture:
    """A small network; without stages given, one that keeps its shape and one that changes it."""
    defaults = {
        "image_shape": (3, 8, 8),
        "num_classes": 5,
        "stem": Named.of("conv3x3", width=8),
        "stages": stages or two_stages(),
    }
    return Architecture(**defaults | choices)


def two_stages(**choices) -> tuple[Stage, ...]:
    return Stage(depth=2, width=8, **choices), Stage(depth=2, width=16, stride=2, **choices)


def export(candidate: Architecture, inputs: Inputs | None = None) -> str:
    return module_source(candidate, title=TITLE, facts=FACTS, inputs=inputs)


def load(source: str) -> dict:
    """The names of a module."""
    namespace = {"__name__": "best"}
    exec(compile(source, "best.py", "exec"), namespace)
    return namespace


def scrambled(network: Network) -> Network:
    """The network with random numbers in every weight, bias and running statistic."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for tensor in network.state_dict().values():
            if tensor.is_floating_point():
                tensor.mul_(0.5).add_(0.1 * torch.rand(tensor.shape, generator=generator))
    return network


def assert_same_function(candidate: Architecture) -> None:
    """Equal outputs, gradients and running statistics, to the last bit."""
    trained = scrambled(Network(candidate))
    exported = load(export(candidate))["Network"]()
    exported.load_state_dict(trained.state_dict(), strict=True)
    pictures = torch.randn(2, *candidate.image_shape, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        assert torch.equal(exported.eval()(pictures), trained.eval()(pictures))
    results = [network.train()(pictures) for network in (exported, trained)]
    assert torch.equal(*results)
    for result in results:
        result.square().sum().backward()
    pairs = zip(exported.named_parameters(), trained.named_parameters(), strict=True)
    for (name, mine), (same_name, theirs) in pairs:
        assert name == same_name
        assert torch.equal(mine.grad, theirs.grad), name
    theirs = trained.state_dict()
    assert all(torch.equal(tensor, theirs[name]) for name, tensor in exported.state_dict().items())


def ruff() -> str:
    beside = Path(sys.executable).with_name("ruff")
    found = shutil.which("ruff") or (str(beside) if beside.exists() else None)
    if found is None:
        pytest.skip("ruff is not installed")
    return found
