"""Digits whose loader now and then does what a candidate should not: one fault for each file."""

import os
import signal
import time
from pathlib import Path

import torch
from lightning.pytorch import LightningDataModule
from sklearn.datasets import load_digits
from torch.utils.data import DataLoader, TensorDataset


class Faulty(LightningDataModule):
    """Serves 8x8 digits. A file in `faults`, as `hang.3`, befalls one training and is used up."""

    def __init__(self, faults: str, batch_size: int = 64) -> None:
        super().__init__()
        self.faults, self.batch_size, self.is_set_up = Path(faults), batch_size, False
        digits = load_digits()
        pictures = torch.from_numpy(digits.images).float().div_(16)[:, None]
        labels = torch.from_numpy(digits.target).long()
        self.train_set = TensorDataset(pictures[:512], labels[:512])
        self.val_set = TensorDataset(pictures[512:640], labels[512:640])

    def setup(self, stage: str) -> None:
        """Let one fault happen, if one is left; a training sets up more than once."""
        if self.is_set_up:
            return
        self.is_set_up = True
        for file in sorted(self.faults.glob("*.*")):
            try:
                file.unlink()
            except FileNotFoundError:
                continue  # another worker has it
            self.happen(file.stem)
            return

    def happen(self, fault: str) -> None:
        """One fault."""
        if fault == "hang":
            time.sleep(3600)
        elif fault == "stop":
            os.kill(os.getpid(), signal.SIGSTOP)
        elif fault == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        elif fault == "memory":
            torch.empty(2**50, dtype=torch.uint8)
        elif fault == "raise":
            raise ArithmeticError("this candidate cannot be")
        elif fault == "nan":
            self.train_set.tensors[0].fill_(torch.nan)

    def train_dataloader(self) -> DataLoader:
        """Training batches."""
        return DataLoader(self.train_set, self.batch_size, shuffle=True)

    def val_dataloader(self) -> DataLoader:
        """Validation batches."""
        return DataLoader(self.val_set, self.batch_size)
