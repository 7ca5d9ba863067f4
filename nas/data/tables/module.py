"""The rows of a table as Lightning takes them: in memory, and cut into batches as pictures are."""

from pathlib import Path

import torch
from torch import Tensor

from nas.common.text import counted
from nas.data.batches import Batches
from nas.data.catalog import Dataset
from nas.data.module import ImageData
from nas.data.resident import Resident
from nas.data.tables.prepare import Prepared, prepared


class TableData(ImageData):
    """Rows with their features as channels of one pixel, (N, F, 1, 1); a target that is a number is
    standardised.

    All is fitted on the training rows alone, also where validation rows are trained on.
    """

    def __init__(
        self,
        dataset: Dataset,
        *,
        data_dir: Path,
        batch_size: int,
        seed: int,
        train_on_validation: bool = False,
        device: str | torch.device = "cpu",
    ) -> None:
        self._start(dataset, data_dir=data_dir, batch_size=batch_size, seed=seed, device=device)
        table = prepared(dataset)
        self.encoding, self.notes = table.encoding, (told(table), *table.notes)
        pixels = torch.from_numpy(table.features)[..., None, None].to(device)
        self._pool = self._held = Resident(
            pixels, torch.from_numpy(table.targets).to(device), table.classes
        )
        self.classes, self.num_classes = table.classes, max(1, len(table.classes))
        self.image_shape = (pixels.shape[1], 1, 1)
        self._train, self._validation, self._test = (
            torch.from_numpy(table.rows[split]).to(device)
            for split in ("train", "validation", "test")
        )
        self.target_scale = table.encoding.target[1] if table.encoding.target else 1.0
        self._outside_test = len(self._train) + len(self._validation)
        if train_on_validation:
            self._train_on_validation()
        self.mean, self.std = (0.0,) * pixels.shape[1], (1.0,) * pixels.shape[1]

    @property
    def num_outside_test(self) -> int:
        """Rows of the training and of the validation split."""
        return self._outside_test

    def test_dataloader(self) -> Batches:
        """The whole test split."""
        return self._batches(self._pool, self._test)

    def class_counts(self, split: str) -> list[int]:
        """Rows of each class in a split; all of them where the target is a number."""
        rows: Tensor = {"train": self._train, "validation": self._validation, "test": self._test}[
            split
        ]
        if not self.classes:
            return [len(rows)]
        return self._pool.labels[rows].bincount(minlength=self.num_classes).tolist()


def told(table: Prepared) -> str:
    """What the rows have become, in a sentence."""
    encoding = table.encoding
    kinds = counted(len(encoding.numbers), "column") + " of numbers"
    if encoding.categories:
        kinds += f" and {len(encoding.categories)} of words"
    goal = f"one of {len(table.classes)} classes" if table.classes else "a number"
    return f"Features: {encoding.num_features}, from {kinds}; to be predicted is {goal}."
