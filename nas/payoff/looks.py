"""Pairs added one by one until the primary comparisons are decided, by a rule that holds at every
look: first the ends of the ladder, then the depths between them where the gain begins.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from optuna.study import Study

from nas.payoff.analysis import Payoff, analyse
from nas.payoff.own_rates import best_factors
from nas.payoff.plan import Plan, PrimaryKey
from nas.payoff.primary import primary_comparisons
from nas.payoff.runs import (
    TwinRun,
    alike,
    first_runs,
    further_runs,
    ladder_pairs,
    ladder_tuning,
    last_runs,
    own_runs,
)


def looks(twins: Study, plan: Plan) -> Iterator[Iterable[TwinRun]]:
    """The runs up to the next look, as long as one is open: one seed of the arms that are compared
    in what is still open, each at the shallowest and the deepest networks.
    """
    yield ladder_tuning(plan, plan.ends)
    for number in range(plan.most_pairs):
        still_open = undecided(analyse(twins), plan)
        if not still_open:
            break
        best = best_factors(twins, plan)
        yield ladder_pairs(plan, plan.ends, [number], best, still_open)
    yield from between(twins, plan)


def undecided(payoff: Payoff, plan: Plan) -> list[PrimaryKey]:
    """The planned comparisons that have no answer yet."""
    answers = {
        (row.order, row.role, row.reference, row.arm): row.answer
        for _, row in primary_comparisons(payoff)
    }
    return [one for one in plan.comparisons if answers.get(one, "undecided") == "undecided"]


def between(twins: Study, plan: Plan) -> Iterator[Iterable[TwinRun]]:
    """The runs of the depths that halve, again and again, the stretch in which the gain begins;
    none where it is not sure of the deepest networks, or is of the shallowest.
    """
    low, high = 0, len(plan.depths) - 1
    sure = sure_depths(analyse(twins))
    if plan.depths[high] not in sure or plan.depths[low] in sure:
        return
    while high - low > 1:
        middle = (low + high) // 2
        depths = [plan.depths[middle]]
        yield ladder_tuning(plan, depths)
        best = best_factors(twins, plan)
        yield ladder_pairs(plan, depths, range(plan.seeds), best, plan.comparisons)
        if depths[0] in sure_depths(analyse(twins)):
            high = middle
        else:
            low = middle


def sure_depths(payoff: Payoff) -> set[int]:
    """The depths, in blocks of a stage, at which the first primary comparison that pays has a gain
    that is surely above the smallest effect.
    """
    pays = next((one for one, row in primary_comparisons(payoff) if row.answer == "pays"), None)
    if pays is None:
        return set()
    gains = pays.gains["train_error"].items()
    return {pays.blocks[layers] for layers, one in gains if one.low > payoff.smallest_effect}


def runs_left(twins: Study, plan: Plan) -> Iterator[TwinRun]:
    """All runs that a plan may still come to, and those that are there: pairs of open comparisons
    alone, and depths between as long as their halving has not ended.
    """
    still_open = undecided(analyse(twins), plan)
    depths = plan.depths if still_open else plan.ends
    best = alike(plan, 1.0)
    yield from ladder_tuning(plan, depths)
    yield from ladder_pairs(plan, plan.ends, range(plan.most_pairs), best, still_open)
    if still_open:
        yield from ladder_pairs(plan, depths, range(plan.seeds), best, plan.comparisons)
    else:
        for runs in between(twins, plan):
            yield from runs
    others = without_ladder(plan)
    yield from first_runs(others)
    yield from own_runs(others, best)
    yield from further_runs(plan)
    if plan.has_own_rates:
        yield from last_runs(plan, best)


def without_ladder(plan: Plan) -> Plan:
    """What else is compared of the candidates."""
    return replace(plan, settings=plan.settings.model_copy(update={"depths": []}))
