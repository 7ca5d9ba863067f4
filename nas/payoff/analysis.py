"""Finished twins -> all that they say: gains by depth, stage, candidate and budget."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from optuna.study import Study
from optuna.trial import FrozenTrial

from nas import statistics as st
from nas.payoff.additions import (
    decided,
    missing_runs,
    primary_runs,
    stage_runs,
    with_added,
)
from nas.payoff.block_masks import MASKS, ORDERS, numbers
from nas.payoff.contrasts import BESIDES, Contrast, contrasts, gain_change, order_contrasts
from nas.payoff.failures import failed_keys, lost_runs
from nas.payoff.gain_maps import gain_maps
from nas.payoff.random_parts import random_parts
from nas.payoff.records import OUTCOMES, Twin, finished_twins, largest, shortened
from nas.payoff.rival_gains import RivalGains, rival_gains
from nas.payoff.runs import UniqueKey
from nas.payoff.tuning import Tuned, tuned_rates
from nas.payoff.variants import AS_FOUND, CONTROL, HAVE_PLAIN, mask_name, masks
from nas.storage.bulk_read import trials_of
from nas.training.metrics import PROBE_STEPS

#: what is stored of a twin and not compared
UNUSED = tuple(f"probes_{step}" for step in (*PROBE_STEPS, "end"))
#: what is kept of others
BRIEF: dict[str, Callable[[Any], Any]] = {"result": shortened, "candidate": random_parts}


@dataclass(frozen=True)
class Variant:
    """A contrast in a variant of the ladder, and how much more its arm gains there."""

    contrast: Contrast
    change: st.Effect | None


@dataclass(frozen=True)
class Payoff:
    """All that the twins of a study say: `orders` are activation orders against each other,
    `variants` the ladder with other blocks and widths, `rankings` whether the order of the arms
    holds at other budgets, `maps` the gain over depth, width and budget, `rivals` what else has a
    part of the gain. Every number is of the
    planned twins alone; `with_added` are the contrasts that have more runs than planned, by
    comparison.

    missing: planned runs of the primary comparisons that have not ended: until then none of these
    is decided. failures: runs that ended with an error and were not run again.
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
    missing: int = 0
    added: list[Twin] = field(default_factory=list)
    with_added: dict[str, list[Contrast]] = field(default_factory=dict)
    tuned: list[Tuned] = field(default_factory=list)
    blocks: dict[str, st.BlockEffects] = field(default_factory=dict)
    maps: dict[str, st.GainModel] = field(default_factory=dict)
    rivals: list[RivalGains] = field(default_factory=list)

    @property
    def is_sequential(self) -> bool:
        """Whether pairs were added until the primary comparisons were decided."""
        return "until" in self.primary


def analyse(study: Study, trials: list[FrozenTrial] | None = None) -> Payoff:
    """Compare the finished twins of a study, whose trials may have been read already."""
    trials = trials_of(study, UNUSED, BRIEF) if trials is None else trials
    attrs = study.user_attrs
    return replace(
        compare(finished_twins(attrs, trials), attrs["payoff"], failed_keys(attrs, trials)),
        study=attrs["twins_of"],
        waiting=sum(not trial.state.is_finished() for trial in trials),
        failures=lost_runs(attrs, trials),
    )


def compare(
    every: list[Twin], fixed: Mapping[str, Any], failed: Collection[UniqueKey] = frozenset()
) -> Payoff:
    """Compare twins by the plan that was written before the first of them (`fixed`: vary,
    smallest_effect, primary and stages); `failed` are the planned runs that ended with an error.
    """
    primary, smallest = fixed["primary"], fixed["smallest_effect"]
    twins = [twin for twin in every if not twin.added]
    added = [twin for twin in every if twin.added]
    names = list(dict.fromkeys(t.comparison for t in every))
    reference = references(names, fixed)

    def of(comparison: str) -> list[Contrast]:
        return list(contrasts(twins, comparison, reference[comparison], smallest))

    ladder = of("ladder") if "ladder" in names else []
    candidates = {name: of(name) for name in names if name.startswith("top")}
    planned_stages = stage_tables(twins)
    ended = {twin.key for twin in twins} | set(failed)
    missing = 0 if "until" in primary else missing_runs(primary_runs(primary), ended)
    stages_missing = missing_runs(stage_runs(fixed.get("stages")), ended)
    budgets = budget_verdicts(twins, ladder, smallest)
    return Payoff(
        study="",
        vary=fixed["vary"],
        smallest_effect=smallest,
        twins=twins,
        ladder=ladder,
        candidates=candidates,
        orders=order_contrasts(twins, smallest),
        variants={
            name: [Variant(one, gain_change(twins, name, one)) for one in of(name)]
            for name in names
            if name.startswith(("block ", "width "))
        },
        stages=planned_stages or stage_tables(added),
        claims=decided(claims(ladder, candidates, primary), missing),
        stage_claims=decided(stage_claims(planned_stages), stages_missing),
        crossover=crossovers(twins),
        budgets={
            f"{name}, {place}": v for place, row in budgets.items() for name, v in row.items()
        },
        rankings={place: st.order_verdict(row) for place, row in budgets.items()},
        primary=primary,
        missing=missing,
        added=added,
        with_added=with_added(every, reference, smallest),
        blocks=block_tables(twins, fixed.get("blocks")) or block_tables(added, None),
        maps=gain_maps(twins, ladder),
        rivals=rival_gains(twins, smallest, fixed.get("rivals")),
        tuned=tuned_of(every, primary.get("tuned_by", "val_error")),
    )


