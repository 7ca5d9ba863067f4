"""What a container may use, read from made-up control groups and from real ones."""

import math
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from nas.common import cgroups, machine
from nas.common.cgroups import core_limit, memory_left

GIB = 2**30
#: mounts as in /proc/self/mountinfo: path shown, path of the mount, and what it is
V2 = "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw\n"
V1 = (
    "33 31 0:29 {shown} /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
    "34 31 0:33 {shown} /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory\n"
    "35 31 0:34 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd\n"
)
DISK = "27 1 254:0 / / rw,relatime - ext4 /dev/vda rw\n"


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The root of a made-up file system."""
    monkeypatch.setattr(cgroups, "ROOT", tmp_path)
    return tmp_path


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text + "\n")


def test_without_cgroups_nothing_is_limited(root: Path) -> None:
    assert core_limit() == memory_left() == math.inf
    write(root, {"proc/self/cgroup": "0::/", "proc/self/mountinfo": DISK})
    assert core_limit() == memory_left() == math.inf


def test_version_2_in_its_own_namespace(root: Path) -> None:
    """As in a container of Docker or Kubernetes today: its group is its root."""
    group = "sys/fs/cgroup"
    write(
        root,
        {
            "proc/self/cgroup": "0::/",
            "proc/self/mountinfo": DISK + V2,
            f"{group}/cpu.max": "250000 100000",
            f"{group}/memory.max": str(4 * GIB),
            f"{group}/memory.current": str(3 * GIB),
            f"{group}/memory.stat": f"anon {2 * GIB}\ninactive_file {GIB // 2}\nactive_file 0",
        },
    )
    assert core_limit() == 2.5
    assert memory_left() == 1.5 * GIB


def test_version_2_the_narrowest_group_counts(root: Path) -> None:
    """A service within a slice: each may set a limit; the root has no such files."""
    slice_, service = "sys/fs/cgroup/user.slice", "sys/fs/cgroup/user.slice/a.service"
    write(
        root,
        {
            "proc/self/cgroup": "0::/user.slice/a.service",
            "proc/self/mountinfo": V2,
            f"{slice_}/cpu.max": "150000 50000",
            f"{slice_}/memory.max": str(2 * GIB),
            f"{slice_}/memory.current": str(GIB),
            f"{service}/cpu.max": "max 100000",
            f"{service}/memory.max": "max",
            f"{service}/memory.current": "5",
        },
    )
    assert core_limit() == 3
    assert memory_left() == GIB


@pytest.mark.parametrize(
    ("shown", "path", "folder"),
    [
        ("/", "/docker/8a", "docker/8a/"),
        ("/docker/8a", "/docker/8a", ""),
        ("/docker/8a", "/docker/8a/inner", "inner/"),
        ("/", "/../other", ""),
    ],
    ids=["host", "container", "inside", "moved"],
)
def test_version_1_where_its_group_is_mounted(
    shown: str, path: str, folder: str, root: Path
) -> None:
    cpu, memory = f"sys/fs/cgroup/cpu,cpuacct/{folder}", f"sys/fs/cgroup/memory/{folder}"
    write(
        root,
        {
            "proc/self/cgroup": f"4:memory:{path}\n2:cpu,cpuacct:{path}\n1:name=systemd:/\n0::/",
            "proc/self/mountinfo": DISK + V1.format(shown=shown),
            f"{cpu}cpu.cfs_quota_us": "200000",
            f"{cpu}cpu.cfs_period_us": "100000",
            f"{memory}memory.limit_in_bytes": str(GIB),
            f"{memory}memory.usage_in_bytes": str(GIB),
            f"{memory}memory.stat": "inactive_file 7\ntotal_inactive_file 3\ntotal_active_file 4",
        },
    )
    assert core_limit() == 2
    assert memory_left() == 7


def test_version_1_without_limits(root: Path) -> None:
    write(
        root,
        {
            "proc/self/cgroup": "4:memory:/\n2:cpu,cpuacct:/",
            "proc/self/mountinfo": V1.format(shown="/"),
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "-1",
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712",
        },
    )
    assert core_limit() == math.inf
    assert memory_left() > 2**62


def test_a_container_of_2_cores_and_4_gib_on_a_large_host_starts_two_workers(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: range(64), raising=False)
    large = psutil.virtual_memory()._replace(available=250 * GIB)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: large)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert machine.default_workers() == 64
    group = "sys/fs/cgroup"
    limits = {
        "proc/self/cgroup": "0::/",
        "proc/self/mountinfo": V2,
        f"{group}/cpu.max": "200000 100000",
        f"{group}/memory.max": str(4 * GIB),
        f"{group}/memory.current": str(GIB // 4),
    }
    write(root, limits)
    assert machine.num_cores() == 2
    assert machine.available_memory() == 3.75 * GIB
    assert machine.default_workers() == 2
    write(root, {f"{group}/cpu.max": "1600000 100000"})
    assert machine.default_workers() == 3, "one for each GiB"
    write(root, {f"{group}/cpu.max": "50000 100000"})
    assert machine.default_workers() == 1


# Real groups: made inside the one of this process, and removed again.


@pytest.fixture
def group() -> Iterator[dict[str, Path]]:
    """Controller -> a new group for it."""
    made = {}
    for controller in ("cpu", "memory"):
        parent = next(cgroups._folders(controller), None)
        folder = parent / f"nas-test-{os.getpid()}" if parent else None
        try:
            if folder is None:
                raise OSError
            folder.mkdir()
            made[controller] = folder
            files = {file.name for file in folder.iterdir()}
            if not files & {"cpu.max", "cpu.cfs_quota_us", "memory.max", "memory.limit_in_bytes"}:
                raise OSError
        except OSError:
            for folder in made.values():
                folder.rmdir()
            pytest.skip(f"no group of the controller {controller} can be made here")
    yield made
    for folder in set(made.values()):
        with suppress(OSError):
            folder.rmdir()


def limit(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        if (folder / name).exists():
            (folder / name).write_text(text)


def test_a_process_in_a_real_group_sees_its_limits(group: dict[str, Path]) -> None:
    limit(group["cpu"], {"cpu.max": "100000 100000", "cpu.cfs_quota_us": "100000"})
    limit(group["memory"], {key: str(GIB) for key in ("memory.max", "memory.limit_in_bytes")})
    script = (
        "from nas.common.machine import available_memory, default_workers, num_cores\n"
        "print(num_cores(), available_memory(), default_workers())"
    )
    enter = "".join(f"echo $$ > {folder}/cgroup.procs; " for folder in group.values())
    run = subprocess.run(
        ["sh", "-c", f'{enter} exec "$0" -c "$1"', sys.executable, script],
        env=os.environ | {"CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    cores, memory, workers = map(int, run.stdout.split())
    assert (cores, workers) == (1, 1)
    assert GIB // 2 < memory < GIB
