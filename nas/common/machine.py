"""What a result depends on besides its candidate: code, libraries and machine."""

import contextlib
import ctypes
import os
import platform
import shutil
import subprocess
import warnings
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from itertools import takewhile
from pathlib import Path

import psutil

from nas.common.cgroups import core_limit, memory_left
from nas.common.plugins import imported_plugins

#: bytes a worker should find free: its libraries, the pictures and a small network in training
WORKER_MEMORY = 2**30
#: a folder for each GPU; and where Windows puts its programs, which services do not have in PATH
DRIVER, WINDOWS = Path("/proc/driver/nvidia/gpus"), "/usr/lib/wsl/lib"
LIBRARIES = ("nas", "torch", "lightning", "optuna", "numpy", "scikit-learn")

# scikit-learn works with one process here anyway, not only where there is no usable /dev/shm
warnings.filterwarnings("ignore", message=".*joblib will operate in serial mode")


def provenance() -> dict[str, str]:
    """Library versions, Python, the processor's kind, the git commit where there is one, and the
    plugins that are imported, each with the start of its file's SHA-256.
    """
    plugins = ", ".join(f"{name} {digest}" for name, digest in imported_plugins().items())
    return installation() | ({"plugins": plugins} if plugins else {})


@cache
def installation() -> dict[str, str]:
    """What of it is the same as long as a process lives."""
    found = {name: library_version(name) for name in LIBRARIES}
    found["python"] = platform.python_version()
    found["platform"] = f"{platform.system()} {platform.machine()}"
    found["git_commit"] = git_commit(Path(__file__).parent) or "unknown"
    return found


def library_version(name: str) -> str:
    """The installed version of a distribution."""
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def git_commit(folder: Path) -> str | None:
    """The commit of the checkout a folder lies in, with a plus where files differ from it."""
    git = ("git", "--no-optional-locks", "-C", str(folder))
    commit = _output(*git, "describe", "--always", "--abbrev=12").strip()
    # `describe --dirty` writes the index, and killed in it leaves a lock in the user's checkout
    changed = commit and _output(*git, "status", "--porcelain", "--untracked-files=no")
    return f"{commit}{'+' if changed else ''}" or None


def _output(*command: str) -> str:
    """What a command prints; nothing where it fails or is not there."""
    try:
        run = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return ""
    return run.stdout


def num_cores() -> int:
    """Processor cores this process may use: by its affinity, and by the quota of its container."""
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    return max(1, round(min(cores, core_limit())))


def default_workers(per_gpu: int = 1, num_gpus: int | None = None) -> int:
    """Workers this machine has room for: so many for each GPU where there are some (default: those
    that are visible), else one for each core, and each with memory for itself."""
    wanted = (len(visible_gpus()) if num_gpus is None else num_gpus) * per_gpu or num_cores()
    return max(1, min(wanted, available_memory() // WORKER_MEMORY))


def visible_gpus() -> tuple[str, ...]:
    """The GPUs this process may use, as CUDA_VISIBLE_DEVICES names them; torch is not loaded."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        return tuple(map(str, range(_num_gpus())))
    names = (name.strip() for name in visible.split(","))
    return tuple(takewhile(lambda name: name not in ("", "-1"), names))  # as CUDA reads it


def _num_gpus() -> int:
    """The NVIDIA GPUs of this machine, by its driver; where /proc has none, as in the Windows
    Subsystem for Linux, by what `nvidia-smi -L` lists."""
    folders = list(DRIVER.glob("*"))
    program = shutil.which("nvidia-smi") or shutil.which("nvidia-smi", path=WINDOWS)
    if folders or program is None:
        return len(folders)
    return sum(line.startswith("GPU ") for line in _output(program, "-L").splitlines())


def memory_share(workers: int) -> int:
    """Bytes a training may take before blocks are recomputed instead of kept: its share of three
    quarters of the free memory, and never more than 6 GiB."""
    return min(available_memory() * 3 // 4 // workers, 6 * 2**30)


def use_huge_pages() -> None:
    """Have glibc ask for huge pages in processes started from now on: a tenth of a step is spent on
    looking up small ones. What the user has set stays."""
    os.environ.setdefault("GLIBC_TUNABLES", "glibc.malloc.hugetlb=1")


def return_memory() -> None:
    """Have glibc give freed blocks of 64 KiB and more back at once: kept ones double what a deep
    network takes whose blocks are recomputed. Costs page faults; elsewhere nothing happens."""
    malloc_thresholds(64 * 1024)


def keep_memory() -> None:
    """Have glibc keep freed blocks for the next step, which saves its page faults."""
    malloc_thresholds(2**30)


def malloc_thresholds(size: int) -> None:
    """From how many bytes on freed blocks, and the free end of the heap, go back to the system."""
    m_trim_threshold, m_mmap_threshold = -1, -3
    with contextlib.suppress(OSError, AttributeError):
        libc = ctypes.CDLL("libc.so.6")
        libc.mallopt(m_trim_threshold, size)
        libc.mallopt(m_mmap_threshold, size)


def available_memory() -> int:
    """Bytes of memory that could be used now, on the machine and in its container."""
    return int(min(psutil.virtual_memory().available, memory_left()))
