"""Finished twins -> all that they say: gains by depth, stage, candidate and budget."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from optuna.study import Study
from optuna.trial import TrialState

from nas import statistics as st
from nas.payoff.contrasts import BESIDES, Contrast, contrasts
from nas.payoff.finished import OUTCOMES, Twin, finished_twins
from nas.payoff.twins import CONTROL


@dataclass(frozen=True)
class Payoff:
    """All that the twins of a study say."""

    study: str
    vary: str
    smallest_effect: float
    twins: list[Twin]
    ladder: list[Contrast]
    candidates: dict[str, list[Contrast]]
    stages: dict[str, st.StageEffects]
    claims: dict[str, st.Claim]
    stage_claims: dict[int, st.Claim]
    crossover: dict[str, st.CrossoverDepth]
    budgets: dict[str, st.BudgetVerdict]
    waiting: int = 0
    failures: int = 0
    primary: dict[str, Any] = field(default_factory=dict)


def analyse(study: Study) -> Payoff:
    """Compare the finished twins of a study."""
    twins = finished_twins(study)
    fixed = study.user_attrs["payoff"]
    reference = "none" if fixed["vary"] in ("shortcut", "transition") else None
    ladder = list(contrasts(twins, "ladder", reference, fixed["smallest_effect"]))
    candidates = {
        name: list(contrasts(twins, name, reference, fixed["smallest_effect"]))
        for name in sorted({t.comparison for t in twins if t.comparison.startswith("top")})
    }
    stages = stage_tables(twins)
    states = [trial.state for trial in study.get_trials(deepcopy=False)]
    return Payoff(
        study=study.user_attrs["twins_of"],
        vary=fixed["vary"],
        smallest_effect=fixed["smallest_effect"],
        twins=twins,
        ladder=ladder,
        candidates=candidates,
        stages=stages,
        claims=claims(ladder, candidates),
        stage_claims=stage_claims(stages),
        crossover=crossovers(twins),
        budgets=budget_verdicts(ladder, fixed["smallest_effect"]),
        waiting=sum(not state.is_finished() for state in states),
        failures=sum(state == TrialState.FAIL for state in states),
        primary=fixed["primary"],
    )


def stage_tables(twins: Iterable[Twin]) -> dict[str, st.StageEffects]:
    """Outcome -> effects of the factorial over stages, where one seed has it complete."""
    errors: dict[int, dict[str, Twin]] = defaultdict(dict)
    for one in twins:
        if one.comparison == "stages":
            errors[one.seed][one.arm] = one
    arms = {arm for row in errors.values() for arm in row}
    complete = [row for _, row in sorted(errors.items()) if len(row) == len(arms)]
    if not complete or len(arms) < 2:
        return {}
    num_stages = len(next(iter(arms)).split("-"))
    if len(arms) != 2**num_stages:
        return {}
    return {
        outcome: st.stage_effects([nested(row, outcome, num_stages) for row in complete])
        for outcome in OUTCOMES
    }


def nested(row: dict[str, Twin], outcome: str, num_stages: int, mask: str = "") -> Any:
    """row["1-0-1"] as nested[1][0][1]."""
    if num_stages == 0:
        return row[mask[1:]].outcomes[outcome]
    return [nested(row, outcome, num_stages - 1, f"{mask}-{has}") for has in (0, 1)]


def claims(ladder: list[Contrast], candidates: dict[str, list[Contrast]]) -> dict[str, st.Claim]:
    """The primary family, corrected, and everything else as exploratory."""
    primary: dict[str, st.Effect] = {}
    other: dict[str, st.Effect] = {}
    for one in ladder:
        name = f"{one.reference} → {one.arm}, {one.order}, {one.role} rate, budget {one.budget}"
        if "train_error" in one.interaction:
            beside = one.budget != 1 or (one.reference, one.arm) in BESIDES
            effect = one.interaction["train_error"]
            family = other if beside else primary
            family[f"{name}: difference in differences of training error"] = effect
        for layers, effect in one.gains["val_error"].items():
            other[f"{name}: validation gain at {layers} layers"] = effect
    for rank, rows in candidates.items():
        for one in rows:
            for layers, effect in one.gains["val_error"].items():
                other[f"{rank}: {one.reference} → {one.arm} at {layers} layers"] = effect
    return st.family(primary, other)


def stage_claims(stages: dict[str, st.StageEffects]) -> dict[int, st.Claim]:
    """The main effects of the stages' shortcuts on training error, a family of their own."""
    if "train_error" not in stages:
        return {}
    effects = stages["train_error"].main
    named = st.family({str(stage): effect for stage, effect in effects.items()})
    return {int(name): claim for name, claim in named.items()}


def crossovers(twins: Iterable[Twin]) -> dict[str, st.CrossoverDepth]:
    """Arm and order -> the depth of least training error, at the shared rate and one budget."""
    errors: dict[str, dict[int, dict[int, float]]] = defaultdict(lambda: defaultdict(dict))
    for one in twins:
        if (one.comparison, one.role, one.budget) == ("ladder", "shared", 1) and one.arm != CONTROL:
            errors[f"{one.arm}, {one.order}"][one.layers][one.seed] = one.outcomes["train_error"]
    found = {}
    for name, by_depth in errors.items():
        seeds = set.intersection(*(set(row) for row in by_depth.values()))
        if seeds and len(by_depth) > 1:
            rows = {depth: [row[seed] for seed in sorted(seeds)] for depth, row in by_depth.items()}
            found[name] = st.crossover_depth(rows)
    return found


def budget_verdicts(ladder: list[Contrast], smallest_effect: float) -> dict[str, st.BudgetVerdict]:
    """Contrast and depth -> whether its gain in validation error holds at other budgets."""
    by_budget: dict[str, dict[float, st.Effect]] = defaultdict(dict)
    for one in ladder:
        if one.role == "shared":
            for layers, effect in one.gains["val_error"].items():
                key = f"{one.reference} → {one.arm}, {one.order}, {layers} layers"
                by_budget[key][one.budget] = effect
    return {
        key: st.budget_verdict(effects, smallest_effect=smallest_effect)
        for key, effects in by_budget.items()
        if len(effects) > 1
    }
