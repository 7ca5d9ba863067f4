"""Training error of a plain 56-layer network on digits after 60 epochs, by recipe and seed.

    python -m experiments.plain_56.run [SEED ...]

Written with torch alone, so that it shares no line with nas. Every recipe is the same network (3x3
convolutions, batch norm, ReLU; widths 8, 16, 32 with nine blocks of two each), trained in batches
of 64 by SGD with momentum .9 and weight decay 1e-4. Errors are those of all training pictures: in
evaluation mode with the running averages, and with statistics of all pictures at once.
Results are kept in result.jsonl; what is in it is not trained again.
"""

import json
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn import functional

RESULT = Path(__file__).with_name("result.jsonl")
EPOCHS, BATCH = 60, 64


@dataclass(frozen=True)
class Recipe:
    """pictures: of the 1,797. falls: shares of the steps after which the rate is a tenth."""

    pictures: int
    lr: float
    falls: tuple[float, float]
    decays_norms: bool = True


RECIPES = {
    "1,400 pictures, .01, falls at 60 and 85%": Recipe(1400, 0.01, (0.6, 0.85)),
    "the same, falls at 50 and 75%": Recipe(1400, 0.01, (0.5, 0.75)),
    "the same, 1,120 pictures, .009": Recipe(1120, 0.009, (0.5, 0.75)),
    "the same, weight decay of weights alone": Recipe(1120, 0.009, (0.5, 0.75), False),
}


def plain_56() -> nn.Sequential:
    """The network: 55 convolutions and a linear layer, no shortcut."""
    layers: list[nn.Module] = []
    before = 3
    for width, stride in ((8, 1), (16, 2), (32, 2)):
        for number in range(19 if width == 8 else 18):
            step = stride if number == 0 else 1
            layers += [nn.Conv2d(before, width, 3, step, 1, bias=False), nn.BatchNorm2d(width)]
            layers += [nn.ReLU()]
            before = width
    net = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(before, 10))
    for module in net:
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    return net


def pictures(count: int) -> tuple[Tensor, Tensor]:
    """Digits in three channels of mean 0 and standard deviation 1, and their classes."""
    found = load_digits()
    order = torch.randperm(1797, generator=torch.Generator().manual_seed(0))[:count]
    x = torch.tensor(found.images, dtype=torch.float32)[order, None].expand(-1, 3, -1, -1)
    return ((x - x.mean()) / x.std()).contiguous(), torch.tensor(found.target)[order]


def batches(count: int, seed: int) -> Iterator[Tensor]:
    """Indices of every step; a last short batch is dropped."""
    generator = torch.Generator().manual_seed(seed)
    for _ in range(EPOCHS):
        yield from torch.randperm(count, generator=generator)[: count // BATCH * BATCH].split(BATCH)


def optimiser(net: nn.Module, recipe: Recipe) -> torch.optim.SGD:
    """Weight decay for all parameters, or for those with more than one dimension."""
    weights = [p for p in net.parameters() if p.dim() > 1 or recipe.decays_norms]
    others = [p for p in net.parameters() if p.dim() <= 1 and not recipe.decays_norms]
    groups = [{"params": weights, "weight_decay": 1e-4}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.SGD([g for g in groups if g["params"]], lr=recipe.lr, momentum=0.9)


def trained(recipe: Recipe, seed: int) -> dict[str, float]:
    """One training: both errors in per cent, and processor seconds."""
    start = time.process_time()
    torch.manual_seed(seed)
    net, (x, y) = plain_56(), pictures(recipe.pictures)
    optimizer, steps = optimiser(net, recipe), EPOCHS * (recipe.pictures // BATCH)
    falls = [int(share * steps) for share in recipe.falls]
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, falls)
    for rows in batches(recipe.pictures, seed):
        optimizer.zero_grad()
        functional.cross_entropy(net(x[rows]), y[rows]).backward()
        optimizer.step()
        schedule.step()
    at_once = error(net.train(), x, y)
    return {
        "running_averages": error(net.eval(), x, y),
        "statistics_of_all": at_once,
        "seconds": round(time.process_time() - start, 1),
    }


@torch.no_grad()
def error(net: nn.Module, x: Tensor, y: Tensor) -> float:
    """Share of wrong answers in per cent; in training mode this moves no running average."""
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d) and module.training:
            module.momentum = 0.0
    return round(100 * (net(x).argmax(1) != y).double().mean().item(), 2)


def rows() -> list[dict[str, object]]:
    """What is kept."""
    text = RESULT.read_text(encoding="utf-8") if RESULT.exists() else ""
    return [json.loads(line) for line in text.splitlines()]


def main() -> None:
    """Train what is missing, and print the table."""
    torch.set_num_threads(1)
    seeds = [int(word) for word in sys.argv[1:]] or [0, 1, 2, 3]
    known = {(row["recipe"], row["seed"]) for row in rows()}
    for name, seed in ((name, seed) for seed in seeds for name in RECIPES):
        if (name, seed) not in known:
            row = {"recipe": name, "seed": seed} | trained(RECIPES[name], seed)
            with RESULT.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")
    for name in RECIPES:
        own = [row for row in rows() if row["recipe"] == name]
        errors = [float(str(row["statistics_of_all"])) for row in own]
        print(f"| {name} | {' '.join(f'{e:.1f}' for e in errors)} | {mean(errors):.1f} |")


if __name__ == "__main__":
    main()
