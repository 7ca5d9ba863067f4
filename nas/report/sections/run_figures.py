"""Figures of single runs of twins side by side: curves over epochs, gradients over blocks."""

import math
from collections.abc import Callable, Mapping, Sequence
from statistics import mean, median
from typing import Any

import plotly.graph_objects as go

from nas.report.style import colours, faded, figure, plain, selected, separated
from nas.report.trial_rows import Row, finite

Arms = Mapping[str, Sequence[Row]]
#: a line: places on the x axis, and heights that may be missing
Line = tuple[list[float], list[float | None]]
Average = Callable[[Sequence[float]], float]
Curve = tuple[str, Callable[[Mapping[str, object]], float | None]]


def val_error(record: Mapping[str, object]) -> float | None:
    """Validation error of an epoch, in points."""
    accuracy = finite(record.get("val_accuracy"))
    return None if accuracy is None else 100 * (1 - accuracy)


#: what is drawn of an epoch's record: its axis title and how it is read
CURVES: dict[str, Curve] = {
    "train_loss": ("training loss (nats)", lambda record: finite(record.get("train_loss"))),
    "val_error": ("validation error (points)", val_error),
}


def curves(arms: Arms, curve: Curve) -> go.Figure:
    """Every run as a thin line, the mean of an arm as a thick one."""
    title, value = curve
    records = {arm: {row.number: row.curve for row in rows} for arm, rows in arms.items()}
    lines = {
        arm: {
            number: ([float(i + 1) for i in range(len(curve))], [value(r) for r in curve])
            for number, curve in runs.items()
        }
        for arm, runs in records.items()
    }
    drawn = bundles(figure("epoch", title, height=300), lines, mean)
    drawn.update_xaxes(tickformat="d", showgrid=False)
    return drawn.update_yaxes(rangemode="tozero")


def gradients(arms: Arms, step: str, measure: str, label: str) -> go.Figure:
    """A measure by block at one step of training, on a logarithmic axis."""
    lines: dict[str, dict[int, Line]] = {}
    for arm, rows in arms.items():
        readings = {row.number: row.probes(step).get(measure) for row in rows}
        lines[arm] = {
            number: ([float(i + 1) for i in range(len(values))], [positive(v) for v in values])
            for number, values in readings.items()
            if isinstance(values, list)
        }
    drawn = bundles(figure("block, from input to output", label, height=300), lines, average=median)
    drawn.update_xaxes(tickformat="d", showgrid=False)
    values = [y for runs in lines.values() for _, ys in runs.values() for y in ys if y]
    return drawn.update_yaxes(type="log", **log_ticks(values))


def positive(value: object) -> float | None:
    """A finite number above zero, as a logarithmic axis needs."""
    found = finite(value)
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
    return {"tickvals": ticks, "ticktext": [tick_text(tick) for tick in ticks]}


def tick_text(value: float) -> str:
    """A number as people write it, very large and very small ones as powers of ten."""
    power = round(math.log10(value))
    return (
        f"{value:g}" if -3 <= power <= 4 else f"10<sup>{power}</sup>".replace("-", "\N{MINUS SIGN}")
    )


def bundles(
    drawn: go.Figure, lines: Mapping[str, Mapping[int, Line]], average: Average
) -> go.Figure:
    """For each arm the single runs as one thin trace, and their average."""
    colour = colours(lines)
    for arm, runs in lines.items():
        if len(runs) > 1:
            drawn.add_trace(thin(runs, faded(colour[arm], 0.35)))
    for arm, runs in lines.items():
        if runs:
            drawn.add_trace(thick(arm, runs, colour[arm], average))
    return drawn


def thin(runs: Mapping[int, Line], colour: str) -> go.Scatter:
    """The single runs of an arm, each naming its trial; of many an even selection."""
    runs = dict(selected(list(runs.items())))
    return go.Scatter(
        x=separated([x for x, _ in runs.values()]),
        y=separated([y for _, y in runs.values()]),
        text=separated([[f"twin trial {number}"] * len(x) for number, (x, _) in runs.items()]),
        mode="lines",
        line={"color": colour, "width": 1},
        hovertemplate="%{text}: %{y:.4g}<extra></extra>",
        showlegend=False,
    )


def thick(arm: str, runs: Mapping[int, Line], colour: str, average: Average) -> go.Scatter:
    """The average of the runs that have a value at a place."""
    places = sorted({place for x, _ in runs.values() for place in x})
    tables = [dict(zip(x, y, strict=True)) for x, y in runs.values()]
    known = [[y for table in tables if (y := table.get(place)) is not None] for place in places]
    return go.Scatter(
        x=places,
        y=[average(values) if values else None for values in known],
        mode="lines+markers",
        name=plain(arm),
        line={"color": colour, "width": 2.5, "dash": "dot" if arm == "none, wider" else "solid"},
        marker={"size": 4},
        hovertemplate=f"%{{x}}: %{{y:.4g}} ({len(runs)} runs)<extra>{plain(arm)}</extra>",
    )
