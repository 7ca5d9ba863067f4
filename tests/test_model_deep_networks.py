"""A thousand layers train on real pictures within 8 GiB, at the papers' batch of 128."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

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
space = SearchSpace.load(sys.argv[1], ["dataset.train_size=128", "dataset.validation_size=10"])
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


@pytest.mark.slow
@pytest.mark.parametrize(("name", "layers"), [("resnet1202", 1202), ("preresnet1001", 1001)])
def test_a_thousand_layers_train_within_8_gib(name, layers):
    data_dir = os.environ.get("NAS_DATA_DIR", "")
    if not (Path(data_dir) / "cifar-10-batches-bin").is_dir():
        pytest.skip("needs real CIFAR-10 in the folder named by NAS_DATA_DIR")
    command = [sys.executable, "-c", STEP, name, data_dir]
    patient = os.environ | {"OMP_WAIT_POLICY": "PASSIVE"}  # the machine may have other work
    run = subprocess.run(command, capture_output=True, text=True, check=False, env=patient)
    assert run.returncode == 0, run.stderr
    measured = json.loads(run.stdout)
    assert measured["layers"] == layers
    assert measured["checkpointing"]
    assert measured["pictures"] == 128
    assert 0 < measured["loss"] < 100
    assert measured["peak"] < 8 * 2**30
