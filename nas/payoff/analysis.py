"""Finished twins -> effects with intervals: gains by depth, stage, candidate and budget."""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from nas import statistics as st
from nas.payoff.running import cells_of
from nas.payoff.twins import CONTROL

#: measures in which arms are compared: name -> (label, unit); all are better when smaller
OUTCOMES = {
    "train_error": ("training error", "points"),
    "val_error": ("validation error", "points"),
    "loss_area": ("mean training loss", "nats"),
}


#: compared as well where both arms were trained: does a projection gain by more than its
#: parameters, and does identity do better than projection?
BESIDES = ((CONTROL, "projection"), ("projection", "identity"))


@dataclass(frozen=True)
class Twin:
    """One finished run at one place of the comparison; errors in points (per cent)."""

    trial: int
    comparison: str
    order: str
    depth: int
    arm: str
    role: str
    lr: float
    budget: int
    seed: int
    layers: int
    parameters: int
    epochs: int
    steps: int
    outcomes: dict[str, float]
    failed: bool
    steps_to: int | None
    initial_hash: str
    seconds: float


def finished_twins(study: Study) -> list[Twin]:
    """Every finished run at each of its places."""
    done = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    measured = [trial for trial in done if "result" in trial.user_attrs]
    return [twin(trial, cell) for trial in measured for cell in cells_of(study, trial)]


def twin(trial: FrozenTrial, cell: dict[str, Any]) -> Twin:
    """A trial at one place."""
    attrs, result = trial.user_attrs, json.loads(trial.user_attrs["result"])
    measures = result["measures"]
    return Twin(
        trial=trial.number,
        **cell,
        layers=attrs["layers"],
        parameters=attrs["parameters"],
        epochs=len(result["curve"]),
        steps=result["losses"][-1][0] + 1 if result["losses"] else 0,
        outcomes={
            "train_error": 100 * measures["train_error"],
            "val_error": 100 * (1 - attrs["val_accuracy"]),
            "loss_area": measures["loss_area"],
        },
        failed=bool(measures["diverged"]) or not measures["started"],
        steps_to=measures["steps_to_75"],
        initial_hash=result["initial_hash"],
        seconds=result["seconds"],
    )


Table = dict[int, dict[str, dict[int, Twin]]]


@dataclass(frozen=True)
class Contrast:
    """One arm against a better-connected one, by depth: gains are reference less arm, so positive
    where the arm is better. Depths are layers."""

    order: str
    role: str
    budget: int
    reference: str
    arm: str
    gains: dict[str, dict[int, st.Effect]]
    interaction: dict[str, st.Effect]
    onset: st.OnsetDepth | None
    speed: dict[int, st.SpeedUp]
    stability: dict[int, st.StabilityGain]
    parameters: dict[int, tuple[int, int]]
    rates: dict[int, tuple[float, float]]
    same_start: bool


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


def contrasts(
    twins: Iterable[Twin], comparison: str, reference: str | None, smallest_effect: float
) -> Iterator[Contrast]:
    """Every arm against the reference (without one, the first arm), by order, role and budget."""
    groups: dict[tuple[str, str, int], list[Twin]] = defaultdict(list)
    for one in twins:
        if one.comparison == comparison and one.role != "tune":
            groups[one.order, one.role, one.budget].append(one)
    for (order, role, budget), group in sorted(groups.items()):
        arms = list(dict.fromkeys(one.arm for one in group))
        against = reference if reference in arms else arms[0]
        compared = [(against, arm) for arm in arms if arm not in (against, CONTROL)]
        for pair in [*compared, *BESIDES]:
            pairs = paired(group, *pair)
            if pairs:
                yield contrast((order, role, budget), pair, pairs, smallest_effect)


Pairs = dict[int, list[tuple[Twin, Twin]]]


def paired(group: Iterable[Twin], reference: str, arm: str) -> Pairs:
    """Depth in layers of the arm -> (reference, arm) of the same seed, in the order of seeds."""
    table: dict[tuple[int, int], dict[str, Twin]] = defaultdict(dict)
    for one in group:
        table[one.depth, one.seed][one.arm] = one
    pairs: Pairs = defaultdict(list)
    for (_, _), arms in sorted(table.items()):
        if reference in arms and arm in arms:
            pairs[arms[arm].layers].append((arms[reference], arms[arm]))
    return dict(pairs)


def contrast(
    place: tuple[str, str, int], arms: tuple[str, str], pairs: Pairs, smallest_effect: float
) -> Contrast:
    """All effects of one contrast."""
    gains = {
        outcome: {
            layers: st.paired_effect([a.outcomes[outcome] - b.outcomes[outcome] for a, b in rows])
            for layers, rows in sorted(pairs.items())
        }
        for outcome in OUTCOMES
    }
    depths = sorted(pairs)
    ends = common_seeds(pairs, depths[0], depths[-1])
    return Contrast(
        *place,
        *arms,
        gains=gains,
        interaction={name: interaction(ends, name) for name in OUTCOMES} if ends else {},
        onset=st.onset_depth(gains["train_error"], smallest_effect) if len(depths) > 1 else None,
        speed={layers: speed(rows) for layers, rows in sorted(pairs.items())},
        stability={
            layers: st.stability_gain([a.failed for a, _ in rows], [b.failed for _, b in rows])
            for layers, rows in sorted(pairs.items())
        },
        parameters={d: (pairs[d][0][0].parameters, pairs[d][0][1].parameters) for d in depths},
        rates={d: (pairs[d][0][0].lr, pairs[d][0][1].lr) for d in depths},
        same_start=all(
            a.initial_hash == b.initial_hash for rows in pairs.values() for a, b in rows
        ),
    )


def common_seeds(pairs: Pairs, shallow: int, deep: int) -> Pairs:
    """The pairs at two depths of the seeds that both have; none where the depths are one."""
    seeds = {a.seed for a, _ in pairs[shallow]} & {a.seed for a, _ in pairs[deep]}
    if shallow == deep or not seeds:
        return {}
    return {d: [pair for pair in pairs[d] if pair[0].seed in seeds] for d in (shallow, deep)}


def interaction(pairs: Pairs, outcome: str) -> st.Effect:
    """The difference in differences between the shallowest and the deepest networks."""
    reference, arm = (
        {layers: [pair[side].outcomes[outcome] for pair in rows] for layers, rows in pairs.items()}
        for side in (0, 1)
    )
    return st.degradation_difference(reference, arm)


def speed(rows: list[tuple[Twin, Twin]]) -> st.SpeedUp:
    """Steps to three quarters of the loss of guessing, reference against arm."""
    horizon = max(twin.steps for pair in rows for twin in pair)
    return st.speed_up([a.steps_to for a, _ in rows], [b.steps_to for _, b in rows], horizon)


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
