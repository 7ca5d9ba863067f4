"""Where networks are trained: on the processor or on a GPU."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nas.common.errors import UserError
from nas.common.gpus import visible_gpus

if TYPE_CHECKING:
    import torch

#: what can be asked for; cuda:0, cuda:1 and so on too
KINDS = ("auto", "cpu", "cuda", "mps")
#: workers that share a GPU where a step of the largest network has at most so many multiply-adds in
#: its forward pass: those of a batch of 128 in ResNet-20 are half as many. Python then takes longer
#: to ask for the operations than a GPU to do them. By arithmetic: no GPU was there to measure it.
SHARING, SMALL_STEP = 4, 10**10


@dataclass(frozen=True)
class Device:
    """A kind of device, and the GPUs of it as CUDA_VISIBLE_DEVICES names them."""

    kind: str
    gpus: tuple[str, ...] = ()

    @property
    def num_gpus(self) -> int:
        """GPUs that workers share in turn."""
        return 1 if self.kind == "mps" else len(self.gpus)

    @property
    def first(self) -> str:
        """What torch calls the first of them, or the processor."""
        if not self.gpus:
            return "mps" if self.kind == "mps" else "cpu"
        return f"cuda:{visible_gpus().index(self.gpus[0])}"


def sharing(multiply_adds: int, cores: int) -> int:
    """Workers that share a GPU, where nobody says: of a step of so many multiply-adds, with so many
    cores for each GPU."""
    return max(1, min(SHARING, cores)) if multiply_adds <= SMALL_STEP else 1


def device_kind(text: str) -> str:
    """The kind that `--device` means; UserError where it means none."""
    kind, colon, number = text.partition(":")
    if kind not in KINDS or (colon and not (kind == "cuda" and number.isdecimal())):
        raise UserError(f"--device {text}: it can be auto, cpu, cuda, cuda:0 (one GPU) or mps.")
    return kind


def device_of(text: str) -> Device:
    """The device that `--device` means on this machine; UserError where it is not there."""
    kind = device_kind(text)
    if kind == "mps" and (platform.system(), platform.machine()) != ("Darwin", "arm64"):
        raise UserError("--device mps: this is no Mac with a GPU of Apple's: take auto or cpu.")
    if kind in ("cpu", "mps"):
        return Device(kind)
    gpus = visible_gpus()
    if kind == "cuda" and not gpus:
        raise UserError(f"--device {text}: there is no NVIDIA GPU to be used: take auto or cpu.")
    if text.startswith("cuda:"):
        number = int(text.removeprefix("cuda:"))
        if number >= len(gpus):
            found = f"cuda:0 to cuda:{len(gpus) - 1}" if len(gpus) > 1 else "cuda:0"
            raise UserError(f"--device {text}: there is {found}.")
        gpus = (gpus[number],)
    return Device(kind, gpus)


def sent(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    """The tensor on a device; from memory to a GPU through pinned memory, so that no step waits for
    the copy.
    """
    if tensor.device.type == "cpu" and device.type == "cuda":
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)
