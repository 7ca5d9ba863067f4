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
from nas.payoff.records import OUTCOMES, Twin, finished_twins, largest, shortened
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
    budgets = budget_verdicts(twins, ladder, fixed["smallest_effect"])
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
        budgets={
            f"{name}, {place}": v for place, row in budgets.items() for name, v in row.items()
        },
        rankings={place: st.order_verdict(row) for place, row in budgets.items()},
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
        return st.single_effects(table, largest=largest(outcome))
    errors = np.array([table[mask] for mask in sorted(table)]).T
    every = errors.reshape(len(rows), *[2] * num_stages)
    return st.stage_effects(every, largest=largest(outcome))


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


def budget_verdicts(
    twins: Iterable[Twin], ladder: list[Contrast], smallest_effect: float
) -> dict[str, dict[str, st.BudgetVerdict]]:
    """Activation order and depth -> contrast -> whether its gain in validation error holds at other
    budgets: at each arm's own rate if these are known at several budgets, else at the shared one.
    """
    known = list(twins)
    found: dict[str, dict[str, st.BudgetVerdict]] = defaultdict(dict)
    for (place, name), by_role in several_budgets(ladder).items():
        role = "own" if "own" in by_role else "shared"
        layers, several = by_role[role]
        found[place][name] = st.budget_verdict(
            {one.budget: one.gains["val_error"][layers] for one in several},
            smallest_effect=smallest_effect,
            levelled_off=all(
                st.has_levelled_off(
                    errors_of(known, several[0], layers, arm), smallest_effect=smallest_effect
                )
                for arm in (several[0].reference, several[0].arm)
            ),
            own_rates=role == "own",
        )
    return found


def several_budgets(
    ladder: list[Contrast],
) -> dict[tuple[str, str], dict[str, tuple[int, list[Contrast]]]]:
    """Order and depth, contrast -> role -> layers and the contrasts at different budgets, where
    there are several.
    """
    rows: dict[tuple[str, str, str, int], list[Contrast]] = defaultdict(list)
    for one in ladder:
        if CONTROL not in (one.reference, one.arm):
            for layers in one.gains["val_error"]:
                place, name = f"{one.order}, {layers} layers", f"{one.reference} → {one.arm}"
                rows[place, name, one.role, layers].append(one)
    found: dict[tuple[str, str], dict[str, tuple[int, list[Contrast]]]] = defaultdict(dict)
    for (place, name, role, layers), several in rows.items():
        if len(several) > 1:
            found[place, name][role] = layers, several
    return found


def errors_of(
    twins: Iterable[Twin], one: Contrast, layers: int, arm: str
) -> dict[float, list[float]]:
    """Budget -> the training errors of an arm of a contrast at one depth, by seed."""
    found: dict[float, list[float]] = defaultdict(list)
    place = ("ladder", one.order, one.role, one.blocks[layers], arm)
    for twin in sorted(twins, key=lambda twin: twin.seed):
        if (twin.comparison, twin.order, twin.role, twin.depth, twin.arm) == place:
            found[twin.budget].append(twin.outcomes["train_error"])
    return found
