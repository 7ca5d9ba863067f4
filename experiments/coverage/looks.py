"""Looks after every pair: how often is anything false said at any of them, and after how many pairs
is it decided?

    python -m experiments.coverage.looks     # writes looks.json, prints the table of the README

The rule of `nas payoff --until resolved`, on the populations of `analyse`: pairs come one by one,
20 at most, and each study stops when it is decided. Two minutes of one core.
"""

import json
from collections.abc import Sequence
from math import exp, inf
from pathlib import Path
from typing import Any

import numpy as np

from experiments.coverage import run
from experiments.coverage.analyse import COMPARISONS, percent
from experiments.coverage.populations import SAME_ARM, Population, made_up, pool, real, same_arm
from nas.statistics import confidence_sequence
from nas.statistics.answers import where
from nas.statistics.sequential import around, claimed, log_p

RESULT = Path(__file__).with_name("looks.json")
MOST_PAIRS, SMALLEST_EFFECT, STUDIES, ALPHA = 20, 2.0, 1_000, 0.05


def judged(population: Population) -> dict[str, Any]:
    """In % of studies: the mean lies outside the interval of all looks; an answer is false, alone
    and as one of four comparisons; an answer is given at all. And after how many pairs, the median.
    """
    rng = np.random.default_rng([7, len(population.name)])
    drawn = [np.subtract(*population.draw(rng, MOST_PAIRS)).tolist() for _ in range(STUDIES)]
    intervals = [confidence_sequence(pairs) for pairs in drawn]
    smallest = 0.0 if population.kind == SAME_ARM else SMALLEST_EFFECT
    found: dict[str, Any] = {
        "kind": population.kind,
        "gain": round(population.gain, 2),
        "outside": percent([not low <= population.gain <= high for low, high in intervals]),
    }
    for number in COMPARISONS:
        answers, pairs = zip(*(stopped(one, smallest, number) for one in drawn), strict=True)
        right = true_answers(population.gain, smallest)
        found[str(number)] = {
            "false": percent([word not in right for word in answers]),
            "decided": percent([word != "undecided" for word in answers]),
            "pairs": float(np.median(pairs)),
        }
    return found


def stopped(pairs: Sequence[float], smallest: float, comparisons: int) -> tuple[str, int]:
    """The answer at the look that ends a study, and its number of pairs: what `sequential_answers`
    says after each pair, taken once.
    """
    looks = [(log_p(pairs[:number], smallest), number) for number in range(2, len(pairs) + 1)]
    best, (low, high) = (0.0, 0), (-inf, inf)
    for found, number in looks:
        best = min(best, (found, number))
        ends = around(pairs[:number], ALPHA)
        low, high = max(low, ends[0]), min(high, ends[1])
        if exp(best[0]) * comparisons <= ALPHA:
            word = claimed(pairs[: best[1]], smallest)
            if word == where(low, high, smallest):
                return word, number
    return "undecided", len(pairs)


def true_answers(gain: float, smallest: float) -> set[str]:
    """What may be said of a gain; of one as large as the smallest effect two answers are true."""
    found = {"undecided"}
    if gain >= smallest and gain > 0:
        found.add("pays")
    if gain <= -smallest and gain < 0:
        found.add("costs")
    if abs(gain) <= smallest and smallest:
        found.add("no difference")
    return found


def table(found: dict[str, dict[str, Any]]) -> str:
    """One row for each kind of population: the most over them of what is false, and the least of
    what is decided.
    """
    head = (
        "mean outside the interval of all looks | false, alone / as one of four | decided | pairs"
    )
    lines = [f"| | {head} | pairs |", "|---|---|---|---|---|"]
    for kind in dict.fromkeys(one["kind"] for one in found.values()):
        rows = [one for one in found.values() if one["kind"] == kind]
        alone, four = ([one[str(number)] for one in rows] for number in COMPARISONS)
        cells = [
            f"{max(one['outside'] for one in rows):.1f}",
            " / ".join(f"{max(one['false'] for one in some):.1f}" for some in (alone, four)),
            " / ".join(f"{min(one['decided'] for one in some):.0f}" for some in (alone, four)),
            " / ".join(f"{max(one['pairs'] for one in some):.0f}" for some in (alone, four)),
        ]
        lines.append(f"| {kind} ({len(rows)}) | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Judge all populations and write the result beside this file."""
    known = pool(run.read())
    populations = [*made_up(), *real(known), *same_arm(known)]
    found = {one.name: judged(one) for one in populations}
    result = {"seeds_of_the_pool": known.seeds, "studies": STUDIES, "populations": found}
    RESULT.write_text(json.dumps(result) + "\n", encoding="utf-8")
    print(table(found))


if __name__ == "__main__":
    main()
