"""Pictures per second in training against the usual script: same network, pictures and epochs."""

from experiments.speed.table import Row
from experiments.speed.turns import WALL, Way, ratio, rounds
from experiments.speed.usual import usual_script
from experiments.speed.ways import training_alone

#: least ratio wanted, and pairs measured
GOALS = {"XS": (2.2, 5), "S": (1.6, 5), "M": (1.35, 5)}


def measure() -> list[Row]:
    """One row for each size."""
    return [row(size, goal, pairs) for size, (goal, pairs) in GOALS.items()]


def row(size: str, goal: float, pairs: int) -> Row:
    """Ours, the usual script, and the same with transforms few would write, in turns."""
    ways = [
        Way(training_alone, size, tuned=True),
        Way(usual_script, size),
        Way(usual_script, size, "careful"),
    ]
    found = rounds(ways, pairs)
    processor, wall = ratio(found, 1, 0), ratio(found, 1, 0, clock=WALL)
    careful = ratio(found, 2, 0)
    return Row(
        what=f"pictures per second over the usual script, {size}",
        goal=f"at least {goal:g}",
        found=f"{processor.value:.2f}",
        interval=f"{processor.low:.2f} to {processor.high:.2f}",
        pairs=pairs,
        reached=processor.value >= goal,
        note=f"wall {wall.value:.2f}; over it with transforms few would write {careful.value:.2f}",
    )
