"""What foretells the end: rank correlations of the epochs with the last validation accuracy.

python -m experiments.top_percent.fidelity
"""

import numpy as np
from scipy.stats import spearmanr

from experiments.top_percent.table import rows


def main() -> None:
    """One line for each epoch."""
    accuracy = np.array([row["val_accuracy"] for row in rows()])
    loss = np.array([row["train_loss"] for row in rows()])
    print("| epoch | validation accuracy | training loss of the epoch | sum of training losses |")
    print("|---|---|---|---|")
    for epoch in (1, 2, 4, 8, 12, 16):
        signals = accuracy[:, epoch - 1], -loss[:, epoch - 1], -loss[:, :epoch].sum(axis=1)
        ranks = [float(spearmanr(signal, accuracy[:, -1]).statistic) for signal in signals]
        print(f"| {epoch} | " + " | ".join(f"{rank:.2f}" for rank in ranks) + " |")


if __name__ == "__main__":
    main()
