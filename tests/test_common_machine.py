"""How many workers a machine has room for, and on which GPUs they run."""

import os
import subprocess
from pathlib import Path

import pytest

from nas.common import gpus
from nas.common import machine as environment
from nas.common.gpus import visible_gpus
from nas.common.machine import WORKER_MEMORY, default_workers
from nas.common.provenance import git_commit


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


@pytest.fixture
def windows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where `nvidia-smi` of the Windows Subsystem for Linux would be; /proc lists no GPUs."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(gpus, "DRIVER", tmp_path / "gpus")
    monkeypatch.setattr(gpus, "WINDOWS", str(tmp_path / "lib"))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    return tmp_path


def put_program(folder: Path, script: str) -> None:
    folder.mkdir()
    (folder / "nvidia-smi").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "nvidia-smi").chmod(0o755)


def test_gpus_that_the_driver_lists(windows: Path) -> None:
    assert visible_gpus() == ()
    (windows / "gpus" / "0000:01:00.0").mkdir(parents=True)
    put_program(windows / "bin", "exit 9")
    assert visible_gpus() == ("0",)


@pytest.mark.parametrize("folder", ["bin", "lib"], ids=["in the path", "of Windows"])
@pytest.mark.parametrize(
    ("script", "gpus"),
    [
        ("echo 'GPU 0: A (UUID: GPU-1)'; echo '  MIG 1g'; echo 'GPU 1: B'", ("0", "1")),
        ("echo 'GPU access blocked by the operating system'; exit 255", ()),
        ("echo 'No devices found.'", ()),
    ],
    ids=["two", "blocked", "none"],
)
def test_where_proc_lists_no_gpus_the_drivers_program_does(
    folder: str, script: str, gpus: tuple[str, ...], windows: Path
) -> None:
    put_program(windows / folder, script)
    assert visible_gpus() == gpus


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


def test_the_commit_is_told_and_nothing_is_written_in_the_checkout(tmp_path: Path) -> None:
    """Its index is somebody's own: a process killed while it wrote it would leave a lock there."""

    def git(*words: str) -> str:
        who = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
        run = subprocess.run(
            ["git", *who, "-C", str(tmp_path), *words], capture_output=True, text=True, check=True
        )
        return run.stdout.strip()

    git("init", "-q")
    file = tmp_path / "file"
    file.write_text("one")
    git("add", "file")
    git("commit", "-qm", "one")
    commit = git("rev-parse", "--short=12", "HEAD")
    os.utime(file, (1e9, 1e9))
    index = (tmp_path / ".git" / "index").read_bytes()
    assert git_commit(tmp_path) == commit
    file.write_text("two")
    assert git_commit(tmp_path) == f"{commit}+"
    assert (tmp_path / ".git" / "index").read_bytes() == index
