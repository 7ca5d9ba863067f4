"""Finished twins -> all that they say: gains by depth, stage, candidate and budget."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from nas import statistics as st
from nas.payoff.contrasts import BESIDES, Contrast, contrasts, gain_change, order_contrasts
from nas.payoff.records import OUTCOMES, Twin, finished_twins, shortened
from nas.payoff.variants import CONTROL, mask_name, masks
from nas.storage.bulk_read import trials_of
from nas.training.metrics import PROBE_STEPS

#: what is stored of a twin and not compared
UNUSED = ("candidate", *(f"probes_{step}" for step in (*PROBE_STEPS, "end")))


@dataclass(frozen=True)
class Variant:
    """A contrast in a variant of the ladder, and how much more its arm gains there."""

    contrast: Contrast
    change: st.Effect | None


@dataclass(frozen=True)
class Payoff:
    """All that the twins of a study say: `orders` are activation orders against each other,
    `variants` the ladder with other blocks and widths, `rankings` whether the order of the arms
    holds at other budgets.
    """

    study: str
    vary: str
    smallest_effect: float
    twins: list[Twin]
    ladder: list[Contrast]
    candidates: dict[str, list[Contrast]]
    orders: list[Contrast]
    variants: dict[str, list[Variant]]
    stages: dict[str, st.StageEffects]
    claims: dict[str, st.Claim]
    stage_claims: dict[int, st.Claim]
    crossover: dict[str, st.CrossoverDepth]
    budgets: dict[str, st.BudgetVerdict]
    rankings: dict[str, st.BudgetVerdict]
    waiting: int = 0
    failures: int = 0
    primary: dict[str, Any] = field(default_factory=dict)


def analyse(study: Study, trials: list[FrozenTrial] | None = None) -> Payoff:
    """Compare the finished twins of a study, whose trials may have been read already."""
    trials = trials_of(study, UNUSED, {"result": shortened}) if trials is None else trials
    attrs = study.user_attrs
    twins, fixed = finished_twins(attrs, trials), attrs["payoff"]
    reference = "none" if fixed["vary"] in ("shortcut", "transition") else None

    def of(comparison: str) -> list[Contrast]:
        return list(contrasts(twins, comparison, reference, fixed["smallest_effect"]))

    names = list(dict.fromkeys(t.comparison for t in twins))
    ladder = of("ladder")
    candidates = {name: of(name) for name in names if name.startswith("top")}
    stages = stage_tables(twins)
    states = [trial.state for trial in trials]
    return Payoff(
        study=attrs["twins_of"],
        vary=fixed["vary"],
        smallest_effect=fixed["smallest_effect"],
        twins=twins,
        ladder=ladder,
        candidates=candidates,
        orders=order_contrasts(twins, fixed["smallest_effect"]),
        variants={
            name: [Variant(one, gain_change(twins, name, one)) for one in of(name)]
            for name in names
            if name.startswith(("block ", "width "))
        },
        stages=stages,
        claims=claims(ladder, candidates),
        stage_claims=stage_claims(stages),
        crossover=crossovers(twins),
        budgets=budget_verdicts(ladder, fixed["smallest_effect"]),
        rankings=rankings(ladder, fixed["smallest_effect"]),
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
    arms = list({arm: None for row in errors.values() for arm in row})
    complete = [row for _, row in sorted(errors.items()) if len(row) == len(arms)]
    if not complete or set(arms) != set(map(mask_name, masks(len(arms[0].split("-"))))):
        return {}
    return {outcome: stages_of(complete, outcome) for outcome in OUTCOMES}


def stages_of(rows: list[dict[str, Twin]], outcome: str) -> st.StageEffects:
    """The effects of the stages, from every combination of them or from single ones."""
    num_stages = len(next(iter(rows[0])).split("-"))
    table = {
        mask: [row[mask_name(mask)].outcomes[outcome] for row in rows] for mask in masks(num_stages)
    }
    if len(table) != 2**num_stages:
        return st.single_effects(table)
    errors = np.array([table[mask] for mask in sorted(table)]).T
    return st.stage_effects(errors.reshape(len(rows), *[2] * num_stages))


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
    """The main effects of the stages' shortcuts on training error, or where not every combination
    was trained the costs of removing them: a family of their own.
    """
    if "train_error" not in stages:
        return {}
    effects = stages["train_error"].main or stages["train_error"].removal
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
    return {
        f"{name}, {place}": st.budget_verdict(effects, smallest_effect=smallest_effect)
        for place, by_contrast in by_budget(ladder).items()
        for name, effects in by_contrast.items()
    }


def rankings(ladder: list[Contrast], smallest_effect: float) -> dict[str, st.BudgetVerdict]:
    """Activation order and depth -> whether the order of all arms holds at other budgets."""
    return {
        place: st.order_verdict(by_contrast, smallest_effect=smallest_effect)
        for place, by_contrast in by_budget(ladder).items()
    }


def by_budget(ladder: list[Contrast]) -> dict[str, dict[str, dict[float, st.Effect]]]:
    """Activation order and depth -> contrast -> budget -> gain in validation error, where there are
    several budgets.
    """
    found: dict[str, dict[str, dict[float, st.Effect]]] = defaultdict(lambda: defaultdict(dict))
    for one in ladder:
        if one.role == "shared" and CONTROL not in (one.reference, one.arm):
            for layers, effect in one.gains["val_error"].items():
                name = f"{one.reference} → {one.arm}"
                found[f"{one.order}, {layers} layers"][name][one.budget] = effect
    return {
        place: several
        for place, rows in found.items()
        if (several := {name: row for name, row in rows.items() if len(row) > 1})
    }
