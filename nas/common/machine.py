"""How many workers a machine has room for, and what of its memory they keep."""

import contextlib
import ctypes
import math
import os
import warnings

import psutil

from nas.common.cgroups import core_limit, memory_left
from nas.common.gpus import visible_gpus

#: bytes a worker should find free: its libraries, the pictures and a small network in training
WORKER_MEMORY = 2**30

# scikit-learn works with one process here anyway, not only where there is no usable /dev/shm
warnings.filterwarnings("ignore", message=".*joblib will operate in serial mode")


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


def memory_share(workers: int) -> int:
    """Bytes a training may take before blocks are recomputed instead of kept: its share of three
    quarters of the free memory, and never more than 6 GiB."""
    return min(available_memory() * 3 // 4 // workers, 6 * 2**30)


def training_memory(workers: int, num_gpus: int) -> int:
    """Bytes a training may take before blocks are recomputed instead of kept: of the machine's
    memory its share, of a GPU's three quarters of it, by the workers that share the GPU. A process
    that calls it sees its own GPU alone.
    """
    import torch

    if not num_gpus or not torch.cuda.is_available():
        return memory_share(workers)
    _, total = torch.cuda.mem_get_info()
    return total * 3 // 4 // math.ceil(workers / num_gpus)


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
