"""How many convolutions should one shortcut span? 1, 2 or 3 of them, in networks of 38 layers.

    python -m experiments.family.span

8x8 digits; three stages of twelve 3x3 convolutions of widths 8, 16 and 32, equal in number, shape
and parameters in every arm, with an identity shortcut (zero-padded) around each, every two or every
three of them. Each arm at its own best of four learning rates, by its training error over two
tuning seeds; then six pairs on seeds of their own. Results are kept in results/span.jsonl; what is
in it is not trained again. Prints the tables of the README.
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
from nas.statistics.answers import answers
from nas.statistics.hurdle import hurdle
from nas.statistics.paired import Effect, twin_effect
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


def best_rate(span: int) -> float:
    """The rate with the least training error over the tuning seeds; of equals the least loss."""

    def outcome(lr: float) -> tuple[float, float]:
        runs = [measured(span, lr, seed) for seed in TUNING_SEEDS]
        return mean(one["train_error"] for one in runs), mean(one["mean_loss"] for one in runs)

    return min(RATES, key=outcome)


def told(effect: Effect, digits: int) -> str:
    """Mean and interval."""
    return f"{effect.mean:+.{digits}f} ({effect.low:+.{digits}f} to {effect.high:+.{digits}f})"


Runs = list[dict[str, Any]]


def column(runs: Runs, key: str) -> list[Any]:
    """One number of each run."""
    return [one[key] for one in runs]


def row(span: int, runs: Runs) -> str:
    """A line of the table of means."""
    means = [mean(column(runs, key)) for key in ("train_error", "val_error", "mean_loss")]
    first = runs[0]
    sizes = f"{first['layers']} | {first['parameters']:,} | {first['lr']:g}"
    return f"| {span} | {sizes} | {means[0]:.1f} | {means[1]:.1f} | {means[2]:.3f} |"


def compared(span: int, reference: Runs, arm: Runs) -> tuple[str, Effect]:
    """A sentence of numbers, and the effect on the training error."""
    errors = column(reference, "train_error"), column(arm, "train_error")
    train = column(reference, "trains"), column(arm, "trains")
    effect = twin_effect(*errors, bounds=BOUNDS)
    parts = hurdle(*errors, *train, bounds=BOUNDS)
    loss = twin_effect(column(reference, "mean_loss"), column(arm, "mean_loss"))
    sentence = (
        f"{span} against {SPANS[0]}: gain in training error {told(effect, 1)} points, among pairs "
        f"that both train {told(parts.gain, 1) if parts.gain else 'unknown'}; "
        f"{sum(train[1])} and {sum(train[0])} of {len(arm)} train; gain in mean training loss "
        f"{told(loss, 3)} nats."
    )
    return sentence, effect


def main() -> None:
    """Train what is missing, and print the tables."""
    torch.set_num_threads(1)
    rates = {span: best_rate(span) for span in SPANS}
    runs = {span: [measured(span, rates[span], seed) for seed in SEEDS] for span in SPANS}
    print("| span | layers | parameters | own rate | train error | validation error | mean loss |")
    print(
        "|---|---|---|---|---|---|---|",
        *(row(span, runs[span]) for span in sorted(SPANS)),
        sep="\n",
    )
    effects = {}
    for span in SPANS[1:]:
        sentence, effects[f"{span}"] = compared(span, runs[SPANS[0]], runs[span])
        print(sentence)
    for name, one in answers(effects, SMALLEST_EFFECT).items():
        more = f", {one.more_pairs} more pairs might decide it" if one.more_pairs else ""
        print(f"{name}: {one.answer}, corrected p {one.p_adjusted:.3f}{more}.")


if __name__ == "__main__":
    main()
