"""The gain over depth and width or budget as a map, with the contour of the smallest effect."""

from typing import Any

import numpy as np
import plotly.graph_objects as go

from nas import statistics as st
from nas.payoff.gain_maps import DIMENSIONS
from nas.report.depth_sweep import Twins, slug
from nas.report.document import Drawing, Part, Table, Text
from nas.report.style import DIVERGING, figure, signed

#: points of a map in each direction
POINTS = 40
#: room around a map, in powers of ten, and its colour: the numbers at the edges are dark
ROOM, PAPER = 0.06, "#F4F4F4"
TITLES = {
    "depth": "depth (weighted layers)",
    "width": "widths, times those of the ladder",
    "budget": "epochs, times those of the ladder",
}


def gain_map_parts(twins: Twins) -> list[Part]:
    """A map for each arm and each dimension besides depth, or why there is none."""
    payoff, parts = twins.payoff, list[Part]()
    for name, model in payoff.maps.items():
        if not model.holds:
            parts.append(Text(f"{name}: {_no_map(model)}", role="note"))
            continue
        x, *others = model.dimensions
        parts += [
            Drawing(
                name=slug(f"contour-{name}-{y}"),
                title=f"Gain in training error by {x} and {y}, {name}, shared rate",
                figure=contours(model, x, y, payoff.smallest_effect),
                caption=_caption(model, payoff.smallest_effect),
            )
            for y in others
        ]
    if payoff.maps:
        parts.append(_table(payoff.maps))
    return parts


def _no_map(model: st.GainModel) -> str:
    """Why a model is not shown."""
    return (
        "no map is shown, as a model of the gain has an R² of "
        f"{signed(model.r2 or 0.0, 2)} at {model.left_out} places left out, below "
        f"{st.SMALLEST_MAP_R2:g}."
    )


def _caption(model: st.GainModel, smallest: float) -> str:
    """How a map is read."""
    tested = (
        "no place can be left out to test it, so it is an interpolation"
        if model.r2 is None
        else f"R² at {model.left_out} of {len(model.places)} places left out {model.r2:.2f}"
    )
    return (
        f"A model by least squares, {len(model.by_seed)} seeds; {tested}. "
        f"Colour: the gain it foretells. Solid line: {smallest:g} points, the smallest effect of "
        "interest; dashed: from there on the 95% interval over seeds lies above it. Circles: "
        "places that were trained, with their mean gain; between them the model alone speaks. "
        "Exploratory."
    )


def contours(model: st.GainModel, x: str, y: str, smallest: float) -> go.Figure:
    """A map over two dimensions; the others stand at the value they have most often."""
    names = list(model.dimensions)
    places = np.array(model.places)
    usual = [float(_most_often(column)) for column in places.T]
    column, row = names.index(x), names.index(y)
    ends = [(places[:, i].min(), places[:, i].max()) for i in (column, row)]
    xs, ys = (np.geomspace(*pair, POINTS) for pair in ends)
    grid = np.tile(usual, (POINTS * POINTS, 1))
    grid[:, column], grid[:, row] = np.tile(xs, POINTS), np.repeat(ys, POINTS)
    mean, low, _ = (values.reshape(POINTS, POINTS) for values in model.at(grid))
    largest = float(np.abs(mean).max()) or 1.0
    drawn = figure(TITLES[x], TITLES[y], height=340, plot_bgcolor=PAPER)
    drawn.add_trace(
        go.Heatmap(
            x=xs,
            y=ys,
            z=mean,
            colorscale=DIVERGING,
            zmin=-largest,
            zmax=largest,
            colorbar={"title": {"text": "points"}, "thickness": 12},
            hovertemplate="%{x:.3g}, %{y:.3g}: %{z:.1f} points<extra></extra>",
        )
    )
    for values, dash, name in ((mean, "solid", "foretold"), (low, "dash", "surely above")):
        drawn.add_trace(
            go.Contour(
                x=xs,
                y=ys,
                z=values,
                contours={"coloring": "none", "start": smallest, "end": smallest, "size": 1},
                line={"color": "#111111", "width": 2, "dash": dash},
                showscale=False,
                name=name,
                hoverinfo="skip",
            )
        )
    drawn.add_trace(_tested(model, (column, row), usual))
    drawn.update_xaxes(**_log_axis(places[:, column]))
    drawn.update_yaxes(**_log_axis(places[:, row]))
    return drawn.update_layout(showlegend=False)


def _log_axis(values: st.Array) -> dict[str, Any]:
    """A logarithmic axis with a tick at each value that was trained, and some room."""
    low, high = np.log10([values.min(), values.max()])
    ticks = sorted(set(values.tolist()))
    return {"type": "log", "showgrid": False, "tickvals": ticks, "range": [low - ROOM, high + ROOM]}


def _most_often(values: st.Array) -> float:
    """The most frequent value, the least of several."""
    levels, counts = np.unique(values, return_counts=True)
    return float(levels[counts.argmax()])


def _tested(model: st.GainModel, axes: tuple[int, int], usual: list[float]) -> go.Scatter:
    """The places of the map that were trained, with their mean gain."""
    rest = [i for i in range(len(usual)) if i not in axes]
    shown = [
        (place, gain)
        for place, gain in zip(model.places, model.gains, strict=True)
        if all(place[i] == usual[i] for i in rest)
    ]
    return go.Scatter(
        x=[place[axes[0]] for place, _ in shown],
        y=[place[axes[1]] for place, _ in shown],
        mode="markers+text",
        marker={"symbol": "circle-open", "size": 11, "color": "#111111", "line": {"width": 2}},
        text=[signed(gain) for _, gain in shown],
        textposition="top center",
        textfont={"color": "#111111"},
        cliponaxis=False,
        hoverinfo="skip",
    )


def _table(maps: dict[str, st.GainModel]) -> Table:
    """The models in numbers."""
    rows = []
    for name, model in maps.items():
        coefficients = np.array(model.by_seed)
        for index, term in enumerate(model.terms):
            effect = st.paired_effect(coefficients[:, index], method="Student t")
            r2 = "–" if model.r2 is None else signed(model.r2, 2)
            label = " × ".join(model.dimensions[i] for i in term) or "at the middle of the places"
            cell = f"{signed(effect.mean, 2)} [{signed(effect.low, 2)}, {signed(effect.high, 2)}]"
            rows.append((name, label, cell, str(len(model.by_seed)), r2))
    head = ("contrast", "term", "points for each doubling", "seeds", "R² at places left out")
    note = f"Terms are binary logarithms of {', '.join(DIMENSIONS)}, less their mean over places."
    return Table("Models of the gain", head, rows, note, folded=True)
