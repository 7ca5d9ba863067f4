"""--device: what it can be, and a sentence where the device is not there."""

import platform
from pathlib import Path

import pytest
import torch
from conftest import TINY, Run

from nas.common import machine
from nas.common.devices import SMALL_STEP, Device, device_of, sharing
from nas.common.errors import UserError
from nas.common.machine import memory_share, num_cores, training_memory
from nas.search import session as session_module
from nas.search.options import RayCluster, WorkerOptions
from nas.search.session import Session
from nas.search.study import create_study
from nas.space.space import SearchSpace
from nas.training.lightning import accelerator_of


@pytest.mark.parametrize(
    ("text", "visible", "found"),
    [
        ("auto", "", Device("auto")),
        ("auto", "3,5", Device("auto", ("3", "5"))),
        ("cpu", "3,5", Device("cpu")),
        ("cuda", "3,5", Device("cuda", ("3", "5"))),
        ("cuda:1", "3,5", Device("cuda", ("5",))),
    ],
)
def test_what_a_device_means(
    text: str, visible: str, found: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert device_of(text) == found


def test_what_torch_calls_the_first_of_a_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5")
    found = [device_of(text).first for text in ("auto", "cuda:1", "cpu")]
    assert [*found, Device("mps").first] == ["cuda:0", "cuda:1", "cpu", "mps"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert device_of("auto").first == "cpu"


def test_small_networks_share_a_gpu_as_far_as_there_are_cores() -> None:
    assert [sharing(SMALL_STEP, cores) for cores in (0, 1, 3, 64)] == [1, 1, 3, 4]
    assert sharing(SMALL_STEP + 1, 64) == 1


@pytest.mark.parametrize(
    ("text", "visible", "told"),
    [
        ("cuda", "", "--device cuda: there is no NVIDIA GPU to be used: take auto or cpu."),
        ("cuda:2", "3,5", "--device cuda:2: there is cuda:0 to cuda:1."),
        ("cuda:1", "3", "--device cuda:1: there is cuda:0."),
        ("gpu", "", "--device gpu: it can be auto, cpu, cuda, cuda:0 .one GPU. or mps."),
        ("cpu:0", "", "--device cpu:0: it can be"),
        ("cuda:x", "", "--device cuda:x: it can be"),
        ("mps", "", "--device mps: this is no Mac"),
    ],
)
def test_what_is_not_there_is_told(
    text: str, visible: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    monkeypatch.setattr(platform, "system", lambda: "Linux")
    with pytest.raises(UserError, match=told):
        device_of(text)


@pytest.mark.parametrize("there", [True, False])
def test_what_torch_is_asked_for(there: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: there)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: there)
    assert accelerator_of("cpu") == "cpu"
    assert accelerator_of("auto") == ("cuda" if there else "cpu")
    for device in ("cuda", "mps"):
        if there:
            assert accelerator_of(device) == device
        else:
            with pytest.raises(UserError, match=f"--device {device}: torch finds none here"):
                accelerator_of(device)


@pytest.mark.parametrize(
    ("workers", "gpus", "share"), [(1, 1, 60), (4, 1, 15), (4, 2, 30), (3, 2, 30)]
)
def test_blocks_are_recomputed_by_the_memory_of_the_gpu(
    workers: int, gpus: int, share: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """80 GiB, of which 10 are free: other workers may have taken theirs."""
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (10 * 2**30, 80 * 2**30))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert training_memory(workers, gpus) == share * 2**30
    assert training_memory(workers, 0) == pytest.approx(memory_share(workers), rel=0.2)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert training_memory(workers, gpus) == pytest.approx(memory_share(workers), rel=0.2)


def test_workers_are_as_many_as_the_device_has_room_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1,2")
    space = SearchSpace.from_yaml(TINY, ["search.workers=null"])

    def spec(**options: object) -> tuple[int, tuple[str, ...], str]:
        url = f"sqlite:///{tmp_path}/nas.db"
        session = Session(WorkerOptions(storage=url, out=tmp_path, **options), create=True)  # type: ignore[arg-type]
        study = create_study(session.storage, space.name, space)
        found = session.worker_spec(study, space, study, frozenset())
        return found.num_workers, found.gpus, found.device

    assert spec(device="cpu")[1:] == ((), "cpu")
    assert spec(device="cpu")[0] <= num_cores()
    assert spec(device="cuda:2", workers_per_gpu=2)[1:] == (("2",), "cuda")
    monkeypatch.setattr(session_module, "num_cores", lambda: 12)
    monkeypatch.setattr(machine, "available_memory", lambda: 2**40)
    assert spec(device="cuda")[0] == 12, "three GPUs with four cores for each"
    assert spec(device="cuda", workers_per_gpu=1)[0] == 3
    assert spec(device="cuda", workers=5)[0] == 5
    large = ["name=large", "architecture.stages=[{width: 2048}]"]
    space = SearchSpace.from_yaml(TINY, ["search.workers=null", *large])
    assert spec(device="cuda")[0] == 3
    assert spec(device="cuda", cluster=RayCluster())[1:] == ((), "cuda"), "the cluster has them"


@pytest.mark.parametrize("verb", ["search tiny.yaml", "worker", "payoff", "export"])
def test_every_verb_that_trains_has_it(verb: str, after: Path, nas: Run) -> None:
    status, _, errors = nas(*verb.split(), "--device", "cuda:77")
    assert status == 2
    assert "--device cuda:77: there is" in errors
