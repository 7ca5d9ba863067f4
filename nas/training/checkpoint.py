"""The state of a training after an epoch, in a file from which it goes on to the same end.

The file is a header, the SHA-256 of what follows, and what torch.save wrote: torch checks no sums,
and a flipped bit in a weight would go unseen. The schedule of the learning rate and the batches
follow from the candidate, the seed and the epoch, so a training may rest at any epoch and be
taken up later, in another process.
"""

import hashlib
import io
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from lightning.pytorch import Callback, Trainer, callbacks

from nas.common.errors import NasWarning
from nas.common.files import remove_parts, replacing

#: least seconds between two savings, and between the start of a training and the first
CHECKPOINT_SECONDS = 15.0
#: ends with the number of the format, which changes with what `Resuming.state` returns
HEADER = b"nas checkpoint 1\n"


class Checkpoint:
    """A file for the state of one training; without a path nothing is saved and none is found.

    `belongs` tells the training from others: a file that has it otherwise, or was written without
    one of the `probes`, is not used. Troubles with the file are warnings, as a training can do
    without it.
    """

    def __init__(
        self, path: Path | None, belongs: dict[str, Any], probes: Sequence[str] = ()
    ) -> None:
        self.path, self.belongs, self.probes = path, belongs, list(probes)
        self.last = time.monotonic()
        self.troubled = False

    def load(self) -> dict[str, Any] | None:
        """The state in the file; None where there is no file, or one that is of no use."""
        try:
            return self._read() if self.path else None
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            warnings.warn(
                f"The checkpoint {self.path} is not used, and the training starts anew: {error}.",
                NasWarning,
                stacklevel=3,
            )
            return None

    def _read(self) -> dict[str, Any]:
        assert self.path is not None
        remove_parts(self.path)
        found = unpacked(self.path.read_bytes())
        taken = found["belongs"].pop("probes")
        if found["belongs"] != self.belongs or not set(self.probes) <= set(taken):
            raise ValueError("it belongs to another training")
        return found["state"]

    def is_due(self) -> bool:
        """Whether it is time to save."""
        return self.path is not None and time.monotonic() - self.last >= CHECKPOINT_SECONDS

    def save(self, state: dict[str, Any]) -> bool:
        """Replace the file as a whole or not at all, and say which; a full disk is no reason to
        stop training."""
        if self.path is None:
            return False
        belongs = self.belongs | {"probes": self.probes}
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with replacing(self.path) as file:
                file.write(packed({"belongs": belongs, "state": state}))
        except OSError as error:
            self._not_saved(error)
            return False
        finally:
            self.last = time.monotonic()
        return True

    def _not_saved(self, error: OSError) -> None:
        if not self.troubled:
            warnings.warn(
                f"The checkpoint {self.path} cannot be saved, and the training goes on without: "
                f"{error}.",
                NasWarning,
                stacklevel=3,
            )
        self.troubled = True


def packed(content: dict[str, Any]) -> bytes:
    """The bytes of a file."""
    buffer = io.BytesIO()
    torch.save(content, buffer)
    body = buffer.getvalue()
    return HEADER + hashlib.sha256(body).digest() + body


def unpacked(data: bytes) -> dict[str, Any]:
    """What was packed; ValueError where the bytes are not as they were written."""
    start = len(HEADER) + hashlib.sha256().digest_size
    body = data[start:]
    if data[:start] != HEADER + hashlib.sha256(body).digest():
        raise ValueError("it is damaged, or of another version")
    try:
        return torch.load(io.BytesIO(body), map_location="cpu", weights_only=True)
    except UnpicklingError as error:  # what a callback keeps
        raise ValueError("it holds more than numbers, text and tensors") from error


class Resuming(Callback):
    """Puts a saved state back before the first step, and saves the state after epochs.

    Nothing is saved where the training ends, unless it is paused there: what ended it is decided
    anew after a crash.
    """

    def __init__(self, checkpoint: Checkpoint, monitor: Any, probes: Any | None) -> None:
        self.checkpoint, self.monitor, self.probes = checkpoint, monitor, probes
        self.watching: Sequence[Callback] = ()  # callbacks of the user's own, with their states
        self.found = checkpoint.load()
        self.start = time.perf_counter()
        if self.found:
            self.start -= self.found["seconds"]
            monitor.curve = self.found["curve"]
            if probes:
                probes.readings = self.found["readings"]

    def on_train_start(self, trainer: Trainer, module: Any) -> None:
        """Weights, statistics, momentum, losses and random numbers, as they were."""
        if self.found is None:
            return
        module.network.load_state_dict(self.found["network"])
        module.losses = list(self.found["losses"].to(module.device))
        if module.average:
            module.average.restore(self.found["average"])
        trainer.optimizers[0].load_state_dict(self.found["optimizer"])
        if module.precision.scaler:
            module.precision.scaler.load_state_dict(self.found["scaler"])
        for one, state in zip(self.watching, self.found.get("watching", ()), strict=False):
            one.load_state_dict(state)
        torch.set_rng_state(self.found["random"])
        torch.cuda.set_rng_state_all(self.found["random_cuda"])
        self.found = None
        # a training that was killed before its pause was written to the storage pauses now
        self.monitor.paused = trainer.should_stop = self.monitor.pause_after(self.monitor.curve[-1])

    def after_epoch(self, trainer: Trainer, module: Any) -> None:
        """Save what is due. A training whose state cannot be saved is not paused."""
        if self.monitor.paused:
            self.monitor.paused = trainer.should_stop = self.checkpoint.save(
                self.state(trainer, module)
            )
        elif (
            not trainer.should_stop
            and not self.monitor.is_last(module)
            and self.checkpoint.is_due()
        ):
            self.checkpoint.save(self.state(trainer, module))

    def seconds(self) -> float:
        """Spent on the training so far, in this process and in those before."""
        return time.perf_counter() - self.start

    def state(self, trainer: Trainer, module: Any) -> dict[str, Any]:
        """All that the rest of the training depends on, and all that is told of it at the end."""
        own = {"average": module.average.kept} if module.average else {}
        if module.precision.scaler:
            own["scaler"] = module.precision.scaler.state_dict()
        if self.watching:
            own["watching"] = [one.state_dict() for one in self.watching]
        return own | {
            "curve": self.monitor.curve,
            "losses": torch.stack(module.losses),
            "readings": self.probes.readings if self.probes else {},
            "seconds": self.seconds(),
            "network": module.network.state_dict(),
            "optimizer": trainer.optimizers[0].state_dict(),
            "random": torch.get_rng_state(),
            "random_cuda": torch.cuda.get_rng_state_all(),
        }


class Saving(Callback):
    """Saves the state at the end of an epoch."""

    def __init__(self, resuming: Resuming) -> None:
        self.resuming = resuming

    def on_train_epoch_end(self, trainer: Trainer, module: Any) -> None:
        """Runs after the epoch was recorded, and after it was asked whether to go on."""
        self.resuming.after_epoch(trainer, module)


class SavingLast(Saving, callbacks.Checkpoint):
    """The same beside callbacks of the user's own: Lightning lets those of this kind run last, when
    others, as EarlyStopping, have seen the epoch.
    """
