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
from pathlib import Path
from nas.space import SearchSpace
from nas.space.branches import Walker
from nas.training import train

torch.set_num_threads(2)
settings = ["dataset.train_size=128", "dataset.validation_size=10", "training.epochs=1"]
space = SearchSpace.load(sys.argv[1], settings)
candidate = space.candidate(Walker([], lambda name, values: [(values.items[0], 1)]))
trained = train(candidate, seed=0, data_dir=Path(sys.argv[2]))
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
print(json.dumps({
    "batch_size": candidate.training.batch_size,
    "layers": trained.result.depth,
    "checkpointing": trained.network.checkpointing,
    "loss": trained.result.losses[0][1],
    "peak": peak,
}))
"""


@pytest.mark.slow
@pytest.mark.parametrize(("name", "layers"), [("resnet1202", 1202), ("preresnet1001", 1001)])
def test_a_thousand_layers_train_within_8_gib(name, layers):
    data_dir = os.environ.get("NAS_DATA_DIR", "")
    if not (Path(data_dir) / "cifar-10-batches-bin").is_dir():
        pytest.skip("needs real CIFAR-10 in the folder named by NAS_DATA_DIR")
    command = [sys.executable, "-c", STEP, name, data_dir]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    measured = json.loads(run.stdout)
    assert measured["layers"] == layers
    assert measured["checkpointing"]
    assert measured["batch_size"] == 128
    assert 0 < measured["loss"] < 100
    assert measured["peak"] < 8 * 2**30
