"""A thousand layers train: on real pictures within 8 GiB, and with every join."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from conftest import small

from nas.model.architecture import Named, Stage, grown
from nas.model.cost import cost
from nas.model.joins import JOINS
from nas.model.network import Network

#: a step with some of the pictures of a batch; blocks are computed again, as with all of them
STEP = """
import json, resource, sys
import torch
import torch.nn.functional as F
from pathlib import Path
from nas.data import open_data
from nas.training.candidate import OPTIMIZERS
from nas.space.space import SearchSpace
from nas.space.enumeration import EnumeratingTrial
from nas.training.lightning import build_network

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

sizes = ["dataset.train_size=128", "dataset.validation_size=10"]
space = SearchSpace.load(sys.argv[1], sizes)
candidate = space.candidate(EnumeratingTrial([], lambda name, values: [(values.items[0], 1)]))
size, optimizer = candidate.training.batch_size, candidate.training.optimizer
data = open_data(candidate.dataset, data_dir=Path(sys.argv[2]), batch_size=size, seed=0)
network = build_network(candidate, candidate.cost(), 0, None)
steps = OPTIMIZERS[optimizer.name](network.parameters(), **optimizer.arguments)
pictures, labels = next(iter(data.train_dataloader()))
before, some = peak(), int(sys.argv[3])
loss = F.cross_entropy(network(pictures[:some]), labels[:some])
loss.backward()
steps.step()
print(json.dumps({
    "pictures": len(pictures),
    "layers": candidate.cost().depth,
    "checkpointing": network.checkpointing,
    "loss": loss.item(),
    "before": before,
    "step": peak() - before,
}))
"""


@pytest.mark.parametrize(("name", "layers"), [("resnet1202", 1202), ("preresnet1001", 1001)])
def test_a_thousand_layers_train_within_8_gib(name: str, layers: int) -> None:
    """At the papers' batch of 128, by a step with an eighth of it: what that takes grows at most
    with the pictures.
    """
    data_dir = os.environ.get("NAS_DATA_DIR", "")
    if not (Path(data_dir) / "cifar-10-batches-bin").is_dir():
        pytest.skip("needs real CIFAR-10 in the folder named by NAS_DATA_DIR")
    patient = os.environ | {"OMP_WAIT_POLICY": "PASSIVE"}  # the machine may have other work
    command = [sys.executable, "-c", STEP, name, data_dir, "16"]
    run = subprocess.run(command, capture_output=True, text=True, check=False, env=patient)
    assert run.returncode == 0, run.stderr
    measured = json.loads(run.stdout)
    assert measured["pictures"] == 128
    assert measured["layers"] == layers
    assert measured["checkpointing"]
    assert 0 < measured["loss"] < 100
    assert measured["before"] + 8 * measured["step"] < 8 * 2**30


@pytest.mark.parametrize("join", list(JOINS))
def test_a_thousand_layers_of_every_join_train(join: str) -> None:
    """The loss is finite and reaches every weight."""
    grows = "growth" in JOINS.options(join)
    named = Named.of(join, **JOINS.defaults(join) | ({"growth": 1} if grows else {}))
    stages, width = [], 4
    for stride in (1, 2, 2):
        usual = Stage(depth=167, width=4, stride=stride, join=named)
        stages.append(grown(replace(usual, transition="none") if grows else usual, width))
        width = stages[-1].width
    stem = Named.of("conv3x3", width=4)
    deep = small(stages=tuple(stages), stem=stem, order="pre_activation", image_shape=(3, 8, 8))
    assert cost(deep).depth > 1000
    pictures = torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    network = Network(deep, checkpointing=True)
    loss = F.cross_entropy(network(pictures), torch.arange(4))
    loss.backward()
    assert 0 < loss.item() < 100
    for name, weight in network.named_parameters():
        assert weight.grad is not None, name
