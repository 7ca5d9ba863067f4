"""The analysis on synthetic studies with a known truth: how often is it right?

Each study yields (what was asked, was it so); `rates` counts over many, `judge` holds them to
`BARS`.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from math import inf, log

import numpy as np

from experiments.coverage.methods import ends, percentile
from experiments.planted_truth import generator as truth
from experiments.planted_truth import search
from nas.statistics import (
    Effect,
    crossover_depth,
    degradation_difference,
    family,
    marginal_effects,
    onset_depth,
    paired_effect,
    sequential_answers,
    speed_up,
    stability_gain,
    stage_effects,
    twin_gain,
)

PAIRS = (5, 6, 7, 8)
MOST_LOOKS = 20
SMALLEST_EFFECT = 1.0
LARGEST = 100.0
"""Errors lie between 0 and it."""
PLANTED_SD = 3.0
"""A planted effect counts from this many sd of a pair on."""

COVERAGE, AT_LEAST_COVERAGE, FALSE, NAMED = (0.92, 0.98), (0.92, 1.0), (0.0, 0.06), (0.95, 1.0)
BARS = {
    "twin gain": COVERAGE,
    "degradation difference": COVERAGE,
    "stage main effect": COVERAGE,
    "stage Shapley value": COVERAGE,
    "speed-up": COVERAGE,
    "twin gain of the search's best": COVERAGE,
    "stability gain": AT_LEAST_COVERAGE,
    "crossover depth": AT_LEAST_COVERAGE,
    "onset claimed too shallow": FALSE,
    "false claim": FALSE,
    "false claim, a look after every pair": FALSE,
    "false claim beside a planted stage": FALSE,
    "planted stage named": NAMED,
}
"""Intervals of counts and of depths can only jump, so they may cover too often."""
NAIVE = {
    "naive: percentile bootstrap of 3 pairs": COVERAGE,
    "naive: percentile bootstrap of all pairs": COVERAGE,
    "naive: marginal effect in the search": COVERAGE,
    "naive: uncorrected false claim": FALSE,
}
"""What a careless analysis does, held to the same bars: it must fail them all."""

Outcome = tuple[str, bool]
Rates = dict[str, tuple[float, int]]


def holds(low: float, high: float, true: float) -> bool:
    """Whether an interval covers the truth, but for rounding."""
    return low - 1e-9 <= true <= high + 1e-9


def covers(effect: Effect, true: float) -> bool:
    """Whether the interval of an effect does."""
    return holds(effect.low, effect.high, true)


def study(rng: np.random.Generator) -> Iterator[Outcome]:
    """One study: is each interval right?"""
    world, n = truth.draw_world(rng), int(rng.choice(PAIRS))
    yield from ladder(world, n, rng)
    yield from stages(world, n, rng)
    yield from stability(world, n, rng)
    yield from candidate(world, n, rng)


def ladder(world: truth.World, n: int, rng: np.random.Generator) -> Iterator[Outcome]:
    """Twin gain by depth, onset depth, difference in differences, crossover depth."""
    plain, residual = truth.draw_ladder(world, n, rng)
    true_gain = truth.true_gains(world)
    gains = twin_gain(plain, residual, largest=LARGEST)
    for depth, effect in gains.items():
        yield "twin gain", covers(effect, true_gain[depth])
        yield f"twin gain, {world.name}", covers(effect, true_gain[depth])
        yield f"twin gain, {n} pairs", covers(effect, true_gain[depth])
    onset = onset_depth(gains, SMALLEST_EFFECT).depth
    too_shallow = onset is not None and true_gain[onset] <= SMALLEST_EFFECT
    yield "onset claimed too shallow", too_shallow
    true_difference = true_gain[world.depths[-1]] - true_gain[world.depths[0]]
    effect = degradation_difference(plain, residual, largest=LARGEST)
    yield "degradation difference", covers(effect, true_difference)
    yield f"degradation difference, {world.name}", covers(effect, true_difference)
    for name, pairs in (("3 pairs", effect.pairs[:3]), ("all pairs", effect.pairs)):
        naive = ends(percentile, np.array(pairs))
        yield f"naive: percentile bootstrap of {name}", holds(*naive, true_difference)
    true_error = {d: truth.true_error(world, d, truth.NONE) for d in world.depths}
    crossover = crossover_depth(plain)
    best = min(true_error, key=lambda depth: true_error[depth])
    yield "crossover depth", crossover.low <= best <= crossover.high


def stages(world: truth.World, n: int, rng: np.random.Generator) -> Iterator[Outcome]:
    """Main effects and Shapley values by stage."""
    effects = stage_effects(truth.draw_factorial(world, n, rng), largest=LARGEST)
    main, shapley = truth.true_stage_gains(world)
    for stage in range(3):
        yield "stage main effect", covers(effects.main[stage], main[stage])
        yield f"stage main effect, {world.name}", covers(effects.main[stage], main[stage])
        yield "stage Shapley value", covers(effects.shapley[stage], shapley[stage])


def stability(world: truth.World, n: int, rng: np.random.Generator) -> Iterator[Outcome]:
    """Speed-up in steps and difference of failure rates at the deepest network."""
    deep, masks = world.depths[-1], (truth.NONE, truth.ALL)
    plain, residual = (truth.draw_steps(world, deep, mask, n, rng) for mask in masks)
    slow, fast = (truth.true_log_steps(world, deep, mask) for mask in masks)
    ratio = speed_up(plain.tolist(), residual.tolist(), truth.HORIZON)
    if ratio.ratio is not None:
        low = -inf if ratio.low is None else log(ratio.low)
        high = inf if ratio.high is None else log(ratio.high)
        yield "speed-up", holds(low, high, slow - fast)
    luck = rng.standard_normal(n)
    failed = [truth.draw_logits(world, deep, m, luck, rng) > world.stuck for m in masks]
    gain = stability_gain(*(arm.tolist() for arm in failed))
    often, seldom = (truth.true_failure_rate(world, deep, mask) for mask in masks)
    yield "stability gain", holds(gain.low, gain.high, often - seldom)


def candidate(world: truth.World, n: int, rng: np.random.Generator) -> Iterator[Outcome]:
    """Twins of the candidate a search picked, and what the rows of that search seem to say."""
    rows = search.run_search(world, rng)
    best = search.incumbent(rows)
    depth, shift = world.depths[best.choices[0]], search.offset(world, best.choices)
    errors = [truth.true_error(world, depth, mask, shift) for mask in (truth.NONE, truth.ALL)]
    twins = paired_effect(search.draw_twins(world, best.choices, n, rng))
    yield "twin gain of the search's best", covers(twins, errors[0] - errors[1])
    finished = [row for row in rows if not row.pruned]
    kinds = [search.SHORTCUTS[row.choices[1]] for row in finished]
    for effect in marginal_effects({"shortcut": kinds}, [row.error for row in finished]):
        true = search.true_marginal(world, search.SHORTCUTS.index(str(effect.option)))
        yield "naive: marginal effect in the search", holds(effect.low, effect.high, true)


def primary_family(world: truth.World, n: int, rng: np.random.Generator) -> dict[str, Effect]:
    """Hypotheses named beforehand: difference in differences, and the main effect of each stage."""
    effects = stage_effects(truth.draw_factorial(world, n, rng), largest=LARGEST)
    depth = degradation_difference(*truth.draw_ladder(world, n, rng), largest=LARGEST)
    return {"depth": depth} | {f"stage {i}": effect for i, effect in effects.main.items()}


def null_study(rng: np.random.Generator) -> Iterator[Outcome]:
    """Shortcuts do nothing: is anything claimed? And by 95% intervals without correction?"""
    world, n = truth.without_effect(truth.draw_world(rng)), int(rng.choice(PAIRS))
    effects = primary_family(world, n, rng)
    claims = family(effects).values()
    yield "false claim", any(claim.status == "resolved" for claim in claims)
    yield "naive: uncorrected false claim", any(effect.resolved for effect in effects.values())
    looks = sequential_answers({name: ladder_pairs(world, rng) for name in "abcd"}, 0.0).values()
    yield "false claim, a look after every pair", any(one.is_decided for _, one in looks)


def ladder_pairs(world: truth.World, rng: np.random.Generator) -> Effect:
    """Pairs of the difference in differences as they come, without an interval yet."""
    plain, residual = truth.draw_ladder(world, MOST_LOOKS, rng)
    shallow, *_, deep = sorted(plain)
    pairs = plain[deep] - plain[shallow] - (residual[deep] - residual[shallow])
    return Effect(float(pairs.mean()), -inf, inf, tuple(pairs.tolist()), None, 0.95, "none")


def planted_study(rng: np.random.Generator) -> Iterator[Outcome]:
    """Shortcuts matter in one stage: is that stage named, and another one never?"""
    stage, n = int(rng.integers(3)), int(rng.choice(PAIRS))
    world = truth.in_one_stage(truth.draw_world(rng, weakest=0.02), stage)
    size = truth.true_stage_gains(world)[0][stage] / truth.stage_pair_sd(world, stage, rng)
    claims = family(primary_family(world, n, rng))
    found = {k: c.effect.mean for k, c in claims.items() if c.status == "resolved" and k != "depth"}
    yield "false claim beside a planted stage", bool(found.keys() - {f"stage {stage}"})
    if size >= PLANTED_SD:
        named = max(found, key=lambda name: found[name], default="none") == f"stage {stage}"
        yield "planted stage named", named
        yield f"planted stage named, {n} pairs", named
        yield f"planted stage named, {'below' if size < PLANTED_SD + 1 else 'from'} 4 sd", named


STUDIES = {"effect": study, "null": null_study, "planted": planted_study}


def rates(studies: int, seed: int) -> Rates:
    """How often each outcome was true and out of how many, over studies of every kind."""
    seen: dict[str, list[bool]] = defaultdict(list)
    for kind, run in enumerate(STUDIES.values()):
        for child in np.random.SeedSequence([seed, kind]).spawn(studies):
            for name, value in run(np.random.default_rng(child)):
                seen[name].append(bool(value))
    return {name: (float(np.mean(values)), len(values)) for name, values in sorted(seen.items())}


def judge(found: Rates, bars: Mapping[str, tuple[float, float]]) -> dict[str, bool]:
    """Which of the bars are kept."""
    return {name: low <= found[name][0] <= high for name, (low, high) in bars.items()}
