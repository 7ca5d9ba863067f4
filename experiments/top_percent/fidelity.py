"""What foretells the end: rank correlations of the epochs with the last validation accuracy.

    python -m experiments.top_percent.fidelity

Both are told of one training (the epochs of seed 0 and its own end) and, as that flatters the
late epochs, of two: the epochs of one seed and the end that the same architecture has from the
other seed. Whoever picks an architecture wants the second.
"""

from collections.abc import Callable

import numpy as np
from scipy.stats import spearmanr

from experiments.top_percent.table import rows

EPOCHS = (1, 2, 4, 8, 12, 16)

Signal = Callable[[np.ndarray, np.ndarray, int], np.ndarray]
#: what is known after an epoch, from accuracies and losses by architecture and epoch
SIGNALS: dict[str, Signal] = {
    "validation accuracy": lambda accuracy, loss, epoch: accuracy[:, epoch - 1],
    "training loss of the epoch": lambda accuracy, loss, epoch: -loss[:, epoch - 1],
    "sum of training losses": lambda accuracy, loss, epoch: -loss[:, :epoch].sum(axis=1),
}


def curves(seed: int, hashes: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Validation accuracy and training loss by architecture and epoch."""
    known = {row["hash"]: row for row in rows(seed)}
    columns = ("val_accuracy", "train_loss")
    accuracy, loss = (np.array([known[one][key] for one in hashes]) for key in columns)
    return accuracy, loss


def table(title: str, seed: int, end: np.ndarray, hashes: list[str]) -> None:
    """Print one line for each epoch."""
    print(f"\n{title}, {len(hashes)} architectures\n")
    print("| epoch | " + " | ".join(SIGNALS) + " |\n|" + "---|" * (len(SIGNALS) + 1))
    accuracy, loss = curves(seed, hashes)
    for epoch in EPOCHS:
        found = (signal(accuracy, loss, epoch) for signal in SIGNALS.values())
        ranks = [float(spearmanr(one, end).statistic) for one in found]
        print(f"| {epoch} | " + " | ".join(f"{rank:.2f}" for rank in ranks) + " |")


def main() -> None:
    """The end of the same training, then that of the other seed."""
    ends = {seed: {row["hash"]: row["val_accuracy"][-1] for row in rows(seed)} for seed in (0, 1)}
    for seed in (0, 1):
        hashes = sorted(ends[seed])
        end = np.array([ends[seed][one] for one in hashes])
        table(f"Epochs of seed {seed}, its own end", seed, end, hashes)
    both = sorted(set(ends[0]) & set(ends[1]))
    for seed, other in ((0, 1), (1, 0)):
        end = np.array([ends[other][one] for one in both])
        table(f"Epochs of seed {seed}, the end of seed {other}", seed, end, both)


if __name__ == "__main__":
    main()
