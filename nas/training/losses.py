"""What is lost on a batch, and what is right: of labels, and of targets that are numbers.

Numbers are standardised on the training rows, so that guessing their mean has a loss of 1. Their
"accuracy" is R^2, the share of their variance that is explained, and their error the rest of it.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor


def loss_of(
    outputs: Tensor, targets: Tensor, weights: Tensor | None = None, *, label_smoothing: float = 0.0
) -> Tensor:
    """Mean cross-entropy of labels, in nats; mean square of what numbers are missed by."""
    if targets.is_floating_point():
        return F.mse_loss(outputs[:, 0], targets)
    return F.cross_entropy(outputs, targets, weights, label_smoothing=label_smoothing)


def guessing(num_classes: int) -> float:
    """The number of classes of which guessing has the loss that it has here: e for numbers."""
    return math.e if num_classes == 1 else num_classes


def num_hits(outputs: Tensor, targets: Tensor) -> Tensor:
    """How many are classified rightly; of numbers by how much their squares are explained."""
    if targets.is_floating_point():
        return (1 - (outputs[:, 0] - targets).square()).sum()
    return (outputs.argmax(1) == targets).sum()


def tally(outputs: Tensor, targets: Tensor) -> Tensor:
    """What `scores` reads, to be summed over batches: `class_hits`, or `number_sums`."""
    return (number_sums if targets.is_floating_point() else class_hits)(outputs, targets)


def class_hits(logits: Tensor, labels: Tensor) -> Tensor:
    """For each class the numbers of its pictures classified wrongly and rightly: (K, 2)."""
    num_classes = logits.shape[1]
    right = (logits.argmax(1) == labels).long()
    hits = right.new_zeros(2 * num_classes)  # bincount would make a GPU wait
    return hits.scatter_add_(0, 2 * labels + right, torch.ones_like(right)).view(num_classes, 2)


def number_sums(outputs: Tensor, targets: Tensor) -> Tensor:
    """Count, sum and squares of the targets, squares and sizes of what they are missed by: (5,)."""
    y, missed = targets.double(), outputs[:, 0].double() - targets.double()
    sums = [torch.ones_like(y), y, y.square(), missed.square(), missed.abs()]
    return torch.stack([one.sum() for one in sums])


def scores(sums: Tensor, *, scale: float = 1.0) -> dict[str, float]:
    """Accuracy and balanced accuracy; of numbers R^2 and the mean absolute error, in units of the
    target where `scale` is its deviation.
    """
    if sums.dim() == 2:
        right = int(sums[:, 1].sum()) / int(sums.sum())
        return {"accuracy": right, "balanced_accuracy": balanced_accuracy(sums)}
    count, total, squares, missed, sizes = sums.tolist()
    spread = squares - total**2 / count
    r2 = 1 - missed / spread if spread > 0 else math.nan
    return {"accuracy": r2, "r2": r2, "mae": sizes / count * scale}


def balanced_accuracy(hits: Tensor) -> float:
    """Mean over the classes that have pictures of the share classified rightly, from `class_hits`
    summed over batches (Brodersen et al. 2010)."""
    hits = hits.cpu()
    counts = hits.sum(1)
    shares = hits[:, 1].double() / counts
    return float(shares[counts > 0].mean())
