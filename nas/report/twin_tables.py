"""Tables of the twins: every gain with its interval and pairs, and what else could explain it."""

import math
from collections.abc import Iterable, Mapping, Sequence
from statistics import median
from typing import Any

from nas.payoff.analysis import Contrast, Payoff
from nas.payoff.twins import CONTROL
from nas.report.content import Kind, Table
from nas.report.rows import Row, finite
from nas.report.style import number, signed
from nas.report.twin_figures import ROLES
from nas.statistics import Effect, StageEffects
from nas.trainability import PROBE_MEASURES, RUN_MEASURES, Measure

#: pairs up to which each one is printed
PRINTED_PAIRS = 5
CHANCE = "three quarters of the loss of guessing"


def effect_cell(effect: Effect | None, digits: int = 1) -> str:
    """+1.2 [0.5, 1.9], and `not resolved` where the interval crosses zero."""
    if effect is None:
        return "–"
    if not (math.isfinite(effect.low) and math.isfinite(effect.high)):
        return f"{signed(effect.mean, digits)} (one pair, no interval)"
    text = f"{signed(effect.mean, digits)} [{signed(effect.low, digits)}, {signed(effect.high, digits)}]"
    return text if effect.resolved else f"{text} not resolved"


def pairs_cell(effect: Effect) -> str:
    """Every pair where there are five or fewer."""
    if effect.n > PRINTED_PAIRS:
        return "–"
    return ", ".join(signed(pair) for pair in effect.pairs)


def gains(contrasts: Iterable[tuple[str, Contrast]], title: str, note: str) -> Table:
    """One row for each contrast and depth; each contrast with the name of its comparison."""
    head = ("comparison", "arm", "against", "activation order", "learning rate", "budget", "layers", "pairs",
            "gain in training error (points)", "gain in validation error (points)",
            "each training pair", "each validation pair")  # fmt: skip
    rows = [
        (name, Kind(one.arm), Kind(one.reference), one.order, rate_cell(one, layers), f"{one.budget} ×",
         str(layers), str(training.n), effect_cell(training), effect_cell(one.gains["val_error"][layers]),
         pairs_cell(training), pairs_cell(one.gains["val_error"][layers]))
        for name, one in contrasts
        for layers, training in one.gains["train_error"].items()
    ]  # fmt: skip
    return Table(title, head, rows, note, folded=len(rows) > 8)


def rate_cell(one: Contrast, layers: int) -> str:
    """At which learning rates the arms stand."""
    reference, arm = one.rates[layers]
    text = ROLES.get(one.role, one.role)
    return f"{text}, {arm:g}" if arm == reference else f"{text}, {arm:g} against {reference:g}"


def primary(payoff: Payoff) -> Table:
    """The comparisons fixed beforehand, corrected for their number."""
    rows = [
        (claim.name, effect_cell(claim.effect), str(claim.effect.n), pairs_cell(claim.effect),
         number(claim.p_adjusted), claim.test or "–", claim.status)
        for claim in payoff.claims.values()
        if claim.status != "exploratory"
    ]  # fmt: skip
    head = ("comparison", "points", "pairs", "each pair", "p (Holm)", "test", "verdict")
    return Table("Primary comparisons, fixed before the first twin was trained", head, rows)


def stage_table(stages: StageEffects) -> Table:
    """What the shortcuts of each stage are worth, in four ways."""
    head = ("stage", "cost of removing", "gain when alone", "mean gain", "Shapley value", "each pair of removing")
    rows = [
        (str(stage + 1), effect_cell(removal), effect_cell(stages.alone.get(stage)),
         effect_cell(stages.main.get(stage)), effect_cell(stages.shapley.get(stage)), pairs_cell(removal))
        for stage, removal in stages.removal.items()
    ]  # fmt: skip
    n = stages.total.n
    note = (
        f"Points of training error, {n} {'seed' if n == 1 else 'seeds'}, every combination of stages trained. "
        f"All stages together: {effect_cell(stages.total)}. Mean gain: over all settings of the other stages. "
        "Exploratory: not corrected for their number."
    )
    return Table("Shortcuts by stage", head, rows, note)


def interactions(stages: StageEffects) -> Table:
    """How much the shortcuts of one stage raise the gain of another's."""
    rows = [
        (" × ".join(str(stage + 1) for stage in some), effect_cell(effect), pairs_cell(effect))
        for some, effect in stages.interaction.items()
    ]
    head = ("stages", "interaction (points)", "each pair")
    return Table("Interactions of stages", head, rows, "Positive: each helps more where the other has shortcuts.", folded=True)


