"""What a trial takes beyond an equally optimised loop that gives the same weights, bit for bit."""

from experiments.speed.table import Row
from experiments.speed.turns import WALL, Way, ratio, rounds
from experiments.speed.ways import bare_loop, trial

#: most overhead wanted, and pairs measured
GOALS = {"XS": (0.08, 9), "S": (0.02, 7), "M": (0.01, 7)}


def measure() -> list[Row]:
    """One row for each size."""
    return [row(size, goal, pairs) for size, (goal, pairs) in GOALS.items()]


def row(size: str, goal: float, pairs: int) -> Row:
    """Trial and loop in turns; an overhead is told only where they agree."""
    found = rounds([Way(trial, size, tuned=True), Way(bare_loop, size, tuned=True)], pairs)
    hashes = {told for turns in found for _, _, told in turns}
    if len(hashes) != 1:
        raise RuntimeError(f"{size}: trial and loop end with different weights.")
    processor, wall = ratio(found, 0, 1), ratio(found, 0, 1, clock=WALL)
    return Row(
        what=f"overhead of a trial over the bare loop, {size}",
        goal=f"at most {goal:.0%}",
        found=f"{processor.value - 1:+.1%}",
        interval=f"{processor.low - 1:+.1%} to {processor.high - 1:+.1%}",
        pairs=pairs,
        reached=processor.value - 1 <= goal,
        note=f"same weights; wall {wall.value - 1:+.1%}",
    )
