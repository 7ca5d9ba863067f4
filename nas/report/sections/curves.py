"""Training and validation curves of twins."""

from collections.abc import Callable, Mapping
from statistics import mean

import plotly.graph_objects as go

from nas.report.depth_sweep import Twins, slug
from nas.report.document import Drawing, Part, Section, Text
from nas.report.run_lines import Arms, run_lines
from nas.report.style import (
    figure,
    whole_numbers,
)
from nas.report.trial_rows import finite_number

Curve = tuple[str, Callable[[Mapping[str, object]], float | None]]


def curve_section(twins: Twins) -> Section:
    """Training and validation curves of twins, at the ends of the ladder."""
    parts: list[Part] = []
    for place in twins.ends():
        arms = twins.at(place)
        for what, kind in (("train_loss", "Training"), ("val_error", "Validation")):
            drawn = _curves_figure(twins, arms, CURVES[what])
            title = twins.titled(f"{kind} of twins, {place.layers} layers", place.order)
            if drawn.data:
                parts.append(
                    Drawing(slug(f"curve-{what}-{place.order}-{place.depth}"), title, drawn)
                )
    key = Text(f"At the shared learning rate. {twins.lines('mean')}", role="note")
    return Section("curves", "How do the twins train?", [key, *parts] if parts else [])


def _curves_figure(twins: Twins, arms: Arms, curve: Curve) -> go.Figure:
    """Every run as a thin line, the mean of an arm as a thick one."""
    title, value = curve
    title = title.replace("nats", twins.loss_unit)
    records = {arm: {row.number: row.curve for row in rows} for arm, rows in arms.items()}
    lines = {
        arm: {
            number: ([float(i + 1) for i in range(len(curve))], [value(r) for r in curve])
            for number, curve in runs.items()
        }
        for arm, runs in records.items()
    }
    drawn = run_lines(figure("epoch", title, height=300), lines, mean, twins.colours)
    return whole_numbers(drawn).update_yaxes(rangemode="tozero")


def _val_error(record: Mapping[str, object]) -> float | None:
    """Validation error of an epoch, in points."""
    accuracy = finite_number(record.get("val_accuracy"))
    return None if accuracy is None else 100 * (1 - accuracy)


#: what is drawn of an epoch's record: its axis title and how it is read
CURVES: dict[str, Curve] = {
    "train_loss": ("training loss (nats)", lambda record: finite_number(record.get("train_loss"))),
    "val_error": ("validation error (points)", _val_error),
}
