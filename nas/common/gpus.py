"""The NVIDIA GPUs that this process may use; torch is not loaded."""

import os
import shutil
from itertools import takewhile
from pathlib import Path

from nas.common.programs import output_of

#: a folder for each GPU; and where Windows puts its programs, which services do not have in PATH
DRIVER, WINDOWS = Path("/proc/driver/nvidia/gpus"), "/usr/lib/wsl/lib"


def visible_gpus() -> tuple[str, ...]:
    """The GPUs this process may use, as CUDA_VISIBLE_DEVICES names them."""
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
    return sum(line.startswith("GPU ") for line in output_of(program, "-L").splitlines())