def speed(contrasts: Sequence[Contrast]) -> Table:
    """Steps to a threshold of the loss, and how often training failed."""
    head = ("arm", "against", "activation order", "learning rate", "layers", "steps", "steps of the other",
            "times as fast", "never there", "failed", "difference of failure rates")  # fmt: skip
    rows = []
    for one in contrasts:
        for layers, fast in one.speed.items():
            failed = one.stability[layers]
            ratio = f"{'at least ' if fast.at_least else ''}{fast.ratio:.2f} {bounds(fast.low, fast.high)}"
            rows.append(
                (Kind(one.arm), Kind(one.reference), one.order, ROLES.get(one.role, one.role), str(layers),
                 number(fast.residual_mean), number(fast.plain_mean), ratio,
                 f"{fast.residual_never} against {fast.plain_never}",
                 f"{failed.residual.count} against {failed.plain.count} of {failed.n}",
                 f"{signed(100 * failed.gain, 0)} points {bounds(100 * failed.low, 100 * failed.high, 0)}")
            )  # fmt: skip
    note = (
        f"Steps until the training loss is below {CHANCE}; a run that never gets there counts with the steps "
        "it had (restricted mean). Failed: diverged, or never started."
    )
    return Table("Speed and stability", head, rows, note, folded=len(rows) > 8)


def bounds(low: float, high: float, digits: int = 2) -> str:
    """An interval, or that there is none."""
    if not (math.isfinite(low) and math.isfinite(high)):
        return "(no interval)"
    return f"[{low:.{digits}f}, {high:.{digits}f}]".replace("-", "\N{MINUS SIGN}")


def capacity(payoff: Payoff) -> Table:
    """How many parameters the arms have, and whether they started from the same weights."""
    head = ("arm", "against", "activation order", "layers", "parameters", "of the other", "difference", "same initial weights")
    rows: dict[tuple[str, ...], None] = {}
    for one in [*payoff.ladder, *(c for group in payoff.candidates.values() for c in group)]:
        for layers, (reference, arm) in one.parameters.items():
            same = "yes" if one.same_start else "no: widths differ" if CONTROL in (one.reference, one.arm) else "no"
            rows[Kind(one.arm), Kind(one.reference), one.order, str(layers), f"{arm:,}", f"{reference:,}",
                 signed(arm - reference, 0), same] = None  # fmt: skip
    return Table("Parameters of the arms", head, list(rows), folded=len(rows) > 8)


def crossovers(payoff: Payoff) -> Table:
    """The depth at which each arm has its least training error."""
    rows = [
        (name, str(one.depth), f"{one.low} to {one.high}", "yes, may lie deeper" if one.censored else "no", str(one.n))
        for name, one in payoff.crossover.items()
    ]
    head = ("arm", "layers of least training error", "95% interval", "reaches the deepest one", "seeds")
    return Table("From which depth on an arm gets worse", head, rows, folded=len(rows) > 8)


def budgets(payoff: Payoff) -> Table:
    """Whether a gain is one of accuracy, or of speed that a longer run makes up for."""
    rows = [
        (name, one.verdict, one.reason, effect_cell(one.trend) if one.trend else "–")
        for name, one in payoff.budgets.items()
    ]
    head = ("comparison", "verdict", "why", "change of the gain, longest less shortest budget (points)")
    return Table("Accuracy or speed?", head, rows)


def trainability(arms: Mapping[str, Sequence[Row]], title: str) -> Table:
    """Medians of the measures of each arm, at the start and the end where they are probed."""
    measures = [m for m in (*RUN_MEASURES, *PROBE_MEASURES) if not m.by_block]
    rows = [
        (f"{m.label}{f' ({m.unit})' if m.unit else ''}", *(measure_cell(m, rows) for rows in arms.values()))
        for m in measures
    ]
    rows = [row for row in rows if any(cell != "–" for cell in row[1:])]
    head = ("measure", *(f"{arm} (n = {len(own)})" for arm, own in arms.items()))
    note = "Medians over seeds. Probed measures: before the first step → at the end of training."
    return Table(title, head, rows, note)


def measure_cell(measure: Measure, rows: Sequence[Row]) -> str:
    """One measure of one arm."""
    if measure.source == "probe":
        ends = [middle(measure, [row.probes(step).get(measure.name) for row in rows]) for step in ("0", "end")]
        return "–" if ends == ["–", "–"] else " → ".join(ends)
    values = [row.measures.get(measure.name) for row in rows if measure.name in row.measures]
    if values and all(isinstance(value, bool) for value in values):
        return f"{sum(values)} of {len(values)}"
    return steps_cell(values) if measure.unit == "steps" else middle(measure, values)


def steps_cell(values: Sequence[Any]) -> str:
    """The median step; a run that never got there counts as later than all others."""
    if not values:
        return "–"
    never = sum(value is None for value in values)
    typical = median(math.inf if value is None else value for value in values)
    text = "never" if math.isinf(typical) else f"{typical:.0f}"
    return f"{text} (never in {never} of {len(values)})" if never else text


def middle(measure: Measure, values: Sequence[Any]) -> str:
    """The median of the finite values, in the measure's own format."""
    known = [number for number in map(finite, values) if number is not None]
    if not known:
        return "–"
    value = median(known)
    return f"{round(value):d}" if measure.format == "d" else f"{value:{measure.format}}".replace("-", "\N{MINUS SIGN}")
