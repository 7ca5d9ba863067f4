"""What a command line says about workers: where a study is kept, and where and how they run."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from nas.common.paths import DATA_DIR, OUT, STORAGE

#: the address that stands for a Ray cluster of this machine alone, started now and ended with us
LOCAL = "local"


@dataclass(frozen=True, kw_only=True)
class RayCluster:
    """A Ray cluster: its address, how many workers it is to place (default: as many as fit), and
    the cores and GPUs that each of them takes."""

    address: str = LOCAL
    workers: int | None = None
    cpus: float = 1.0
    gpus: float = 0.0

    @property
    def needs(self) -> dict[str, float]:
        """What a worker takes, by Ray's names."""
        from nas.common.machine import WORKER_MEMORY

        needs = {"CPU": self.cpus, "GPU": self.gpus, "memory": float(WORKER_MEMORY)}
        return {name: number for name, number in needs.items() if number}

    def num_workers(self, resources: Mapping[str, float]) -> int:
        """Workers that fit into resources."""
        fits = (resources.get(name, 0.0) / number for name, number in self.needs.items())
        return int(min(fits) + 1e-9)


@dataclass(frozen=True, kw_only=True)
class WorkerOptions:
    """Options of every command that trains; they go from the command line to the worker pool."""

    storage: str = STORAGE
    """URL of the storage that the study is kept in."""
    workers: int | None = None
    """Worker processes of this machine; default: as many as it has room for."""
    workers_per_gpu: int | None = None
    """Workers that share a GPU, if there are GPUs; default: several where networks are small."""
    device: str = "auto"
    """Where networks are trained: auto (the GPUs, else the processor), cpu, cuda, cuda:0 or mps."""
    cluster: RayCluster | None = None
    """The Ray cluster that places the workers, in place of this machine."""
    data_dir: str | Path = DATA_DIR
    """Folder in which data sets are looked up and kept."""
    out: str | Path = OUT
    """Folder of weights, checkpoints and reports."""
    trust: bool = False
    """Allow code that the study names and the user did not name in a file."""
