"""How many convolutions should one shortcut span? 1, 2 or 3 of them, in networks of 38 layers.

    python -m experiments.family.span

8x8 digits; three stages of twelve 3x3 convolutions of widths 8, 16 and 32, equal in number, shape
and parameters in every arm, with an identity shortcut (zero-padded) around each, every two or every
three of them. Each arm at its own best of four learning rates, by its training error over two
tuning seeds, and again by its mean training loss; six pairs on seeds of their own. Results are kept
in results/span.jsonl; what is in it is not trained again. Prints the tables of the README.
"""

from pathlib import Path
from typing import Any

import torch

from experiments.family.arms import Arms, of_errors, of_losses, print_answers, print_table
from nas.data import Dataset
from nas.model.architecture import Architecture, Named, Stage
from nas.training.candidate import Candidate, Training

CONVOLUTIONS = 12  # of a stage


def candidate(span: int, lr: float) -> Candidate:
    """The network with shortcuts around so many convolutions, and how it is trained."""
    block, depth = Named.of("basic", convs=span), CONVOLUTIONS // span
    shape: dict[str, Any] = {"depth": depth, "block": block, "transition": "zero_pad"}
    stages = tuple(
        Stage(width=width, stride=stride, shortcut="identity", **shape)
        for width, stride in ((8, 1), (16, 2), (32, 2))
    )
    architecture = Architecture(
        image_shape=(1, 8, 8),
        num_classes=10,
        stem=Named.of("conv3x3", width=8),
        stages=stages,
        activation_order="post_activation",
    )
    training = Training(epochs=8, batch_size=64, optimizer=Named.of("sgd", lr=lr))
    dataset = Dataset(name="digits", validation_size=280)
    return Candidate(architecture=architecture, training=training, dataset=dataset)


ARMS = Arms(
    result=Path(__file__).parent / "results" / "span.jsonl",
    key="span",
    names=(2, 1, 3),
    rates=(0.01, 0.03, 0.1, 0.3),
    candidate=candidate,
)


def main() -> None:
    """Train what is missing, and print tables and gains against the first span."""
    torch.set_num_threads(1)
    for outcome, compared in (("train_error", of_errors), ("mean_loss", of_losses)):
        runs = ARMS.at_own_rates(outcome)
        print(f"\nRates chosen by {outcome}:\n")
        print_table("span", runs)
        reference, *others = runs
        effects = {f"{span}": compared(runs[reference], runs[span], span) for span in others}
        if outcome == "train_error":
            print_answers(effects)


if __name__ == "__main__":
    main()
