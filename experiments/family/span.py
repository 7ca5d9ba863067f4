"""How many convolutions should one shortcut span? 1, 2 or 3 of them, in networks of 38 layers.

    python -m experiments.family.span

8x8 digits; three stages of twelve 3x3 convolutions of widths 8, 16 and 32, equal in number, shape
and parameters in every arm, with an identity shortcut (zero-padded) around each, every two or every
three of them. Each arm at its own best of four learning rates, by its training error over two
tuning seeds, and again by its mean training loss; six pairs on seeds of their own. Results are kept
in results/span.jsonl; what is in it is not trained again. Prints the tables of the README.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from statistics import mean
from typing import Any

import torch

from nas.common.paths import DATA_DIR
from nas.data import Dataset
from nas.model.architecture import Architecture, Named, Stage
from nas.statistics.answers import answers, p_words
from nas.statistics.hurdle import hurdle
from nas.statistics.paired import Effect, decision_p, twin_effect
from nas.training.candidate import Candidate, Training
from nas.training.lightning import train
from nas.training.metrics.run import trains

RESULT = Path(__file__).parent / "results" / "span.jsonl"
CONVOLUTIONS = 12  # of a stage
SPANS = (2, 1, 3)  # the first is the reference
RATES = (0.01, 0.03, 0.1, 0.3)
TUNING_SEEDS, SEEDS = (100, 101), range(6)
SMALLEST_EFFECT = 2.0  # points of training error
BOUNDS = (-100.0, 100.0)

Runs = list[dict[str, Any]]


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


def measured(span: int, lr: float, seed: int) -> dict[str, Any]:
    """One training, in points of error and nats; from the file, where it is there."""
    key = {"span": span, "lr": lr, "seed": seed}
    for one in kept():
        if one.items() >= key.items():
            return one
    what = candidate(span, lr)
    result = train(what, seed=seed, data_dir=Path(DATA_DIR)).result
    found = key | {
        "train_error": 100 * result.measures["train_error"],
        "val_error": 100 * (1 - result.final["val_accuracy"]),
        "mean_loss": result.measures["loss_area"],
        "trains": trains(result.measures),
        "layers": result.depth,
        "parameters": result.parameters,
    }
    RESULT.parent.mkdir(exist_ok=True)
    with RESULT.open("a") as file:
        file.write(json.dumps(found) + "\n")
    return found


def kept() -> Iterator[dict[str, Any]]:
    """The trainings in the file."""
    for line in RESULT.read_text().splitlines() if RESULT.exists() else ():
        yield json.loads(line)


def best_rate(span: int, outcome: str) -> float:
    """The rate with the least of an outcome over the tuning seeds; of equals the least loss."""

    def found(lr: float) -> tuple[float, float]:
        runs = [measured(span, lr, seed) for seed in TUNING_SEEDS]
        return mean(column(runs, outcome)), mean(column(runs, "mean_loss"))

    return min(RATES, key=found)


def told(effect: Effect, digits: int) -> str:
    """Mean and interval."""
    return f"{effect.mean:+.{digits}f} ({effect.low:+.{digits}f} to {effect.high:+.{digits}f})"


def column(runs: Runs, key: str) -> list[Any]:
    """One number of each run."""
    return [one[key] for one in runs]


def row(span: int, runs: Runs) -> str:
    """A line of the table of means."""
    means = [mean(column(runs, key)) for key in ("train_error", "val_error", "mean_loss")]
    return f"| {span} | {runs[0]['lr']:g} | {means[0]:.2f} | {means[1]:.1f} | {means[2]:.3f} |"


def of_errors(reference: Runs, arm: Runs) -> Effect:
    """What an arm gains in training error, with the two parts of a gain printed."""
    errors = column(reference, "train_error"), column(arm, "train_error")
    train = column(reference, "trains"), column(arm, "trains")
    effect = twin_effect(*errors, bounds=BOUNDS)
    parts = hurdle(*errors, *train, bounds=BOUNDS)
    among = told(parts.gain, 2) if parts.gain else "unknown"
    print(
        f"{arm[0]['span']}: gain in training error {told(effect, 2)} points, among pairs that both "
        f"train {among}; {sum(train[1])} and {sum(train[0])} of {len(arm)} train."
    )
    return effect


def of_losses(reference: Runs, arm: Runs) -> Effect:
    """What an arm gains in mean training loss."""
    effect = twin_effect(column(reference, "mean_loss"), column(arm, "mean_loss"))
    p_value = decision_p(effect)[0]
    print(f"{arm[0]['span']}: gain in mean training loss {told(effect, 3)} nats, p {p_value:.3f}.")
    return effect


def main() -> None:
    """Train what is missing, and print tables and gains against the first span."""
    torch.set_num_threads(1)
    for outcome, compared in (("train_error", of_errors), ("mean_loss", of_losses)):
        rates = {span: best_rate(span, outcome) for span in SPANS}
        runs = {span: [measured(span, rates[span], seed) for seed in SEEDS] for span in SPANS}
        print(f"\nRates chosen by {outcome}:\n")
        print("| span | own rate | training error % | validation error % | mean training loss |")
        print("|---|---|---|---|---|")
        print(*(row(span, runs[span]) for span in sorted(SPANS)), sep="\n")
        effects = {f"{span}": compared(runs[SPANS[0]], runs[span]) for span in SPANS[1:]}
        if outcome == "train_error":
            for name, one in answers(effects, SMALLEST_EFFECT).items():
                print(f"{name}: {one.answer}, corrected p {p_words(one.p_adjusted)}.")


if __name__ == "__main__":
    main()
