"""A thousand layers train on real pictures within 8 GiB, at the papers' batch of 128."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from nas.model.joins import JOINS

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

torch.set_num_threads(2)
sizes = ["dataset.train_size=128", "dataset.validation_size=10"]
space = SearchSpace.load(sys.argv[1], sizes + sys.argv[3:])
candidate = space.candidate(EnumeratingTrial([], lambda name, values: [(values.items[0], 1)]))
size, optimizer = candidate.training.batch_size, candidate.training.optimizer
data = open_data(candidate.dataset, data_dir=Path(sys.argv[2]), batch_size=size, seed=0)
network = build_network(candidate, candidate.cost(), 0, None)
steps = OPTIMIZERS[optimizer.name](network.parameters(), **optimizer.arguments)
pictures, labels = next(iter(data.train_dataloader()))
loss = F.cross_entropy(network(pictures), labels)
loss.backward()
steps.step()
print(json.dumps({
    "pictures": len(pictures),
    "layers": candidate.cost().depth,
    "checkpointing": network.checkpointing,
    "loss": loss.item(),
    "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
}))
"""


#: stages a quarter as wide as those of preresnet1001
NARROW = [f"architecture.stages.{stage}.width={width}" for stage, width in enumerate((16, 32, 64))]
#: the same of joins that grow, which decide the widths themselves: they end as wide as these
GROWING = [f"architecture.stages.{stage}.width=null" for stage in range(3)]


def step(name: str, *settings: str) -> dict[str, Any]:
    """What one training step of a space's network took, measured in a process of its own."""
    data_dir = os.environ.get("NAS_DATA_DIR", "")
    if not (Path(data_dir) / "cifar-10-batches-bin").is_dir():
        pytest.skip("needs real CIFAR-10 in the folder named by NAS_DATA_DIR")
    command = [sys.executable, "-c", STEP, name, data_dir, *settings]
    patient = os.environ | {"OMP_WAIT_POLICY": "PASSIVE"}  # the machine may have other work
    run = subprocess.run(command, capture_output=True, text=True, check=False, env=patient)
    assert run.returncode == 0, run.stderr
    measured: dict[str, Any] = json.loads(run.stdout)
    assert measured["peak"] < 8 * 2**30
    return measured


@pytest.mark.slow
@pytest.mark.parametrize(("name", "layers"), [("resnet1202", 1202), ("preresnet1001", 1001)])
def test_a_thousand_layers_train_within_8_gib(name: str, layers: int) -> None:
    measured = step(name)
    assert measured["pictures"] == 128
    assert measured["layers"] == layers
    assert measured["checkpointing"]
    assert 0 < measured["loss"] < 100


@pytest.mark.slow
@pytest.mark.parametrize("join", list(JOINS))
def test_a_thousand_layers_of_every_join_train_within_8_gib(join: str) -> None:
    """A batch of 32: eleven steps of 128 pictures take five minutes of two cores."""
    grows = "growth" in JOINS.options(join)
    written = f"{{{join}: {{growth: 1}}}}" if grows else join
    widths = GROWING if grows else NARROW
    usual = "training.batch_size=32"
    measured = step("preresnet1001", f"architecture.join={written}", usual, *widths)
    assert measured["layers"] == 1001
    assert 0 < measured["loss"] < 100
