"""Single runs as thin lines and the average of each arm as a thick one."""

from collections.abc import Callable, Mapping, Sequence

import plotly.graph_objects as go

from nas.report.style import (
    faded,
    plain,
    selected,
    separated,
)
from nas.report.trial_rows import Row

Arms = Mapping[str, Sequence[Row]]
#: a line: places on the x axis, and heights that may be missing
Line = tuple[list[float], list[float | None]]
Average = Callable[[Sequence[float]], float]


def run_lines(
    drawn: go.Figure,
    lines: Mapping[str, Mapping[int, Line]],
    average: Average,
    colour: Mapping[str, str],
) -> go.Figure:
    """For each arm the single runs as one thin trace, and their average."""
    for arm, runs in lines.items():
        if len(runs) > 1:
            drawn.add_trace(_thin(runs, faded(colour[arm], 0.35)))
    for arm, runs in lines.items():
        if runs:
            drawn.add_trace(_thick(arm, runs, colour[arm], average))
    return drawn


def _thin(runs: Mapping[int, Line], colour: str) -> go.Scatter:
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


def _thick(arm: str, runs: Mapping[int, Line], colour: str, average: Average) -> go.Scatter:
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
