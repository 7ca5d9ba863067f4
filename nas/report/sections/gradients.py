"""Signal and gradient by block, and the measures of trainability."""

import math
from collections.abc import Iterable, Mapping, Sequence
from statistics import median
from typing import Any

import plotly.graph_objects as go

from nas.report.depth_sweep import DepthPoint, Twins, slug
from nas.report.document import Drawing, Part, Section, Table, Text
from nas.report.run_lines import Arms, Line, run_lines
from nas.report.style import (
    MINUS,
    figure,
    whole_numbers,
)
from nas.report.trial_rows import Row, finite_number
from nas.training.metrics import MEASURES, PROBE_STEPS, Measure

#: measures by block, the first that was taken is drawn
BY_BLOCK = ("relative_gradient_norm", "gradient_norm")
SHORT = {"relative_gradient_norm": "relative gradient norm"}


def gradient_section(twins: Twins) -> Section:
    """Gradients by block at the stored steps, at the deepest network of the ladder."""
    parts: list[Part] = []
    for place in twins.deepest():
        arms = twins.at(place)
        parts += [
            _gradient_drawing(twins, place, arms, step)
            for step in [*map(str, PROBE_STEPS), "end"]
            if any(any(_taken(arms, step, measure)) for measure in BY_BLOCK)
        ]
        heading = twins.titled(f"Trainability, {place.layers} layers", place.order)
        table = _trainability_table(arms, heading)
        parts += [table] if table.rows else []
    lead = Text(
        "Readings of one step are compared with readings of the same step only: gradient ratios "
        "can turn over within the first ten steps. They go along with the gains; they do not "
        f"prove a cause. {twins.lines('median')} Relative gradient norm: "
        f"{MEASURES[BY_BLOCK[0]].label}."
    )
    title = "Why? Signal and gradient by block"
    return Section("gradients", title, [lead, *parts] if parts else [])


def _gradient_drawing(
    twins: Twins, place: DepthPoint, arms: dict[str, list[Row]], step: str
) -> Drawing:
    """One figure of gradients by block."""
    measure = next(name for name in BY_BLOCK if any(_taken(arms, step, name)))
    when = "at the end" if step == "end" else f"after {step} step{'s' * (step != '1')}"
    return Drawing(
        name=slug(f"gradient-{place.order}-{step}"),
        title=twins.titled(f"Gradient by block {when}, {place.layers} layers", place.order),
        figure=_gradients_figure(arms, step, measure, twins.colours),
        published=step in ("0", "end"),
    )


def _taken(arms: dict[str, list[Row]], step: str, measure: str) -> Iterable[bool]:
    """Whether each run has a reading."""
    return (
        isinstance(row.probes(step).get(measure), list) for rows in arms.values() for row in rows
    )


def _gradients_figure(arms: Arms, step: str, measure: str, colour: Mapping[str, str]) -> go.Figure:
    """A measure by block at one step of training, on a logarithmic axis."""
    lines: dict[str, dict[int, Line]] = {}
    for arm, rows in arms.items():
        readings = {row.number: row.probes(step).get(measure) for row in rows}
        lines[arm] = {
            number: ([float(i + 1) for i in range(len(values))], [_positive(v) for v in values])
            for number, values in readings.items()
            if isinstance(values, list)
        }
    label = SHORT.get(measure, MEASURES[measure].label)
    drawn = figure("block, from input to output", label, height=300)
    run_lines(drawn, lines, median, colour)
    whole_numbers(drawn)
    values = [y for runs in lines.values() for _, ys in runs.values() for y in ys if y]
    return drawn.update_yaxes(type="log", **log_ticks(values))


def _positive(value: object) -> float | None:
    """A finite number above zero, as a logarithmic axis needs."""
    found = finite_number(value)
    return found if found is not None and found > 0 else None


def log_ticks(values: Sequence[float]) -> dict[str, list[Any]]:
    """At most about seven ticks of a logarithmic axis: 1, 2, 5, or powers of ten."""
    if not values:
        return {}
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    step = max(1, round((high - low) / 6))
    if math.log10(max(values) / min(values)) > 2.2:
        ticks = [10.0**power for power in range(low, high + 1) if power % step == 0]
    else:
        ticks = [digit * 10.0**power for power in range(low, high + 1) for digit in (1, 2, 5)]
    return {"tickvals": ticks, "ticktext": [_tick_text(tick) for tick in ticks]}


def _tick_text(value: float) -> str:
    """A number as people write it, very large and very small ones as powers of ten."""
    power = round(math.log10(value))
    return (
        f"{value:g}" if -3 <= power <= 4 else f"10<sup>{power}</sup>".replace("-", "\N{MINUS SIGN}")
    )


def _trainability_table(arms: Mapping[str, Sequence[Row]], title: str) -> Table:
    """Medians of the measures of each arm, at the start and the end where they are probed."""
    rows = [
        (_titled(measure), *(_measure_cell(name, measure, own) for own in arms.values()))
        for name, measure in MEASURES.parts().items()
        if not measure.by_block
    ]
    rows = [row for row in rows if any(cell != "–" for cell in row[1:])]
    head = ("measure", *(f"{arm} (n = {len(own)})" for arm, own in arms.items()))
    note = "Medians over seeds. Probed measures: before the first step → at the end of training."
    return Table(title, head, rows, note)


def _titled(measure: Measure) -> str:
    """The label of a measure with its unit, where the label or the number does not tell it."""
    told = measure.label.startswith(measure.unit) or "%" in measure.format
    return measure.label if told else f"{measure.label} ({measure.unit})"


def _measure_cell(name: str, measure: Measure, rows: Sequence[Row]) -> str:
    """One measure of one arm."""
    if measure.source == "probe":
        start, end = (
            _middle(measure, [row.probes(step).get(name) for row in rows]) for step in ("0", "end")
        )
        return "–" if start == end == "–" else f"{start} → {end}"
    values = [row.measures.get(name) for row in rows if name in row.measures]
    if values and all(isinstance(value, bool) for value in values):
        return f"{values.count(True)} of {len(values)}"
    return _steps_cell(values) if measure.unit == "steps" else _middle(measure, values)


def _steps_cell(values: Sequence[Any]) -> str:
    """The median step; a run that never got there counts as later than all others."""
    if not values:
        return "–"
    never = sum(value is None for value in values)
    typical = median(math.inf if value is None else value for value in values)
    text = "never" if math.isinf(typical) else f"{typical:.0f}"
    return f"{text} (never in {never} of {len(values)})" if never else text


def _middle(measure: Measure, values: Sequence[Any]) -> str:
    """The median of the finite values, in the measure's own format."""
    known = [number for number in map(finite_number, values) if number is not None]
    if not known:
        return "–"
    value = median(known)
    text = f"{round(value):d}" if measure.format == "d" else f"{value:{measure.format}}"
    text = f"{value:,.0f}" if "e+" in text and abs(value) < 1e7 else text
    return text.replace("-", MINUS)
