"""The planted-truth test at length: `python -m experiments.planted_truth.run` writes result.json.

Half an hour of one core at the default size. Three questions: does the analysis keep its bars, and
for how many of 20 master seeds; which interval covers with how many pairs; what do runs lost at
random do to it?
"""

import argparse
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from experiments.coverage.methods import METHODS, ends
from experiments.planted_truth import generator as truth
from experiments.planted_truth.check import BARS, NAIVE, Rates, covers, holds, judge, rates
from nas.statistics import paired_effect

PAIR_COUNTS = (3, 4, 5, 6, 7, 8, 12, 20, 30, 40)
DIVERGENCE = (0.0, 0.005, 0.02, 0.05, 0.2)


def main() -> None:
    """Run all parts and write the result beside this file."""
    parser = argparse.ArgumentParser(description="Coverage and error rates on planted truth.")
    parser.add_argument("--studies", type=int, default=6_000, help="studies of each kind")
    parser.add_argument("--seeds", type=int, default=20, help="master seeds")
    size = parser.parse_args()
    long = rates(size.studies, seed=1_000)
    result = {
        "studies_of_each_kind": size.studies,
        "rates_percent": percent(long),
        "bars_kept": judge(long, BARS),
        "careless_analyses_keep_their_bar": judge(long, NAIVE),
        "master_seeds": {str(n): master_seeds(n, size.seeds) for n in (300, 1_000)},
        "coverage_percent_by_method_and_pairs": by_method(size.studies // 3),
        "coverage_percent_of_twin_gain_by_share_of_lost_runs": by_divergence(size.studies // 3),
    }
    Path(__file__).with_name("result.json").write_text(json.dumps(result, indent=1) + "\n")


def percent(found: Rates) -> dict[str, dict[str, float]]:
    """Rates in % with their Monte-Carlo error, as if all of them were independent."""
    return {
        name: {
            "rate": round(100 * p, 2),
            "error": round(100 * (p * (1 - p) / n) ** 0.5, 2),
            "of": n,
        }
        for name, (p, n) in found.items()
    }


def master_seeds(studies: int, seeds: int) -> dict[str, Any]:
    """How many master seeds keep all bars, and which bars the others miss."""
    missed = {}
    for seed in range(seeds):
        kept = judge(rates(studies, seed), BARS)
        if not all(kept.values()):
            missed[str(seed)] = [name for name, ok in kept.items() if not ok]
    return {"seeds": seeds, "all_bars_kept": seeds - len(missed), "missed": missed}


def gains(studies: int, n: int, diverges: float = 0.0) -> Iterator[tuple[str, truth.Array, float]]:
    """Setting, pairs and true gain at every depth of many worlds."""
    for child in np.random.SeedSequence([2_000, n]).spawn(studies):
        rng = np.random.default_rng(child)
        world = replace(truth.draw_world(rng), diverges=diverges)
        true = truth.true_gains(world)
        plain, residual = truth.draw_ladder(world, n, rng)
        for depth in world.depths:
            yield world.name, plain[depth] - residual[depth], true[depth]


def by_method(studies: int) -> dict[str, dict[str, dict[str, float]]]:
    """Coverage of each method by setting and number of pairs."""
    hits: dict[tuple[str, str, int], list[bool]] = {}
    for n in PAIR_COUNTS:
        for setting, pairs, true in gains(max(30, studies // 2), n):
            for name, method in METHODS.items():
                hits.setdefault((name, setting, n), []).append(holds(*ends(method, pairs), true))
    table: dict[str, dict[str, dict[str, float]]] = {}
    for (method, setting, n), seen in hits.items():
        row = table.setdefault(method, {}).setdefault(setting, {})
        row[str(n)] = round(100 * float(np.mean(seen)), 1)
    return table


def by_divergence(studies: int) -> dict[str, dict[str, float]]:
    """Coverage of the twin gain with 6 pairs by setting, some runs lost whatever they are made
    of.
    """
    table = {}
    for share in DIVERGENCE:
        hits: dict[str, list[bool]] = {}
        for setting, pairs, true in gains(studies, 6, share):
            hits.setdefault(setting, []).append(covers(paired_effect(pairs), true))
        table[str(share)] = {k: round(100 * float(np.mean(v)), 1) for k, v in hits.items()}
    return table


if __name__ == "__main__":
    main()
