"""How often intervals from few pairs cover, how wide they are, and what is claimed from them.

    python -m experiments.coverage.analyse     # writes result.json, prints the tables of the README

Ten minutes of one core. Every method meets the same draws. Without the pool of real runs only the
made-up populations are judged.
"""

import argparse
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from experiments.coverage import run
from experiments.coverage.methods import METHODS, ends
from experiments.coverage.populations import Population, made_up, pool, real, same_arm
from nas.statistics import family, twin_effect
from nas.statistics.intervals import choose

RESULT = Path(__file__).with_name("result.json")
PAIRS = (3, 5, 6, 8, 12)
#: hypotheses of a family, each with the effect that is looked at
COMPARISONS = (1, 4)


def judged(population: Population, pairs: int, draws: int) -> dict[str, Any]:
    """Coverage in %, median width and share of intervals that leave 0 out in % of each method, and
    in % how often the rule of `nas` resolves the effect as one of so many comparisons.
    """
    rng = np.random.default_rng([pairs, len(population.name)])
    drawn = [population.draw(rng, pairs) for _ in range(draws)]
    found: dict[str, Any] = {
        name: summary([ends(method, a - b) for a, b in drawn], population.gain)
        for name, method in METHODS.items()
    }
    return found | {"resolved": resolved(drawn)}


def summary(intervals: Iterable[tuple[float, float]], gain: float) -> dict[str, float]:
    """Of the intervals of one method, clipped to 100 points on either side."""
    low, high = np.clip(np.array(list(intervals)), -100, 100).T
    return {
        "covers": percent((low <= gain + 1e-9) & (gain - 1e-9 <= high)),
        "width": round(float(np.median(high - low)), 2),
        "leaves_0_out": percent((low > 0) | (high < 0)),
    }


def resolved(drawn: Iterable[tuple[Any, Any]]) -> dict[str, float]:
    """Number of comparisons -> how often the rule of `nas` resolves the first of them."""
    effects = [twin_effect(a, b, resamples=2_000) for a, b in drawn]
    return {
        str(number): percent(
            [family({str(i): e for i in range(number)})["0"].status == "resolved" for e in effects]
        )
        for number in COMPARISONS
    }


def percent(hits: Any) -> float:
    """The share of hits in %."""
    return round(100 * float(np.mean(hits)), 1)


def analysed(populations: Iterable[Population], draws: int) -> dict[str, dict[str, Any]]:
    """Name -> kind, gain and, by the number of pairs, what was found."""
    return {
        one.name: {
            "kind": one.kind,
            "gain": round(one.gain, 3),
            "pairs": {str(pairs): judged(one, pairs, draws) for pairs in PAIRS},
        }
        for one in populations
    }


def table(found: dict[str, dict[str, Any]], kind: str) -> str:
    """Coverage and median width of the methods, in Markdown: one row for each population and number
    of pairs.
    """
    lines = [f"| {kind} | pairs | {' | '.join(METHODS)} |", "|---" * (len(METHODS) + 2) + "|"]
    for name, one in found.items():
        for pairs, row in one["pairs"].items() if one["kind"] == kind else ():
            cells = [cell(row[key], is_rule=choose(int(pairs)) == key) for key in METHODS]
            lines.append(f"| {name} | {pairs} | {' | '.join(cells)} |")
    return "\n".join(lines)


def cell(row: dict[str, float], *, is_rule: bool) -> str:
    """Coverage and width, in bold if it is the method of `nas` for so many pairs."""
    text = f"{row['covers']:.0f} / {row['width']:.3g}"
    return f"**{text}**" if is_rule else text


def claims(found: dict[str, dict[str, Any]]) -> str:
    """What is claimed, in Markdown: falsely from two samples of one arm, rightly from twins."""
    heads = [f"{pairs} pairs" for pairs in PAIRS]
    lines = [f"| resolved, alone / as one of four | {' | '.join(heads)} |"]
    lines.append("|---" * (len(PAIRS) + 1) + "|")
    for name, one in found.items():
        if one["kind"] != "made up":
            cells = [
                " / ".join(f"{row['resolved'][str(number)]:.1f}" for number in COMPARISONS)
                for row in one["pairs"].values()
            ]
            lines.append(f"| {one['kind']}: {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Judge all populations and write the result beside this file."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--draws", type=int, default=1_000, help="samples of each population")
    draws = parser.parse_args().draws
    known = pool(run.read())
    populations = [*made_up(), *(real(known) if known.seeds else ())]
    populations += same_arm(known) if known.seeds >= 2 * max(PAIRS) else ()
    found = analysed(populations, draws)
    result = {"seeds_of_the_pool": known.seeds, "draws": draws, "populations": found}
    RESULT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    for kind in dict.fromkeys(one["kind"] for one in found.values()):
        print(f"\n{table(found, kind)}")
    print(f"\n{claims(found)}")


if __name__ == "__main__":
    main()
