"""What a trial takes beyond an equally optimised loop that gives the same weights, bit for bit.

Part of it is taken once in a trial, whatever its length: that is told in milliseconds, from trials
of one step. So M is told at 20 steps, still few for a network of its size, and not at the eight of
the other benchmarks.
"""

from experiments.speed.table import Row
from experiments.speed.turns import PROCESSOR, WALL, Ratio, Turn, Way, ratio, rounds
from experiments.speed.ways import bare_loop, trial

#: most overhead wanted, and pairs measured
GOALS = {"XS": (0.08, 7), "S": (0.02, 5), "M, 20 steps": (0.01, 5)}
ONCE = 15


def measure() -> list[Row]:
    """One row for each size, and one for what a trial takes once."""
    return [*(row(size, goal, pairs) for size, (goal, pairs) in GOALS.items()), once()]


def in_turns(size: str, pairs: int) -> list[list[Turn]]:
    """Trial and loop; only where they agree."""
    found = rounds([Way(trial, size, tuned=True), Way(bare_loop, size, tuned=True)], pairs)
    hashes = {told for turns in found for _, _, told in turns}
    if len(hashes) != 1:
        raise RuntimeError(f"{size}: trial and loop end with different weights.")
    return found


def once() -> Row:
    """What trials of one step take beyond the loop."""
    found = in_turns("one step", ONCE)
    beyond = Ratio.of([1000 * (ours[PROCESSOR] - loop[PROCESSOR]) for ours, loop in found])
    return Row(
        what="overhead of a trial that does not grow with its steps",
        found=f"{beyond.value:.0f} ms",
        interval=f"{beyond.low:.0f} to {beyond.high:.0f} ms",
        pairs=ONCE,
        note="processor time of a trial of one step less that of the loop",
    )


def row(size: str, goal: float, pairs: int) -> Row:
    """A trial over the loop."""
    found = in_turns(size, pairs)
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