def references(names: Iterable[str], fixed: Mapping[str, Any]) -> dict[str, str | None]:
    """Comparison -> the arm against which the others stand; None for the first one."""
    has_plain = fixed["vary"] in HAVE_PLAIN
    planned = fixed["primary"].get("comparisons", [])
    ladder = planned[0][2] if planned else "none" if has_plain else None
    return {
        name: ladder if not name.startswith("top") else "none" if has_plain else AS_FOUND
        for name in names
    }


def tuned_of(twins: Iterable[Twin], outcome: str) -> list[Tuned]:
    """The grids of learning rates from which a rate was taken; one not finished says nothing."""
    every = list(twins)
    shared = {twin.comparison: twin.lr for twin in every if twin.role == "shared"}
    taken = {twin.place: twin.lr for twin in every if twin.role == "own"}
    tuning = [twin for twin in every if twin.place in taken and twin.comparison in shared]
    return list(tuned_rates(tuning, shared, outcome, taken).values())


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


def block_tables(
    twins: Iterable[Twin], planned: Mapping[str, int] | None
) -> dict[str, st.BlockEffects]:
    """Outcome -> effects of the shortcuts of single blocks, where masks were trained; nothing is
    sure before all that were planned have finished, nor of those that were added.
    """
    known = list(twins)
    masks = [twin for twin in known if twin.comparison == MASKS]
    orders: dict[int, list[Twin]] = defaultdict(list)
    for one in known:
        if one.comparison == ORDERS:
            orders[one.seed].append(one)
    if not masks and not orders:
        return {}
    whole = planned is not None and len(masks) >= planned["masks"]
    found = {
        outcome: st.block_effects(
            [numbers(twin.arm) for twin in masks],
            [twin.seed for twin in masks],
            [twin.outcomes[outcome] for twin in masks],
            [{numbers(t.arm): t.outcomes[outcome] for t in row} for row in orders.values()],
            largest=largest(outcome),
        )
        for outcome in OUTCOMES
    }
    return found if whole else {name: unsure(one) for name, one in found.items()}


def unsure(effects: st.BlockEffects) -> st.BlockEffects:
    """The effects, none of which is sure."""
    main = {block: replace(one, sure=False) for block, one in effects.main.items()}
    run = replace(effects.run, sure=False) if effects.run else None
    return replace(effects, main=main, run=run)


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


def claims(
    ladder: list[Contrast], candidates: dict[str, list[Contrast]], primary: Mapping[str, Any]
) -> dict[str, st.Claim]:
    """The primary family, corrected, and everything else as exploratory; of pairs that are added
    until they decide, `nas.payoff.primary` alone says what may be claimed.
    """
    family: dict[str, st.Effect] = {}
    other: dict[str, st.Effect] = {}
    for one in ladder:
        name = f"{one.reference} → {one.arm}, {one.order}, {one.role} rate, budget {one.budget}"
        kind = family if is_primary(one, primary) and "until" not in primary else other
        if "train_error" in one.interaction:
            effect = one.interaction["train_error"]
            kind[f"{name}: difference in differences of training error"] = effect
        elif len(one.gains["train_error"]) == 1:
            ((layers, effect),) = one.gains["train_error"].items()
            kind[f"{name}: gain in training error at {layers} layers"] = effect
        for layers, effect in one.gains["val_error"].items():
            other[f"{name}: validation gain at {layers} layers"] = effect
    for rank, rows in candidates.items():
        for one in rows:
            for layers, effect in one.gains["val_error"].items():
                other[f"{rank}: {one.reference} → {one.arm} at {layers} layers"] = effect
    return st.family(family, other, planned=len(primary.get("comparisons", [])) if family else 0)


def is_primary(one: Contrast, primary: Mapping[str, Any]) -> bool:
    """Whether a contrast of the ladder was named beforehand."""
    if "comparisons" in primary:
        names = [one.order, one.role, one.reference, one.arm]
        return one.budget == 1 and names in primary["comparisons"]
    return one.budget == 1 and (one.reference, one.arm) not in BESIDES


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
