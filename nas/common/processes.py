"""Names of processes: which worker of which machine, and whether it still runs."""

import contextlib
import os
import socket
from functools import cache
from pathlib import Path

import psutil

#: seconds by which two readings of a process's start may differ: the boot's is in whole seconds
SAME_START = 3.0


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


def is_alive(worker: object) -> bool:
    """Whether a worker of this machine runs. Of another machine's that cannot be told, and of what
    is no worker's name neither: both count as running, until they are silent for too long."""
    machine, pid, start = _parts(worker)
    if machine != this_machine():
        return True
    try:
        known, found = float(start), process_start(int(pid))
    except (ValueError, OverflowError):
        return False
    return found != "" and abs(float(found) - known) < SAME_START


def _parts(worker: object) -> list[str]:
    """Machine, process number and start of a worker; a study may say anything in its place."""
    parts = worker.rsplit(":", 2) if isinstance(worker, str) else []
    return parts if len(parts) == 3 else ["", "", ""]


def process_start(pid: int) -> str:
    """When a process started, in seconds since boot, which setting the clock does not change; empty
    where there is no such process."""
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return ""
        return f"{process.create_time() - psutil.boot_time():.2f}"
    except psutil.Error:
        return ""
