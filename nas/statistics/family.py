"""Several hypotheses at once: Holm's correction of those named beforehand, and agreement across
budgets.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from nas.statistics.paired import SIGN_FLIP_FROM, Effect, paired_effect, student_p

Status = Literal["resolved", "not resolved", "exploratory"]
Verdict = Literal["accuracy", "speed", "not resolved"]


@dataclass(frozen=True)
class Claim:
    """What may be said of one effect; exploratory ones carry no corrected p and claim nothing."""

    name: str
    effect: Effect
    status: Status
    p_adjusted: float | None = None
    test: str | None = None


@dataclass(frozen=True)
class BudgetVerdict:
    """What agreement across budgets says, in `reason`; `trend` is the effect at the longest less
    the shortest.
    """

    verdict: Verdict
    reason: str
    trend: Effect | None = None


def holm(p_values: Iterable[float]) -> list[float]:
    """Adjusted p: the running maximum of (m - rank) p over ascending p, at most 1 (Holm, 1979)."""
    p = np.asarray(list(p_values), dtype=float)
    order = np.argsort(p, kind="stable")
    scaled = np.minimum((len(p) - np.arange(len(p))) * p[order], 1.0)
    adjusted = np.empty_like(p)
    adjusted[order] = np.maximum.accumulate(scaled)
    return [float(value) for value in adjusted]


def family(
    primary: Mapping[str, Effect],
    exploratory: Mapping[str, Effect] | None = None,
    *,
    alpha: float = 0.05,
) -> dict[str, Claim]:
    """Claims of the effects. A primary one is resolved where Holm's p is at most alpha and its
    interval leaves zero out (both must pass, as in arXiv:2511.19794); everything else is
    exploratory.

    The p is the sign-flip one where it can reject in a family of this size at all (its smallest
    value, 2^(1-n), times the number of hypotheses is at most alpha), else that of the paired
    t-test: a choice by the numbers of pairs and hypotheses, which are known before the first run.
    """
    tested = [decision_p(effect, len(primary), alpha) for effect in primary.values()]
    adjusted = holm(p for p, _ in tested)
    claims = {
        name: Claim(
            name, effect, "resolved" if p <= alpha and effect.resolved else "not resolved", p, test
        )
        for (name, effect), p, (_, test) in zip(primary.items(), adjusted, tested, strict=True)
    }
    others = {
        name: Claim(name, effect, "exploratory") for name, effect in (exploratory or {}).items()
    }
    if both := claims.keys() & others.keys():
        raise ValueError(f"{sorted(both)} cannot be primary and exploratory at once.")
    return claims | others


def decision_p(effect: Effect, hypotheses: int, alpha: float) -> tuple[float, str]:
    """The p that enters Holm's correction, and the test it is of."""
    can_reject = effect.n >= SIGN_FLIP_FROM and 2.0 ** (1 - effect.n) * hypotheses <= alpha
    if can_reject and effect.p_value is not None:
        return effect.p_value, "sign-flip"
    return student_p(effect.pairs), "paired t"


def budget_verdict(
    by_budget: Mapping[float, Effect], *, smallest_effect: float = 0.0
) -> BudgetVerdict:
    """Is a gain one of accuracy, or of speed that a longer run makes up for?

    "speed" where two budgets resolve opposite signs, or a shorter one resolves a gain and the
    interval of the longest lies within +- `smallest_effect`; "accuracy" where the longest and
    another budget resolve the same sign; else "not resolved", as always with a single budget. Pairs
    stand in the order of seeds.
    """
    budgets = sorted(by_budget)
    if len(budgets) < 2:
        return BudgetVerdict("not resolved", "measured at one budget only")
    effects = [by_budget[budget] for budget in budgets]
    return BudgetVerdict(*classify(effects, smallest_effect), trend(effects[0], effects[-1]))


def classify(effects: list[Effect], smallest_effect: float) -> tuple[Verdict, str]:
    """Verdict and reason for effects in the order of growing budgets."""
    last, signs = effects[-1], {np.sign(effect.mean) for effect in effects if effect.resolved}
    if len(signs) == 2:
        return "speed", "the sign changes with the budget"
    if signs and -smallest_effect < last.low and last.high < smallest_effect:
        return "speed", "the effect is gone at the longest budget"
    if not last.resolved:
        return "not resolved", "the interval at the longest budget crosses zero"
    if not any(effect.resolved for effect in effects[:-1]):
        return "not resolved", "no shorter budget resolves the effect"
    return "accuracy", "the sign is the same at every budget that resolves it"


def order_verdict(
    contrasts: Mapping[str, Mapping[float, Effect]], *, smallest_effect: float = 0.0
) -> BudgetVerdict:
    """The verdict on an order of several kinds, from their pairwise contrasts by budget: "speed"
    where any contrast says so (the order changes), "accuracy" where all do, else "not resolved".
    """
    verdicts = {k: budget_verdict(v, smallest_effect=smallest_effect) for k, v in contrasts.items()}
    for wanted in ("speed", "not resolved"):
        for name, verdict in verdicts.items():
            if verdict.verdict == wanted:
                return BudgetVerdict(verdict.verdict, f"{name}: {verdict.reason}", verdict.trend)
    return BudgetVerdict("accuracy", "every contrast keeps its sign")


def trend(shortest: Effect, longest: Effect) -> Effect | None:
    """Longest less shortest, pair by pair; None where the numbers of pairs differ."""
    if shortest.n != longest.n:
        return None
    differences = np.subtract(longest.pairs, shortest.pairs)
    return paired_effect(differences, confidence=longest.confidence)
