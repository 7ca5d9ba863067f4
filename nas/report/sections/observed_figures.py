"""Figures of the observational view: effects with intervals, and maps of errors."""

from collections.abc import Mapping, Sequence
from statistics import median

import numpy as np
import plotly.graph_objects as go

from nas.report.observed import binned
from nas.report.style import ACCENT, SEQUENTIAL, TEXT, figure, plain, room, signed
from nas.report.trial_rows import Row
from nas.statistics import MarginalEffect, Surface

#: effects drawn; the table has all of them
MOST_EFFECTS = 24


def forest(effects: Sequence[MarginalEffect], labels: Mapping[str, str]) -> go.Figure:
    """Difference of mean error of each option to the others, filled where it is resolved."""
    shown = sorted(effects, key=lambda e: (e.p_adjusted, -abs(e.difference)))[:MOST_EFFECTS]
    shown = sorted(shown, key=lambda e: (e.choice, str(e.option)), reverse=True)
    names = [f"{plain(labels[e.choice])}<br><b>{plain(e.option)}</b>" for e in shown]
    drawn = figure("difference in error (points)", "", height=90 + 40 * len(shown))
    for is_sure, word in ((True, "resolved"), (False, "not resolved")):
        some = [(name, e) for name, e in zip(names, shown, strict=True) if sure(e) is is_sure]
        if some:
            drawn.add_trace(whiskers(some, word, ACCENT if is_sure else TEXT))
    drawn.add_vline(0, line={"color": TEXT, "width": 1})
    drawn.update_xaxes(range=reach(shown))
    return drawn.update_yaxes(categoryorder="array", categoryarray=names, showgrid=False, ticks="")


def reach(effects: Sequence[MarginalEffect]) -> list[float]:
    """An axis with every difference, and as much of the intervals as leaves these readable."""
    most = 4 * max((abs(e.difference) for e in effects), default=1.0) or 1.0
    low = min((max(e.low, -most) for e in effects), default=-1.0)
    high = max((min(e.high, most) for e in effects), default=1.0)
    return room([low, 0.0, high], 0.04)


def sure(effect: MarginalEffect) -> bool:
    """Whether an effect survives Holm's correction and its interval leaves zero out."""
    return effect.p_adjusted <= 0.05 and (effect.low > 0 or effect.high < 0)


def whiskers(rows: Sequence[tuple[str, MarginalEffect]], name: str, colour: str) -> go.Scatter:
    """Means with their intervals."""
    return go.Scatter(
        x=[e.difference for _, e in rows],
        y=[name for name, _ in rows],
        error_x={
            "type": "data",
            "symmetric": False,
            "array": [e.high - e.difference for _, e in rows],
            "arrayminus": [e.difference - e.low for _, e in rows],
            "thickness": 1.5,
            "width": 0,
        },
        mode="markers",
        name=name,
        marker={
            "color": colour,
            "size": 8,
            "symbol": "circle" if colour == ACCENT else "circle-open",
        },
        text=[
            f"{signed(e.difference)} [{signed(e.low)}, {signed(e.high)}], n = {e.n} against "
            f"{e.n_others}"
            for _, e in rows
        ],
        hovertemplate="%{text}<extra></extra>",
    )


def error_map(rows: Sequence[Row], group) -> go.Figure | None:
    """Median validation error by depth (across) and group (down), with counts; None without two
    groups.
    """
    known = [row for row in rows if row.outcome == "trained" and row.val_error is not None]
    known = [row for row in known if row.architecture is not None and row.value("layers")]
    depths = binned([int(row.value("layers") or 0) for row in known])
    cells: dict[tuple[str, int], list[float]] = {}
    for row, depth in zip(known, depths, strict=True):
        cells.setdefault((group(row), depth), []).append(row.val_error or 0.0)
    names = sorted({name for name, _ in cells}, reverse=True)
    if len(names) < 2:
        return None
    across = sorted(set(depths))
    table = [[cells.get((name, depth)) for depth in across] for name in names]
    return heat(
        [[None if cell is None else median(cell) for cell in line] for line in table],
        [[0 if cell is None else len(cell) for cell in line] for line in table],
        [str(depth) for depth in across],
        [plain(name) for name in names],
    )


def heat(
    errors: Sequence[Sequence[float | None]],
    counts: Sequence[Sequence[int]],
    x: Sequence[str],
    y: Sequence[str],
) -> go.Figure:
    """Errors as coloured cells with the number of candidates behind each."""
    drawn = figure("depth (weighted layers)", "", height=70 + 44 * len(y))
    drawn.add_trace(
        go.Heatmap(
            x=list(x),
            y=list(y),
            z=[list(line) for line in errors],
            text=[
                ["" if e is None else f"{e:.1f}<br>n {n}" for e, n in zip(*lines, strict=True)]
                for lines in zip(errors, counts, strict=True)
            ],
            texttemplate="%{text}",
            hovertemplate="%{y}, about %{x} layers: %{text}<extra></extra>",
            colorscale=SEQUENTIAL,
            xgap=2,
            ygap=2,
            showscale=False,
        )
    )
    drawn.update_xaxes(type="category", showgrid=False)
    return drawn.update_yaxes(type="category", showgrid=False)


def surface_map(surface: Surface) -> go.Figure:
    """The predicted error over depth and shortcut, where there are rows."""
    assert surface.errors is not None
    errors = [[None if np.isnan(e) else float(e) for e in line] for line in surface.errors]
    counts = [[int(n) for n in line] for line in surface.counts]
    return heat(
        errors, counts, [str(d) for d in surface.depths], [plain(s) for s in surface.shortcuts]
    )
