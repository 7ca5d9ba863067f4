"""Figures of the search: its history, what it cost, trade-offs, and which values went together."""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import plotly.graph_objects as go

from nas.report.style import (
    ACCENT,
    COLOURS,
    TEXT,
    figure,
    kind_colour,
    plain,
    symbol,
)
from nas.report.trial_rows import MIXED, Row
from nas.statistics import Distribution
from nas.training.result import OBJECTIVES

#: points drawn at most; of more trials an even selection, the best ones always
MOST_POINTS = 1_500
#: steps of a distribution drawn at most
MOST_STEPS = 300
#: points from which on they are drawn small
CROWD = 400


class Scale(NamedTuple):
    """How an objective is shown: axis title, factor, logarithmic or not."""

    title: str
    factor: float = 1.0
    is_log: bool = False


def scale(objective: str) -> Scale:
    """How an objective is shown; by its bare name where it is not registered."""
    if objective not in OBJECTIVES:
        return Scale(objective)
    one = OBJECTIVES[objective]
    title = f"{one.label} ({one.unit})" if one.unit else one.label
    return Scale(title, one.factor, one.is_log)


class Best(NamedTuple):
    """Each trial that was the best so far, with the training seconds spent until its end."""

    numbers: list[int]
    values: list[float]
    seconds: list[float]


def best_so_far(rows: Sequence[Row], maximise: bool) -> Best:
    """The incumbents by the first objective, in the order of the rows."""
    found, spent = Best([], [], []), 0.0
    sign = 1 if maximise else -1
    for row in rows:
        spent += spent_on(row)
        value = row.objective(0) if row.outcome == "trained" else None
        if value is not None and (not found.values or sign * value > sign * found.values[-1]):
            found.numbers.append(row.number)
            found.values.append(value)
            found.seconds.append(spent)
    return found


def by_time(rows: Sequence[Row]) -> list[Row]:
    """The rows that ended, in that order."""
    ended = [row for row in rows if row.trial.datetime_complete]
    return sorted(ended, key=lambda row: (row.trial.datetime_complete, row.number))


def spent_on(row: Row) -> float:
    """Training seconds of a trial; none for one that copied another's numbers."""
    return 0.0 if row.outcome == "repeated" else row.value("seconds") or 0.0


def thinned(rows: Sequence[Row], most: int, kept: set[int]) -> list[Row]:
    """An even selection, with the trials that must be kept."""
    step = max(1, math.ceil(len(rows) / most))
    return [row for index, row in enumerate(rows) if index % step == 0 or row.number in kept]


def history(
    rows: Sequence[Row], objective: str, best: Best, other: Best | None = None
) -> go.Figure:
    """The first objective of every trial by number, open where pruned, and the best so far; also
    that of another search.
    """
    shown = thinned([row for row in rows if row.was_evaluated], MOST_POINTS, set(best.numbers))
    drawn = figure("trial", scale(objective).title)
    points(
        drawn,
        shown,
        lambda row: float(row.number),
        lambda row: row.objective(0),
        scale(objective).factor,
    )
    last = max([row.number for row in rows] + (other.numbers if other else []), default=0)
    for one, name, dash in ((best, "best so far", "solid"), (other, "random search", "dot")):
        if one and one.values:
            x, y = [*one.numbers, last], [*one.values, one.values[-1]]
            drawn.add_trace(steps(x, y, scale(objective), name, dash))
    drawn.update_xaxes(tickformat="d", showgrid=False)
    return drawn.update_yaxes(type="log" if scale(objective).is_log else "linear")


def steps(x: list[Any], y: list[float], shown: Scale, name: str, dash: str) -> go.Scatter:
    """The best so far as a staircase."""
    return go.Scatter(
        x=x,
        y=[shown.factor * value for value in y],
        mode="lines",
        name=name,
        line={"color": TEXT, "width": 1.5, "shape": "hv", "dash": dash},
        hovertemplate=f"{name} %{{y:.4g}}<extra></extra>",
    )


def points(
    drawn: go.Figure,
    rows: Sequence[Row],
    x: Callable[[Row], float | None],
    y: Callable[[Row], float | None],
    factor: float = 1.0,
) -> None:
    """Trials as markers, one trace for each kind of shortcut."""
    for kind in sorted({shortcut_of(row) for row in rows}, key=rank):
        own = [
            row
            for row in rows
            if shortcut_of(row) == kind and x(row) is not None and y(row) is not None
        ]
        if own:
            drawn.add_trace(
                go.Scatter(
                    x=[x(row) for row in own],
                    y=[factor * (y(row) or 0.0) for row in own],
                    mode="markers",
                    name=plain(kind),
                    marker={
                        "color": ACCENT if kind == MIXED else kind_colour(kind),
                        "symbol": [symbol(kind, is_filled=row.outcome == "trained") for row in own],
                        "size": 7 if len(rows) < CROWD else 4,
                        "opacity": 1 if len(rows) < CROWD else 0.6,
                    },
                    text=[plain(spoken(row)) for row in own],
                    hovertemplate="%{text}<br>%{y:.4g}<extra></extra>",
                )
            )


