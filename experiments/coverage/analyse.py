"""How often intervals from few pairs cover, how wide they are, and what is claimed from them.

    python -m experiments.coverage.analyse     # writes result.json, prints the tables of the README

Three minutes of one core. Every method meets the same draws. With fewer than 24 seeds in the pool
only the made-up populations are judged.
"""

import argparse
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from experiments.coverage import run
from experiments.coverage.methods import METHODS, ends
from experiments.coverage.populations import (
    REAL,
    SAME_ARM,
    Population,
    made_up,
    pool,
    real,
    same_arm,
)
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


def table(found: dict[str, dict[str, Any]]) -> str:
    """The methods compared, in Markdown: one row for each kind of population and number of pairs,
    without two samples of one arm.
    """
    lines = [f"| | pairs | {' | '.join(METHODS)} |", "|---" * (len(METHODS) + 2) + "|"]
    kinds = dict.fromkeys(one["kind"] for one in found.values() if one["kind"] != SAME_ARM)
    for kind in kinds:
        for pairs in map(str, PAIRS):
            rows = [one["pairs"][pairs] for one in found.values() if one["kind"] == kind]
            cells = [cell(rows, name, is_rule=choose(int(pairs)) == name) for name in METHODS]
            lines.append(f"| {kind} | {pairs} | {' | '.join(cells)} |")
    return "\n".join(lines)


def cell(rows: list[dict[str, Any]], method: str, *, is_rule: bool) -> str:
    """The least and the most coverage over some populations, and the median over them of the width,
    Student's t being 1; in bold if it is the method of `nas` for so many pairs.
    """
    covers = [f"{row[method]['covers']:.0f}" for row in rows]
    low, high = min(covers, key=float), max(covers, key=float)
    width = median(row[method]["width"] / row["Student t"]["width"] for row in rows)
    text = f"{low if low == high else f'{low} to {high}'}, {width:.2f}"
    return f"**{text}**" if is_rule else text


def claims(found: dict[str, dict[str, Any]]) -> str:
    """What is claimed of real runs, in Markdown: rightly of twins, falsely of samples of one arm
    (the mean and the most over arms and outcomes).
    """
    heads = [f"{pairs} pairs" for pairs in PAIRS]
    lines = [f"| resolved, alone / as one of four (%) | {' | '.join(heads)} |"]
    lines.append("|---" * (len(PAIRS) + 1) + "|")
    for name, one in found.items():
        if one["kind"] == REAL:
            cells = [shares([row]) for row in one["pairs"].values()]
            lines.append(f"| {name} | {' | '.join(cells)} |")
    same = [one["pairs"] for one in found.values() if one["kind"] == SAME_ARM]
    for label, over in (("mean", np.mean), ("most", np.max)):
        cells = [shares([rows[str(pairs)] for rows in same], over) for pairs in PAIRS]
        lines.append(f"| same arm, {label} of {len(same)} | {' | '.join(cells)} |")
    return "\n".join(lines)


def power(found: dict[str, dict[str, Any]]) -> str:
    """How often the intervals of each method leave 0 out, in Markdown: falsely for samples of one
    arm (mean), rightly for the smallest gain there is among the twins.
    """
    twins = {name: one for name, one in found.items() if one["kind"] == REAL and "loss" not in name}
    smallest = min(twins, key=lambda name: twins[name]["pairs"]["12"]["resolved"]["4"])
    same = [one["pairs"] for one in found.values() if one["kind"] == SAME_ARM]
    heads = [f"{pairs} pairs" for pairs in PAIRS]
    lines = [f"| same arm / {smallest} (%) | {' | '.join(heads)} |"]
    lines.append("|---" * (len(PAIRS) + 1) + "|")
    for method in METHODS:
        cells = []
        for pairs in map(str, PAIRS):
            false = np.mean([rows[pairs][method]["leaves_0_out"] for rows in same])
            right = twins[smallest]["pairs"][pairs][method]["leaves_0_out"]
            cells.append(f"{false:.1f} / {right:.0f}")
        lines.append(f"| {method} | {' | '.join(cells)} |")
    return "\n".join(lines)


def shares(rows: list[dict[str, Any]], over: Callable[[list[float]], Any] = np.mean) -> str:
    """How often an effect is resolved alone and as one of four."""
    numbers = [over([row["resolved"][str(count)] for row in rows]) for count in COMPARISONS]
    return " / ".join(f"{number:.1f}" for number in numbers)


def main() -> None:
    """Judge all populations and write the result beside this file."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--draws", type=int, default=1_000, help="samples of each population")
    draws = parser.parse_args().draws
    known = pool(run.read())
    same = list(same_arm(known)) if known.seeds >= 2 * max(PAIRS) else []
    found = analysed([*made_up(), *(real(known) if same else ()), *same], draws)
    result = {"seeds_of_the_pool": known.seeds, "draws": draws, "populations": found}
    RESULT.write_text(json.dumps(result) + "\n", encoding="utf-8")
    print(table(found))
    if same:
        print(f"\n{claims(found)}\n\n{power(found)}")


if __name__ == "__main__":
    main()
