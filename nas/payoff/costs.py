"""How many trainings twins are, how long they take, and what so many pairs can resolve: told with
little loaded, as `nas check --cost` is to answer soon.
"""

import math
from collections.abc import Callable, Collection, Iterable, Sequence

from nas.common.text import counted, duration
from nas.payoff.plan import TARGET, Plan
from nas.payoff.runs import TwinRun, UniqueKey, every_run
from nas.statistics import fewest_pairs, resolvable_effect, stopping_pairs
from nas.training.candidate import Candidate

#: the seconds of a training
Seconds = Callable[[Candidate], float]


def trainings(
    plan: Plan,
    taken: Collection[UniqueKey] = (),
    known: Collection[tuple[str, int]] = (),
    runs: Iterable[TwinRun] | None = None,
) -> list[Candidate]:
    """The candidates of the runs that are not there yet, at most: an own best rate that turns out
    to be the shared one needs no further run. taken, known: the places, and the candidate hashes
    and seeds, of the runs that are there. runs: those that may be wanted; left out, all of the
    plan.
    """
    found: dict[tuple[str, int, bool], Candidate] = {}
    for run in every_run(plan, 1.0) if runs is None else runs:
        is_own = run.cell.role == "own"
        key = (run.candidate.hash, plan.first_seed + run.cell.seed)
        if run.cell.key not in taken and (is_own or key not in known):
            found.setdefault((*key, is_own), run.candidate)
    return list(found.values())


def cost_line(
    what: str,
    plan: Plan,
    left: Sequence[Candidate],
    seconds: Seconds | None,
    workers: int,
    *,
    is_decided: bool = False,
) -> str:
    """How many trainings there are, and how long they take. is_decided: no primary comparison is
    open to which pairs would be added.
    """
    pairs = f"up to {plan.most_pairs} pairs" if plan.is_sequential else counted(plan.seeds, "pair")
    pairs = "every primary comparison is decided" if is_decided else pairs
    text = f"{what}: {pairs}, at most {counted(len(left), 'training')}"
    if seconds is None:
        return f"{text}; how long they take is told when a trial has finished."
    if not workers:
        return f"{text}, about {duration(sum(map(seconds, left)))} of one worker."
    total = sum(map(seconds, left)) / min(workers, len(left))
    return f"{text}, about {duration(total)} with {counted(workers, 'worker')}."


def power_line(plan: Plan, spread: Sequence[float] = ()) -> str:
    """What effect the pairs resolve; `spread` are standard deviations of a pair, if known."""
    number = max(1, len(plan.comparisons))
    among = f"as one of {number} primary comparisons" if number > 1 else "as one comparison"
    if plan.is_sequential:
        return looks_line(plan, among, spread)
    pairs, effect = counted(plan.seeds, "pair"), resolvable_effect(plan.seeds, number)
    if math.isinf(effect):
        needed = fewest_pairs(number)
        return f"{pairs} can resolve no effect {among}, however large: that takes {needed}."
    return (
        f"With 80% probability {pairs} resolve an effect of {effect:.1f} standard deviations of a "
        f"pair, {among}{points(effect, spread)}."
    )


def looks_line(plan: Plan, among: str, spread: Sequence[float]) -> str:
    """After how many pairs an effect is decided, if pairs are added until it is."""
    needed = stopping_pairs(TARGET, 0.05 / max(1, len(plan.comparisons)))
    return (
        "Pairs are added until every primary comparison is decided: an effect of "
        f"{TARGET:g} standard deviations of a pair beyond the smallest one takes about {needed}, "
        f"{among}{points(TARGET, spread)}."
    )


def points(effect: float, spread: Sequence[float]) -> str:
    """An effect in points, if it is known how far pairs spread."""
    if not spread:
        return ""
    low, high = (f"{effect * one:.1f}" for one in (min(spread), max(spread)))
    size = high if low == high else f"{low} to {high}"
    return f": {size} points of training error, by how far the pairs trained so far lie apart"
