"""Pictures per second of searches with default settings against the usual script.

Everything counts that a search of one trial takes, but the loading of libraries: suggestion,
storage, checkpoints, the clean training error of a candidate trained to its end, its weights. With
`search.probes: true` candidates are probed too, as they were by default before. A candidate that is
pruned, or rests at a rung, pays for neither: of it all is counted in `pictures.py`.
"""

from experiments.speed.sizes import SIZES
from experiments.speed.table import Row
from experiments.speed.turns import PROCESSOR, WALL, Ratio, Turn, Way, rounds
from experiments.speed.whole import default_search, usual_search

GOAL = 1.5
PAIRS = 3
#: the last two are shorter than any training one would search with
LENGTHS = (
    *("XS", "S, 80 steps", "M, 40 steps"),
    *("S, one epoch of 10 steps", "M, one epoch of 4 steps"),
)
TRIALS = 1


def measure() -> list[Row]:
    """One row for each size and length."""
    return [row(size) for size in LENGTHS]


def row(size: str) -> Row:
    """The default search, the one with probes, and the usual script, in turns."""
    ways = [
        Way(default_search, size, TRIALS, tuned=True),
        Way(default_search, size, TRIALS, "search.probes=true", tuned=True),
        Way(usual_search, size, TRIALS),
    ]
    found = rounds(ways, PAIRS)
    default, probed = speed(found, 0, 2), speed(found, 1, 2)
    wall = speed(found, 0, 2, clock=WALL)
    return Row(
        what=f"pictures per second of a default search, everything counted, {titled(size)}",
        goal=f"at least {GOAL:g}",
        found=f"{default.value:.2f}",
        interval=f"{default.low:.2f} to {default.high:.2f}",
        pairs=PAIRS,
        reached=default.value >= GOAL,
        note=f"wall {wall.value:.2f}; with `search.probes: true` {probed.value:.2f}",
    )


def titled(size: str) -> str:
    """The size with its steps."""
    steps = SIZES[size][3] // 128 * SIZES[size][4]
    return size if "steps" in size else f"{size}, {steps} steps"


def speed(found: list[list[Turn]], one: int, other: int, clock: int = PROCESSOR) -> Ratio:
    """Pictures per second of one way over those of another."""
    return Ratio.of(
        [
            turns[one][2] / turns[one][clock] / (turns[other][2] / turns[other][clock])
            for turns in found
        ]
    )
