"""Trials as markers, in the colour and symbol of their shortcut kind."""

import math
from collections.abc import Callable, Sequence

import plotly.graph_objects as go

from nas.report.style import (
    ACCENT,
    COLOURS,
    kind_colour,
    plain,
    symbol,
)
from nas.report.trial_rows import MIXED, Row

#: points drawn at most; of more trials an even selection, the best ones always
MOST_POINTS = 1_500
#: points from which on they are drawn small
CROWD = 400


def add_markers(
    drawn: go.Figure,
    rows: Sequence[Row],
    x: Callable[[Row], float | None],
    y: Callable[[Row], float | None],
    factor: float = 1.0,
) -> None:
    """Trials as markers, one trace for each kind of shortcut."""
    for kind in sorted({_shortcut_of(row) for row in rows}, key=_rank):
        own = [
            row
            for row in rows
            if _shortcut_of(row) == kind and x(row) is not None and y(row) is not None
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
                    text=[plain(trial_text(row)) for row in own],
                    hovertemplate="%{text}<br>%{y:.4g}<extra></extra>",
                )
            )


def _shortcut_of(row: Row) -> str:
    """The kind of shortcut of a trial, `unknown` where its candidate cannot be read."""
    return row.shortcut or "unknown"


def _rank(kind: str) -> tuple[int, str]:
    """Kinds of this program in the order of their colours, then a user's own, mixed ones last."""
    known = list(COLOURS)
    return (known.index(kind) if kind in known else len(known) + (kind == MIXED)), kind


def trial_text(row: Row) -> str:
    """A trial in a few words."""
    architecture = row.architecture
    if architecture is None:
        return f"trial {row.number}"
    blocks = "+".join(str(stage.depth) for stage in architecture.stages)
    shortcuts = ", ".join(dict.fromkeys(stage.shortcut_text for stage in architecture.stages))
    if len({stage.shortcut_text for stage in architecture.stages}) > 1:
        shortcuts = ", ".join(stage.shortcut_text for stage in architecture.stages)
    join = f", join {architecture.join_text}" if architecture.join_text not in ("", "add") else ""
    text = (
        f"trial {row.number}: {blocks} block{'s' * (blocks != '1')}, {shortcuts}{join}, "
        f"{architecture.activation_order}{architecture.start_text}"
    )
    return text + (" (pruned)" if row.outcome == "pruned" else "")


def subsample(rows: Sequence[Row], most: int, kept: set[int]) -> list[Row]:
    """An even selection, with the trials that must be kept."""
    step = max(1, math.ceil(len(rows) / most))
    return [row for index, row in enumerate(rows) if index % step == 0 or row.number in kept]
