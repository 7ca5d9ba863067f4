"""Names of processes: which worker of which machine, and whether it still runs."""

import contextlib
import os
import socket
from functools import cache
from pathlib import Path


def this_worker() -> str:
    """The name of this process as a worker."""
    return worker_name(os.getpid())


def worker_name(pid: int) -> str:
    """machine:pid:start of a process of this machine."""
    return f"{this_machine()}:{pid}:{process_start(pid)}"


@cache
def this_machine() -> str:
    """The host's name, its boot and its process numbers: containers may share the first two."""
    parts = [socket.gethostname()]
    with contextlib.suppress(OSError):
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8")[:8])
        parts.append(str(os.stat("/proc/self/ns/pid").st_ino))
    return "/".join(parts)


def is_alive(worker: str) -> bool:
    """Whether a worker of this machine runs; of another one that cannot be told: it counts as
    running."""
    machine, pid, start = worker.rsplit(":", 2)
    return machine != this_machine() or process_start(int(pid)) == start


def process_start(pid: int) -> str:
    """When a process started, in clock ticks since boot; empty where there is no such process."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] == "Z" else fields[19]
