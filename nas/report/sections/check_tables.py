"""Tables of what else could explain the gains: speed, failures, capacity, budget, trainability."""

import math
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from nas.payoff.analysis import Payoff
from nas.payoff.contrasts import Contrast
from nas.payoff.records import OUTCOMES
from nas.payoff.variants import CONTROL
from nas.report.document import Kind, Table
from nas.report.sections.twin_figures import ROLES
from nas.report.sections.twin_tables import MANY, effect_cell
from nas.report.style import MINUS, counted, number, signed
from nas.report.trial_rows import Row, finite
from nas.statistics import SpeedUp
from nas.training.metrics import PROBE_MEASURES, RUN_MEASURES, Measure


def speed(contrasts: Sequence[Contrast]) -> Table:
    """Steps to a threshold of the loss, and how often training failed."""
    head = (
        *("arm", "against", "activation order", "learning rate", "layers", "steps"),
        *("steps of the other", "times as fast", "never there", "failed"),
        "difference of failure rates (points)",
    )
    rows = [speed_row(one, layers) for one in contrasts for layers in one.speed]
    note = (
        "Steps until the training loss is below three quarters of that of guessing; a run that "
        "never gets there counts with the steps it had (restricted mean). Failed: diverged, or "
        "never started."
    )
    return Table("Speed and stability", head, rows, note, folded=len(rows) > MANY)


def speed_row(one: Contrast, layers: int) -> tuple[str, ...]:
    """A contrast at one depth."""
    fast, failed = one.speed[layers], one.stability[layers]
    gain = f"{signed(100 * failed.gain, 0)} {bounds(100 * failed.low, 100 * failed.high, 0)}"
    return (
        *(Kind(one.arm), Kind(one.reference), one.order, ROLES.get(one.role, one.role)),
        *(str(layers), number(fast.residual_mean), number(fast.plain_mean), ratio_cell(fast)),
        f"{fast.residual_never} against {fast.plain_never}",
        f"{failed.residual.count} against {failed.plain.count} of {failed.n}",
        gain if failed.resolved else f"{gain} not resolved",
    )


def ratio_cell(fast: SpeedUp) -> str:
    """How many times as fast, with the ends that are known."""
    if fast.ratio is None:
        return "not told: none got there" if fast.none_got_there else "not told: some of both never"
    ratio = f"{fast.ratio:.2f}"
    if fast.saved.n == 1:
        return f"{ratio} (no interval)"
    if fast.high is None:
        text = f"at least {ratio} [{fast.low:.2f}, …)"
    elif fast.low is None:
        text = f"at most {ratio} (…, {fast.high:.2f}]"
    else:
        text = f"{ratio} {bounds(fast.low, fast.high)}"
    return text if fast.resolved else f"{text} not resolved"


def bounds(low: float, high: float, digits: int = 2) -> str:
    """An interval, or that there is none."""
    if not (math.isfinite(low) and math.isfinite(high)):
        return "(no interval)"
    return f"[{low:.{digits}f}, {high:.{digits}f}]".replace("-", MINUS)


def capacity(payoff: Payoff) -> Table:
    """How many parameters the arms have, and whether they started from the same weights."""
    groups = [payoff.ladder, *payoff.candidates.values()]
    rows = {
        capacity_row(one, layers): None
        for group in groups
        for one in group
        for layers in one.parameters
    }
    head = (
        *("arm", "against", "activation order", "layers", "parameters", "of the other"),
        *("difference", "same initial weights"),
    )
    return Table("Parameters of the arms", head, list(rows), folded=len(rows) > MANY)


def capacity_row(one: Contrast, layers: int) -> tuple[str, ...]:
    """A contrast at one depth."""
    reference, arm = one.parameters[layers]
    same = "yes" if one.same_start else "no"
    if CONTROL in (one.reference, one.arm):
        same = "no: widths differ"
    return (
        *(Kind(one.arm), Kind(one.reference), one.order, str(layers)),
        *(f"{arm:,}", f"{reference:,}", f"{arm - reference:+,}".replace("-", MINUS), same),
    )


def budgets(payoff: Payoff) -> Table:
    """Whether a gain in validation error is one of accuracy, or of speed that a longer run makes up
    for.
    """
    rows = [
        (name, one.verdict, one.reason, effect_cell(one.trend))
        for name, one in payoff.budgets.items()
    ]
    change = "change of the gain, longest less shortest budget (points)"
    head = ("comparison", "verdict", "why", change)
    return Table("Accuracy or speed?", head, rows, folded=len(rows) > MANY)


def tuning(payoff: Payoff) -> Table:
    """The errors at every learning rate that was tried for an arm."""
    rates = sorted({rate for one in payoff.tuned for rate in one.errors})
    rows = [
        (
            *(one.comparison, Kind(one.arm), one.order, str(one.layers), f"{one.budget} ×"),
            *(number(one.errors.get(rate)) for rate in rates),
            *(f"{one.best:g}", f"yes, the {one.edge} rate" if one.edge else "no"),
        )
        for one in payoff.tuned
    ]
    head = (
        *("comparison", "arm", "activation order", "layers", "budget"),
        *(f"{rate:g}" for rate in rates),
        *("best rate", "at an edge"),
    )
    outcome = OUTCOMES[payoff.primary.get("tuned_by", "val_error")][0]
    note = (
        f"Under each learning rate the mean {outcome} in points, over "
        f"{counted(max(one.seeds for one in payoff.tuned), 'tuning seed')}. At an edge a better "
        "rate may lie beyond those tried."
    )
    title = "Learning rates tried for each arm"
    return Table(title, head, rows, note, folded=len(rows) > MANY)


def trainability(arms: Mapping[str, Sequence[Row]], title: str) -> Table:
    """Medians of the measures of each arm, at the start and the end where they are probed."""
    measures = [m for m in (*RUN_MEASURES, *PROBE_MEASURES) if not m.by_block]
    rows = [(titled(m), *(measure_cell(m, own) for own in arms.values())) for m in measures]
    rows = [row for row in rows if any(cell != "–" for cell in row[1:])]
    head = ("measure", *(f"{arm} (n = {len(own)})" for arm, own in arms.items()))
    note = "Medians over seeds. Probed measures: before the first step → at the end of training."
    return Table(title, head, rows, note)


def titled(measure: Measure) -> str:
    """The label of a measure with its unit, where the label or the number does not tell it."""
    told = measure.label.startswith(measure.unit) or "%" in measure.format
    return measure.label if told else f"{measure.label} ({measure.unit})"


def measure_cell(measure: Measure, rows: Sequence[Row]) -> str:
    """One measure of one arm."""
    if measure.source == "probe":
        start, end = (
            middle(measure, [row.probes(step).get(measure.name) for row in rows])
            for step in ("0", "end")
        )
        return "–" if start == end == "–" else f"{start} → {end}"
    values = [row.measures.get(measure.name) for row in rows if measure.name in row.measures]
    if values and all(isinstance(value, bool) for value in values):
        return f"{values.count(True)} of {len(values)}"
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
    text = f"{round(value):d}" if measure.format == "d" else f"{value:{measure.format}}"
    text = f"{value:,.0f}" if "e+" in text and abs(value) < 1e7 else text
    return text.replace("-", MINUS)
