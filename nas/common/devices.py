"""Where networks are trained: on the processor or on a GPU."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nas.common.errors import UserError
from nas.common.machine import visible_gpus

if TYPE_CHECKING:
    import torch

#: what can be asked for; cuda:0, cuda:1 and so on too
KINDS = ("auto", "cpu", "cuda", "mps")


@dataclass(frozen=True)
class Device:
    """A kind of device, and the GPUs of it as CUDA_VISIBLE_DEVICES names them."""

    kind: str
    gpus: tuple[str, ...] = ()

    @property
    def num_gpus(self) -> int:
        """GPUs that workers share in turn."""
        return 1 if self.kind == "mps" else len(self.gpus)


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
