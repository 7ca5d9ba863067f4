"""What share of the epochs of a search is trained, by its pruner, as far as it is known before."""

from itertools import pairwise

from nas.search.pruners.asha import default_rungs
from nas.space.methods import PRUNERS

#: trials before Optuna's pruners stop any, and by pruner the share of the epochs of the others that
#: is trained: together above what 95% of the searches of 30 or 100 trials trained that
#: `python -m experiments.top_percent.pruned` replays, and the mean of those of 12
UNPRUNED, PRUNED = 5, {"median": 0.56, "asha": 0.5, "hyperband": 0.66}
#: with rungs, share of the trials that are trained to their end in any case; and by how much more
#: each rung lets through, as trials are promoted before all are there: above 95% of the replays too
CONTROL, EARLY = 0.05, 0.16


def rungs_of(pruner: str, epochs: int) -> tuple[int, ...]:
    """The epochs after which trials pause, for a pruner that pauses them."""
    return tuple(default_rungs(epochs)) if PRUNERS[pruner].has_rungs else ()


def share_trained(pruner: str, epochs: int, trials: int) -> float:
    """Share of all epochs that are trained, as pruners are set up here."""
    rungs = rungs_of(pruner, epochs)
    if not rungs:
        whole = min(1.0, UNPRUNED / trials)
        return whole + (1 - whole) * PRUNED.get(pruner, 1.0)
    ends, alive, trained = (*rungs, epochs), 1.0, float(rungs[0])
    for rung, following in pairwise(ends):
        alive *= rung / following  # the share that is promoted
        trained += alive * (following - rung)
    trained *= 1 + EARLY * len(rungs)
    return min(1.0, (trained + CONTROL * max(0.0, epochs - trained)) / epochs)
