"""What warm-up gives each norm placement, from the two studies with and without it.

    python -m experiments.tokens.warmup

Runs at their own best rate, paired by seed: same first weights and batches. Exploratory: intervals
are not corrected, and the arms of the two studies may have other rates.
"""

import json
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from statistics import mean
from typing import Any

from nas.statistics.paired import twin_effect

RESULTS = Path(__file__).parent / "results"
#: (norm placement, layers) -> seed -> its run
Runs = Mapping[tuple[str, int], Mapping[int, dict[str, Any]]]


def runs_of(study: str) -> Runs:
    """The runs of a study at their own best rate."""
    text = (RESULTS / study / "payoff.json").read_text(encoding="utf-8")
    found: dict[tuple[str, int], dict[int, dict[str, Any]]] = defaultdict(dict)
    for run in json.loads(text)["twins"]["twins"]:
        if run["role"] == "own" and run["comparison"] == "ladder":
            found[run["arm"], run["layers"]][run["seed"]] = run
    return found


def error(run: dict[str, Any]) -> float:
    """Training error in points."""
    return float(run["outcomes"]["train_error"])


def cell(runs: Mapping[int, dict[str, Any]]) -> str:
    """Mean training error, and how many runs train."""
    trains = sum(not run["failed"] for run in runs.values())
    return f"{mean(map(error, runs.values())):.1f} ({trains} of {len(runs)})"


def rows(without: Runs, with_it: Runs) -> list[tuple[str, ...]]:
    """A row for each placement and depth."""
    found = []
    for place in sorted(without):
        seeds = sorted(without[place].keys() & with_it[place].keys())
        pairs = [[error(study[place][seed]) for seed in seeds] for study in (without, with_it)]
        gain = twin_effect(*pairs, bounds=(-100.0, 100.0))
        told = f"{gain.mean:+.1f} ({gain.low:.1f} to {gain.high:.1f})"
        found.append((place[0], str(place[1]), cell(without[place]), cell(with_it[place]), told))
    return found


def main() -> None:
    """Print the table in Markdown."""
    head = ("norm placement", "layers", "without warm-up", "with it", "gain of warm-up (95% CI)")
    for line in (
        head,
        ("---",) * len(head),
        *rows(*map(runs_of, ("without_warmup", "with_warmup"))),
    ):
        print(f"| {' | '.join(line)} |")


if __name__ == "__main__":
    main()
