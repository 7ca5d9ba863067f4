"""Parallel coordinates, from top to bottom: each row one searched value, each line one trial."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import plotly.graph_objects as go
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from nas.report.scales import scale
from nas.report.style import (
    COLOURS,
    TEXT,
    faded,
    figure,
    number,
    plain,
    separated,
)
from nas.report.trial_markers import subsample
from nas.report.trial_rows import Row

MOST_LINES, MOST_BEST = 250, 50
#: share of the trials that are drawn as the best ones
BEST_SHARE = 0.1


class _Axis(NamedTuple):
    """One row: its label, and the labels along it with their places from 0 to 1."""

    label: str
    ticks: list[tuple[float, str]]


def parallel_coordinates(
    rows: Sequence[Row], labels: dict[str, str], objective: str, maximise: bool
) -> go.Figure:
    """The searched values of the trials, under the labels of their names; the objective last."""
    rows = [row for row in rows if row.outcome == "trained" and row.objective(0) is not None]
    ranked = sorted(rows, key=lambda row: row.objective(0) or 0.0, reverse=maximise)
    best = {row.number for row in ranked[: max(1, round(BEST_SHARE * len(rows)))]}
    searched = searched_parameters(rows)
    axes = [_axis_of(labels.get(name, name), dist) for name, dist in searched.items()]
    low, high = ends([row.objective(0) or 0.0 for row in rows])
    axes.append(_objective_axis(objective, low, high))
    drawn = figure("", "", height=60 + 58 * len(axes))
    for name, group, colour in groups(rows, best):
        lines = [_heights(row, searched, low, high) for row in group]
        drawn.add_trace(_bundle(name, lines, group, colour))
    drawn.update_xaxes(visible=False, range=[-0.04, 1.04])
    drawn.update_yaxes(
        tickvals=[-index for index in range(len(axes))],
        showticklabels=False,
        range=[-len(axes) + 0.45, 0.5],
        ticks="",
    )
    return drawn.update_layout(annotations=_notes(axes))


def groups(rows: Sequence[Row], best: set[int]) -> list[tuple[str, list[Row], str]]:
    """Name, trials and colour of the lines behind and in front."""
    others = [row for row in rows if row.number not in best]
    front = [row for row in rows if row.number in best]
    opacity = min(0.5, max(0.15, 12 / max(1, len(others))))
    return [
        ("other trials", subsample(others, MOST_LINES, set()), faded("#7F7F7F", opacity)),
        ("best tenth", subsample(front, MOST_BEST, set()), faded(COLOURS["identity"], 0.75)),
    ]


def searched_parameters(rows: Sequence[Row]) -> dict[str, BaseDistribution]:
    """Every parameter with its values, in alphabetical order; those with one value are left out."""
    found: dict[str, BaseDistribution] = {}
    for row in rows:
        found |= row.trial.distributions
    return {name: found[name] for name in sorted(found) if not found[name].single()}


def _axis_of(label: str, distribution: BaseDistribution) -> _Axis:
    """Every option of a choice, the ends of a range."""
    if isinstance(distribution, CategoricalDistribution):
        options = distribution.choices
        last = max(1, len(options) - 1)
        return _Axis(label, [(index / last, str(option)) for index, option in enumerate(options)])
    low, high, _ = _span(distribution)
    return _Axis(label, [(0.0, number(low)), (1.0, number(high))])


def _span(distribution: BaseDistribution) -> tuple[float, float, bool]:
    """The ends of a range, and whether it is logarithmic."""
    assert isinstance(distribution, IntDistribution | FloatDistribution)
    return float(distribution.low), float(distribution.high), distribution.log


def _objective_axis(objective: str, low: float, high: float) -> _Axis:
    """The objective with its least and its greatest value."""
    shown = scale(objective)
    return _Axis(
        shown.title, [(0.0, number(shown.factor * low)), (1.0, number(shown.factor * high))]
    )


def ends(values: Sequence[float]) -> tuple[float, float]:
    """The least and the greatest value."""
    return (min(values), max(values)) if values else (0.0, 1.0)


def _heights(
    row: Row, searched: dict[str, BaseDistribution], low: float, high: float
) -> list[float | None]:
    """Where a trial crosses each row; None where a parameter did not exist for it."""
    places = [place(row, name, dist) for name, dist in searched.items()]
    places.append(((row.objective(0) or 0.0) - low) / ((high - low) or 1.0))
    jitter = 0.025 * math.sin(row.number * 2.399963)
    return [None if one is None else one + jitter for one in places]


def place(row: Row, name: str, distribution: BaseDistribution) -> float | None:
    """From 0 to 1 along a row."""
    if name not in row.trial.params:
        return None
    own = row.trial.distributions[name]
    value = own.to_internal_repr(row.trial.params[name])
    if isinstance(distribution, CategoricalDistribution):
        return value / max(1, len(distribution.choices) - 1)
    low, high, is_log = _span(distribution)
    if is_log:
        low, high, value = math.log(low), math.log(high), math.log(value)
    return (value - low) / ((high - low) or 1.0)


def _bundle(
    name: str, lines: list[list[float | None]], rows: Sequence[Row], colour: str
) -> go.Scatter:
    """Many trials as one trace."""
    return go.Scatter(
        x=separated(lines),
        y=separated([[-index for index in range(len(line))] for line in lines]),
        text=separated(
            [[f"trial {row.number}"] * len(line) for row, line in zip(rows, lines, strict=True)]
        ),
        mode="lines",
        name=f"{name} ({len(rows)})",
        line={"color": colour, "width": 1.3},
        connectgaps=False,
        hovertemplate="%{text}<extra></extra>",
    )


def _notes(axes: Sequence[_Axis]) -> list[dict[str, object]]:
    """The name of each row above it, and the values along it below."""
    names = [
        note(0.0, -index, f"<b>{plain(one.label)}</b>", shift=10, anchor="left")
        for index, one in enumerate(axes)
    ]
    return names + [
        note(x, -index, plain(text), shift=-9, anchor={0.0: "left", 1.0: "right"}.get(x, "center"))
        for index, one in enumerate(axes)
        for x, text in one.ticks
    ]


def note(x: float, y: float, text: str, *, shift: int, anchor: str) -> dict[str, object]:
    """A small text at a row."""
    font = {"size": 11, "color": TEXT}
    return {
        "x": x,
        "y": y,
        "yshift": shift,
        "text": text,
        "showarrow": False,
        "xanchor": anchor,
        "font": font,
    }
