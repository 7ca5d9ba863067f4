"""What a container may use of its host: limits of Linux control groups (cgroups), versions 1 and 2.

psutil reads the host's cores and memory and knows no cgroups; joblib's core count looks at the root
of the hierarchy alone. Elsewhere than on Linux there are no limits.
"""

import math
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

#: the root of the file system; tests put a made-up one in its place
ROOT = Path("/")


class _Mount(NamedTuple):
    """A mounted hierarchy, and which of its folders is mounted; version 1 has one a controller."""

    shown: str
    at: str
    version: int
    controllers: list[str]


def core_limit() -> float:
    """Processor cores this process may use by its quota of processor time; infinite without one."""
    return min((_quota(folder) for folder in _folders("cpu")), default=math.inf)


def memory_left() -> float:
    """Bytes of memory this process may take yet; infinite without a limit."""
    return min((_left(folder) for folder in _folders("memory")), default=math.inf)


def _quota(folder: Path) -> float:
    """Cores by the quota of one group."""
    if (folder / "cpu.max").exists():  # version 2: "max 100000" or "200000 100000"
        quota, _, period = _read(folder / "cpu.max").partition(" ")
    else:
        quota = _read(folder / "cpu.cfs_quota_us")
        period = _read(folder / "cpu.cfs_period_us")
    cores = _number(quota) / _number(period, 100_000.0)
    return cores if cores > 0 else math.inf  # -1: none, in version 1


def _left(folder: Path) -> float:
    """Bytes left in one group; files kept in memory are given up where it runs short."""
    if (folder / "memory.max").exists():
        limit, used = _read(folder / "memory.max"), _read(folder / "memory.current")
        kept = ("inactive_file", "active_file")
    else:
        limit, used = (_read(folder / f"memory.{key}_in_bytes") for key in ("limit", "usage"))
        kept = ("total_inactive_file", "total_active_file")
    facts = dict(line.split(" ", 1) for line in _read(folder / "memory.stat").splitlines())
    files = sum(_number(facts.get(key, "0"), 0.0) for key in kept)
    return max(0.0, _number(limit) - _number(used, 0.0) + files)


def _folders(controller: str) -> Iterator[Path]:
    """The groups this process is in, from its own up to the root: each may set a limit."""
    paths = dict(_own_paths())
    for mount in _mounts():
        if mount.version == 1 and controller not in mount.controllers:
            continue
        path = paths.get(controller if mount.version == 1 else "")
        if path is None:
            continue
        top = ROOT / mount.at.lstrip("/")
        own = PurePosixPath(path)
        inside = own.relative_to(mount.shown) if own.is_relative_to(mount.shown) else ""
        folder = top / inside
        if ".." in folder.parts:  # it was moved out of what this container sees
            folder = top
        yield folder
        while folder != top:
            folder = folder.parent
            yield folder


def _own_paths() -> Iterator[tuple[str, str]]:
    """Controller -> path of this process's group; that of version 2 is named by no text."""
    for line in _read(ROOT / "proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        for controller in controllers.split(","):
            yield controller, path


def _mounts() -> Iterator[_Mount]:
    """The mounted hierarchies: /proc/self/mountinfo, see proc(5)."""
    for line in _read(ROOT / "proc/self/mountinfo").splitlines():
        before, _, after = line.partition(" - ")
        kind, _, options = after.split(" ", 2)
        if kind in ("cgroup", "cgroup2"):
            shown, at = before.split(" ")[3:5]
            controllers = options.split(" ")[-1].split(",")
            yield _Mount(shown, at, 1 if kind == "cgroup" else 2, controllers)


def _read(file: Path) -> str:
    """A file's text; nothing of one that cannot be read."""
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, ValueError):
        return ""


def _number(text: str, missing: float = math.inf) -> float:
    """A number of a cgroup file; `max` and a file that is not there limit nothing."""
    return float(text) if text.lstrip("-").isdigit() else missing