def shortcut_of(row: Row) -> str:
    """The kind of shortcut of a trial, `unknown` where its candidate cannot be read."""
    return row.shortcut or "unknown"


def rank(kind: str) -> tuple[int, str]:
    """Kinds of this program in the order of their colours, then a user's own, mixed ones last."""
    known = list(COLOURS)
    return (known.index(kind) if kind in known else len(known) + (kind == MIXED)), kind


def spoken(row: Row) -> str:
    """A trial in a few words."""
    architecture = row.architecture
    if architecture is None:
        return f"trial {row.number}"
    blocks = "+".join(str(stage.depth) for stage in architecture.stages)
    shortcuts = ", ".join(dict.fromkeys(stage.shortcut for stage in architecture.stages))
    if len({stage.shortcut for stage in architecture.stages}) > 1:
        shortcuts = ", ".join(stage.shortcut for stage in architecture.stages)
    text = f"trial {row.number}: {blocks} blocks, {shortcuts}, {architecture.activation_order}"
    return text + (" (pruned)" if row.outcome == "pruned" else "")


def spending(searches: Sequence[tuple[str, Best, float]], objective: str) -> go.Figure:
    """The best so far against the training time spent: of each search its name and its total."""
    shown = scale(objective)
    drawn = figure("training time spent, all workers (s)", f"best {shown.title}")
    for (name, best, total), dash in zip(searches, ("solid", "dot"), strict=False):
        if best.values:
            drawn.add_trace(spent_line(name, best, total, shown, dash))
    drawn.update_layout(showlegend=len(searches) > 1)
    return drawn.update_xaxes(rangemode="tozero", showgrid=False)


def spent_line(name: str, best: Best, total: float, shown: Scale, dash: str) -> go.Scatter:
    """One search as a staircase, from its first trial to all it spent."""
    return go.Scatter(
        x=[*best.seconds, total],
        y=[shown.factor * value for value in [*best.values, best.values[-1]]],
        mode="lines+markers",
        name=name,
        line={"color": TEXT, "width": 1.5, "shape": "hv", "dash": dash},
        marker={"size": [7] * len(best.values) + [0]},
        text=[f"trial {number}" for number in best.numbers] + ["end of the search"],
        hovertemplate="%{text}: %{y:.4g} after %{x:,.0f} s<extra>" + name + "</extra>",
    )


def pareto(
    rows: Sequence[Row], objectives: Sequence[str], front: Sequence[Row], other: int, maximise: bool
) -> go.Figure:
    """The first objective against another one, which is maximised or not, with the Pareto front."""
    across, up = scale(objectives[other]), scale(objectives[0])
    drawn = figure(across.title, up.title)
    trained = [row for row in rows if row.outcome == "trained"]
    shown = thinned(trained, MOST_POINTS, {row.number for row in front})
    points(drawn, shown, at(other, across), at(0, up))
    if len(objectives) == 2:
        ends = sorted((at(1, across)(row) or 0.0, at(0, up)(row) or 0.0) for row in front)
        drawn.add_trace(staircase(ends, "vh" if maximise else "hv"))
    drawn.update_xaxes(type="log" if across.is_log else "linear")
    return drawn.update_yaxes(type="log" if up.is_log else "linear")


def at(index: int, shown: Scale) -> Callable[[Row], float | None]:
    """Where a trial stands on the axis of an objective."""

    def place(row: Row) -> float | None:
        value = row.objective(index)
        return None if value is None else shown.factor * value

    return place


def staircase(ends: list[tuple[float, float]], shape: str) -> go.Scatter:
    """The Pareto front as a line."""
    return go.Scatter(
        x=[x for x, _ in ends],
        y=[y for _, y in ends],
        mode="lines",
        name="Pareto front",
        line={"color": TEXT, "width": 1.5, "shape": shape},
        hoverinfo="skip",
    )


def distributions(groups: dict[str, Distribution], counts: dict[str, int]) -> go.Figure:
    """Share of candidates with at most so much error, for each group."""
    drawn = figure("validation error (points)", "share with at most this error")
    colour = {"no shortcuts": COLOURS["none"], "with shortcuts": ACCENT}
    for name, one in groups.items():
        kept = sorted(
            {*range(0, len(one.errors), len(one.errors) // MOST_STEPS + 1), len(one.errors) - 1}
        )
        drawn.add_trace(
            go.Scatter(
                x=[float(one.errors[index]) for index in (0, *kept)],
                y=[0.0, *(float(one.shares[index]) for index in kept)],
                mode="lines",
                name=f"{name} (n = {counts[name]})",
                line={"shape": "hv", "width": 2, "color": colour.get(name, TEXT)},
                hovertemplate="%{y:.0%} have at most %{x:.1f} points<extra></extra>",
            )
        )
    return drawn.update_yaxes(tickformat=".0%", range=[0, 1.02])
