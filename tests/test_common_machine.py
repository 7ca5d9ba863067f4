"""How many workers a machine has room for, and on which GPUs they run."""

import pytest

from nas.common import machine as environment
from nas.common.machine import WORKER_MEMORY, default_workers, visible_gpus


@pytest.mark.parametrize(
    ("variable", "names"),
    [
        ("", ()),
        ("0,2", ("0", "2")),
        ("GPU-8a, MIG-41", ("GPU-8a", "MIG-41")),
        ("1,-1,0", ("1",)),
    ],
)
def test_gpus_are_named_as_cuda_reads_the_variable(
    variable: str, names: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", variable)
    assert visible_gpus() == names


@pytest.mark.parametrize(
    ("gpus", "per_gpu", "memory", "workers"),
    [
        ("", 1, 100, 6),
        ("", 3, 100, 6),
        ("0,1", 1, 100, 2),
        ("0,1", 3, 100, 6),
        ("0,1,2,3", 4, 10, 10),
        ("", 1, 4, 4),
        ("", 1, 0, 1),
    ],
)
def test_workers_by_gpus_or_cores_within_memory(
    gpus: str, per_gpu: int, memory: int, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a machine of six cores; memory counts workers."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", gpus)
    monkeypatch.setattr(environment, "num_cores", lambda: 6)
    monkeypatch.setattr(environment, "available_memory", lambda: memory * WORKER_MEMORY)
    assert default_workers(per_gpu) == workers
