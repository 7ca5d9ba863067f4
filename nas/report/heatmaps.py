"""Heat maps: effects with depth across, errors with counts."""

from collections.abc import Sequence

import plotly.graph_objects as go

from nas.report.effects import cell_text, effect_text
from nas.report.style import (
    DIVERGING,
    SEQUENTIAL,
    figure,
)
from nas.statistics import Effect


def effect_heatmap(
    cells: list[list[Effect | None]], depths: list[int], names: list[str], title: str
) -> go.Figure:
    """A map of effects, depth across."""
    drawn = figure(title, "", height=70 + 44 * len(names))
    drawn.add_trace(_effect_cells(cells, [str(depth) for depth in depths], names))
    drawn.update_xaxes(type="category", showgrid=False)
    return drawn.update_yaxes(showgrid=False, type="category")


def _effect_cells(cells: list[list[Effect | None]], x: list[str], y: list[str]) -> go.Heatmap:
    """Effects as coloured cells; a colour only where the interval leaves zero out."""
    largest = max((abs(e.mean) for row in cells for e in row if e and e.resolved), default=1.0)
    return go.Heatmap(
        x=x,
        y=y,
        z=[[None if e is None else e.mean if e.resolved else 0.0 for e in row] for row in cells],
        text=[["" if e is None else cell_text(e) for e in row] for row in cells],
        texttemplate="%{text}",
        customdata=[["" if e is None else effect_text(e) for e in row] for row in cells],
        hovertemplate="%{y}, depth %{x}: %{customdata}<extra></extra>",
        colorscale=DIVERGING,
        zmin=-largest,
        zmax=largest,
        xgap=2,
        ygap=2,
        showscale=False,
    )


def error_heatmap(
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
