"""Each arm's own best learning rate: the one of a grid with the least error on tuning seeds."""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import mean
from typing import Literal

from nas import statistics as st
from nas.payoff.records import Twin
from nas.payoff.runs import ArmKey


@dataclass(frozen=True)
class Tuned:
    """The learning rates tried for an arm at one place: `errors` are means over `seeds` runs, in
    points. edge: whether the best one is the lowest or the highest tried, so that a better one may
    lie beyond. usable: the rates at which it trains about as well; None if at none all runs do.
    """

    comparison: str
    order: str
    arm: str
    layers: int
    budget: int
    errors: dict[float, float]
    seeds: int
    best: float
    edge: Literal["lowest", "highest"] | None
    usable: st.UsableRates | None = None


def tuned_rates(
    twins: Iterable[Twin],
    shared: Mapping[str, float],
    outcome: str,
    taken: Mapping[ArmKey, float],
) -> dict[ArmKey, Tuned]:
    """The best rate of every place that was tuned: of those `taken` already that one. shared:
    comparison -> the rate that arms share.
    """
    grids: dict[ArmKey, dict[float, list[Twin]]] = defaultdict(lambda: defaultdict(list))
    for twin in twins:
        if twin.role == "tune":
            grids[twin.place][twin.lr].append(twin)
    return {
        place: tuned(place, grid, shared[place.comparison], outcome, taken.get(place))
        for place, grid in grids.items()
    }


def tuned(
    place: ArmKey,
    grid: Mapping[float, list[Twin]],
    shared: float,
    outcome: str,
    taken: float | None = None,
) -> Tuned:
    """The best of a grid; a rate whose runs failed on some of the seeds is left out."""
    seeds = max(map(len, grid.values()))
    errors = {
        lr: mean(twin.outcomes[outcome] for twin in runs)
        for lr, runs in sorted(grid.items())
        if len(runs) == seeds
    }
    best = taken or best_rate(errors, shared)
    edges: dict[float, Literal["lowest", "highest"]] = {max(errors): "highest"}
    edges[min(errors)] = "lowest"
    layers = next(twin.layers for runs in grid.values() for twin in runs)
    return Tuned(
        comparison=place.comparison,
        order=place.order,
        arm=place.arm,
        layers=layers,
        budget=place.budget,
        errors=errors,
        seeds=seeds,
        best=best,
        edge=edges.get(best) if len(errors) > 1 else None,
        usable=st.usable_rates(
            errors, {lr: not any(twin.failed for twin in grid[lr]) for lr in errors}
        ),
    )


def best_rate(errors: Mapping[float, float], shared: float) -> float:
    """The rate of least error; of equal ones that nearest to the shared rate, as a factor."""
    return min(errors, key=lambda lr: (errors[lr], abs(math.log(lr / shared)), lr))
