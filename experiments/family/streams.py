"""Do hyper-connections of 2 and 4 streams gain over `add`, at equal steps and at equal time?

    python -m experiments.family.streams
    python -m experiments.family.streams --time

8x8 digits, networks of 32 layers. Equal steps: 4 epochs each; streams have a few parameters more
(their number is printed). Equal time: `add` with as many more epochs as streams take longer, which
`--time` measures as the processor time of a step, in pairs, on this machine (TIME_OF holds it).
Each arm at its own best of four learning rates, by its mean training loss where the steps are
equal, else by its training error, over two tuning seeds; six pairs on seeds of their own. Results
are kept in results/streams.jsonl. Prints the tables of the README.
"""

import sys
import time
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import torch

from experiments.family.arms import Arms, of_errors, of_losses, print_answers, print_table
from nas.data import Dataset
from nas.model.architecture import ADD, Architecture, Named, Stage
from nas.model.cost import cost
from nas.model.network import Network
from nas.training.candidate import Candidate, Training

EPOCHS = 4
#: processor time of a step over that of `add`, by `--time`
TIME_OF = {"hyper 2": 1.8, "hyper 4": 2.7}
JOINS = {
    "add": ADD,
    "hyper 2": Named.of("hyper", streams=2),
    "hyper 4": Named.of("hyper", streams=4),
}
#: arm -> its join and its epochs
TRAINED = {name: (join, EPOCHS) for name, join in JOINS.items()} | {
    f"add, time of {name}": (ADD, round(EPOCHS * ratio)) for name, ratio in TIME_OF.items()
}


def architecture(join: Named) -> Architecture:
    """32 layers with this join."""
    shape: dict[str, Any] = {"depth": 5, "transition": "zero_pad", "join": join}
    return Architecture(
        image_shape=(1, 8, 8),
        num_classes=10,
        stem=Named.of("conv3x3", width=8),
        stages=tuple(
            Stage(width=width, stride=stride, shortcut="identity", block=Named("basic"), **shape)
            for width, stride in ((8, 1), (16, 2), (32, 2))
        ),
        activation_order="post_activation",
    )


def candidate(arm: str, lr: float) -> Candidate:
    """The network of an arm, and how it is trained."""
    join, epochs = TRAINED[arm]
    training = Training(epochs=epochs, batch_size=64, optimizer=Named.of("sgd", lr=lr))
    dataset = Dataset(name="digits", validation_size=280)
    return Candidate(architecture=architecture(join), training=training, dataset=dataset)


EQUAL_STEPS = Arms(
    result=Path(__file__).parent / "results" / "streams.jsonl",
    key="arm",
    names=tuple(JOINS),
    rates=(0.01, 0.03, 0.1, 0.3),
    candidate=candidate,
)


def step_seconds(join: Named, steps: int = 20) -> float:
    """Median processor time of a step on 64 pictures."""
    torch.manual_seed(0)
    network = Network(architecture(join)).train()
    x, y = torch.randn(64, 1, 8, 8), torch.randint(0, 10, (64,))
    times = []
    for _ in range(steps):
        start = time.process_time()
        torch.nn.functional.cross_entropy(network(x), y).backward()
        times.append(time.process_time() - start)
    return median(times)


def measure_time(rounds: int = 15) -> None:
    """Ratios of streams to `add`, each the median of rounds that measure all of them in turn."""
    found: dict[str, list[float]] = {name: [] for name in TIME_OF}
    for _ in range(rounds):
        seconds = {name: step_seconds(join) for name, join in JOINS.items()}
        for name, ratios in found.items():
            ratios.append(seconds[name] / seconds["add"])
    for name, ratios in found.items():
        print(f"{name}: {median(ratios):.2f} times add ({min(ratios):.2f} to {max(ratios):.2f})")


def compare(arms: Arms, outcome: str) -> None:
    """A table of the arms, and what each gains over the first one."""
    runs = arms.at_own_rates(outcome)
    print(f"\nRates chosen by {outcome}:\n")
    print_table("arm", runs)
    reference, *others = runs
    print_answers({f"{arm}": of_errors(runs[reference], runs[arm], arm) for arm in others})
    if outcome == "mean_loss":
        for arm in others:
            of_losses(runs[reference], runs[arm], arm)


def main() -> None:
    """Train what is missing and print the comparisons, or measure the time of steps."""
    torch.set_num_threads(1)
    if "--time" in sys.argv:
        measure_time()
        return
    compare(EQUAL_STEPS, "mean_loss")
    for name in TIME_OF:
        compare(replace(EQUAL_STEPS, names=(f"add, time of {name}", name)), "train_error")
    for name, join in JOINS.items():
        print(f"{name}: {cost(architecture(join)).parameters:,} parameters")


if __name__ == "__main__":
    main()
