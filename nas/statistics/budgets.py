"""Agreement across budgets: is an effect one of accuracy, or of speed?"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from nas.statistics.paired import Effect, paired_effect

Verdict = Literal["accuracy", "speed", "appears", "persists", "not resolved"]


@dataclass(frozen=True)
class BudgetVerdict:
    """What agreement across budgets says, in `reason`; `trend` is the effect at the longest less
    the shortest.
    """

    verdict: Verdict
    reason: str
    trend: Effect | None = None


def budget_verdict(
    by_budget: Mapping[float, Effect],
    *,
    smallest_effect: float = 0.0,
    levelled_off: bool = False,
    own_rates: bool = False,
) -> BudgetVerdict:
    """Is a gain one of accuracy, or of speed that a longer run makes up for?

    "speed" if two budgets resolve opposite signs, or a shorter one resolves an effect and the
    interval of the longest lies within +- `smallest_effect`; "appears" if the longest budget alone
    resolves one; "persists" if the longest and a shorter one resolve the same sign. That is
    "accuracy" only if the longer training has levelled off (see `has_levelled_off`) and each budget
    has its own learning rates. Else "not resolved", as always with a single budget. Pairs stand in
    the order of seeds.
    """
    budgets = sorted(by_budget)
    if len(budgets) < 2:
        return BudgetVerdict("not resolved", "measured at one budget only")
    effects = [by_budget[budget] for budget in budgets]
    verdict, reason = classify(effects, smallest_effect)
    if verdict == "persists" and levelled_off and own_rates:
        verdict = "accuracy"
    elif verdict == "persists":
        reason = f"{reason}, but {doubts(levelled_off, own_rates)}"
    return BudgetVerdict(verdict, reason, trend(effects[0], effects[-1]))


def classify(effects: list[Effect], smallest_effect: float) -> tuple[Verdict, str]:
    """Verdict and reason for effects in the order of growing budgets."""
    *shorter, last = effects
    signs = {np.sign(effect.mean) for effect in effects if effect.resolved}
    seen_before = any(effect.resolved for effect in shorter)
    if len(signs) == 2:
        return "speed", "the sign changes with the budget"
    if seen_before and -smallest_effect < last.low and last.high < smallest_effect:
        return "speed", "at the longest budget less than the smallest effect of interest is left"
    if not last.resolved:
        return "not resolved", "the interval at the longest budget crosses zero"
    if not seen_before:
        return "appears", "the effect appears at the longest budget: no shorter one resolves it"
    return "persists", "the sign is the same at every budget that resolves it"


def doubts(levelled_off: bool, own_rates: bool) -> str:
    """Why a gain that persists may still be one of speed."""
    reasons = [] if levelled_off else ["the longest training had not levelled off"]
    reasons += [] if own_rates else ["the budgets share their learning rates"]
    return " and ".join(reasons)


def has_levelled_off(by_budget: Mapping[float, ArrayLike], *, smallest_effect: float) -> bool:
    """Whether an arm's error, one for each seed at every budget, surely changes by less than the
    smallest effect of interest from the second longest to the longest budget.
    """
    budgets = sorted(by_budget)
    if len(budgets) < 2:
        return False
    before, after = (np.asarray(by_budget[budget], dtype=float) for budget in budgets[-2:])
    if len(before) != len(after):
        return False
    change = paired_effect(before - after)
    return -smallest_effect < change.low and change.high < smallest_effect


def order_verdict(verdicts: Mapping[str, BudgetVerdict]) -> BudgetVerdict:
    """The verdict on an order of several kinds, from those on their pairwise contrasts: the first
    of "speed" (the order changes), "not resolved", "appears", "persists" that any of them has, else
    "accuracy".
    """
    for wanted in ("speed", "not resolved", "appears", "persists"):
        for name, verdict in verdicts.items():
            if verdict.verdict == wanted:
                return BudgetVerdict(verdict.verdict, f"{name}: {verdict.reason}", verdict.trend)
    return BudgetVerdict("accuracy", "every contrast keeps its sign")


def trend(shortest: Effect, longest: Effect) -> Effect | None:
    """Longest less shortest, pair by pair; None if the numbers of pairs differ."""
    if shortest.n != longest.n:
        return None
    differences = np.subtract(longest.pairs, shortest.pairs)
    return paired_effect(differences, confidence=longest.confidence)
