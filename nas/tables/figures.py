"""Figures of the pairs of a table."""

from collections.abc import Sequence

import plotly.graph_objects as go

from nas.report.style import ACCENT, NEUTRAL, TEXT, faded, figure, plain, selected
from nas.statistics import Effect
from nas.tables.analysis import Analysis, Comparison

COLOUR = "#0072B2"
#: pairs drawn of each comparison
MOST_DRAWN = 200


def effects_figure(found: Analysis) -> go.Figure:
    """Every comparison with its interval over the units, which are small dots."""
    asked, rows = found.question, list(reversed(found.comparisons))
    title = f"difference in {asked.value}"
    drawn = figure(title, "", height=110 + 34 * len(rows))
    names = [plain(label(found, one)) for one in rows]
    drawn.add_vline(0, line={"color": TEXT, "width": 1})
    for end in {asked.smallest_effect, -asked.smallest_effect} - {0.0}:
        drawn.add_vline(end, line={"color": TEXT, "width": 1, "dash": "dot"})
    for name, one in zip(names, rows, strict=True):
        drawn.add_trace(dots(name, one.effect))
    for name, one in zip(names, rows, strict=True):
        drawn.add_trace(mark(name, one))
    drawn.update_yaxes(type="category", categoryorder="array", categoryarray=names)
    return drawn.update_layout(showlegend=False)


def label(found: Analysis, one: Comparison) -> str:
    """A comparison in a few words."""
    arms = f"{one.arm} – {one.reference}"
    if not found.question.by:
        return arms
    return f"{one.group}: {arms}" if len(found.matched.arms) > 1 else one.group


def dots(name: str, effect: Effect) -> go.Scatter:
    """The units, of many an even selection by size."""
    units: Sequence[float] = selected(sorted(effect.pairs), MOST_DRAWN)
    return go.Scatter(
        x=list(units),
        y=[name] * len(units),
        mode="markers",
        marker={"color": faded(NEUTRAL, 0.5), "size": 5, "symbol": "line-ns-open"},
        hovertemplate="%{x}<extra></extra>",
    )


def mark(name: str, one: Comparison) -> go.Scatter:
    """Mean and interval; open where nothing is decided."""
    effect = one.effect
    is_open = one.answer.answer == "undecided"
    known = effect.n > 1
    return go.Scatter(
        x=[effect.mean],
        y=[name],
        mode="markers",
        marker={
            "color": COLOUR if effect.mean >= 0 else ACCENT,
            "size": 9,
            "symbol": "circle-open" if is_open else "circle",
        },
        error_x={
            "type": "data",
            "symmetric": False,
            "array": [effect.high - effect.mean if known else 0],
            "arrayminus": [effect.mean - effect.low if known else 0],
            "thickness": 2,
        },
        hovertemplate=f"{effect.mean:.4g} ({effect.low:.4g} to {effect.high:.4g})<extra></extra>",
    )
