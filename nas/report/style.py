"""How figures look: one colour for each shortcut kind, quiet axes, text that reads on light and
dark.
"""

import html
import zlib
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

import plotly.graph_objects as go

from nas.common.registry import base_name
from nas.model.blocks import SHORTCUTS
from nas.payoff.text import MINUS as MINUS
from nas.payoff.text import counted as counted
from nas.payoff.text import signed as signed

T = TypeVar("T")
#: Okabe and Ito's palette, safe for colour-blind readers and legible on white and on black
COLOURS = {
    "identity": "#0072B2",
    "projection": "#D55E00",
    "zero_pad": "#009E73",
    "none": "#7F7F7F",
    "none, wider": "#7F7F7F",
}
SYMBOLS = {
    "identity": "circle",
    "projection": "square",
    "none": "diamond",
    "zero_pad": "triangle-up",
    "none, wider": "cross",
}
#: for arms and groups that are no shortcut kind
OTHERS = ("#CC79A7", "#8F7A00", "#56A3C9", "#882255", "#5E6AD2", "#A0522D")
ACCENT = OTHERS[0]
#: for shortcut kinds of a user's own, with the colours after the accent
OTHER_SYMBOLS = ("triangle-down", "pentagon", "hexagram", "hourglass", "bowtie")
#: single runs drawn of each arm, and single pairs of each arm and depth
MOST_SINGLE = 60
NEUTRAL, TEXT, LINE = "#D6D6D6", "#808080", "rgba(127,127,127,0.25)"
#: orange where the first arm is better, blue where the second is
DIVERGING = [[0.0, "#D55E00"], [0.5, NEUTRAL], [1.0, "#0072B2"]]
SEQUENTIAL = [
    [0.0, "#FDE725"],
    [0.25, "#5EC962"],
    [0.5, "#21918C"],
    [0.75, "#3B528B"],
    [1.0, "#440154"],
]
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Liberation Sans', Arial, sans-serif"


def figure(x_title: str, y_title: str, *, height: int = 330, **layout: Any) -> go.Figure:
    """An empty figure with titled axes."""
    drawn = go.Figure(layout=go.Layout(template=go.layout.Template()))
    drawn.update_layout(
        height=height,
        margin={"l": 8, "r": 12, "t": 8, "b": 8},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"family": FONT, "size": 12, "color": TEXT},
        hoverlabel={"font": {"family": FONT, "size": 12}, "align": "left"},
        legend={"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom", "title": {"text": ""}},
        dragmode=False,
        hovermode="closest",
        xaxis=_axis(x_title),
        yaxis=_axis(y_title),
    )
    return drawn.update_layout(**layout)


def whole_numbers(drawn: go.Figure) -> go.Figure:
    """Ticks of the first axis at whole numbers alone, also where there are few of them."""
    places = [x for trace in drawn.data for x in (() if trace.x is None else trace.x)]
    last = max((x for x in places if x is not None), default=0)
    return drawn.update_xaxes(tickformat="d", showgrid=False, dtick=1 if last < 10 else None)


def _axis(title: str) -> dict[str, Any]:
    """A quiet axis."""
    return {
        "title": {"text": plain(title), "standoff": 8},
        "automargin": True,
        "gridcolor": LINE,
        "zeroline": False,
        "linecolor": LINE,
        "ticks": "outside",
        "ticklen": 4,
        "tickcolor": LINE,
    }


def _own_index(kind: str) -> int:
    """The place of a shortcut kind of a user's own among the other colours and symbols: by order of
    registration; where its plugin was not imported by its name, the same in every figure.
    """
    own = [name for name in SHORTCUTS if name not in COLOURS]
    count = len(OTHER_SYMBOLS)
    return own.index(kind) % count if kind in own else zlib.crc32(kind.encode()) % count


def kind_colour(kind: str) -> str:
    """The colour of a shortcut kind, the same in every figure."""
    kind = base_name(kind)
    return COLOURS.get(kind) or OTHERS[1 + _own_index(kind)]


def is_kind(name: str) -> bool:
    """Whether it names a shortcut kind, or the control of its arms."""
    return name in COLOURS or base_name(name) in SHORTCUTS


def colours(names: Iterable[str]) -> dict[str, str]:
    """Name -> colour: that of the shortcut kind, else one of the others, in order."""
    names = list(dict.fromkeys(names))
    others = [name for name in names if not is_kind(name)]
    return {name: kind_colour(name) for name in names} | {
        name: OTHERS[i % len(OTHERS)] for i, name in enumerate(others)
    }


def symbol(name: str, *, is_filled: bool = True) -> str:
    """The marker of a shortcut kind, open where something is not resolved or was cut short."""
    name = base_name(name)
    own = OTHER_SYMBOLS[_own_index(name)] if name in SHORTCUTS else "circle"
    return SYMBOLS.get(name, own) + ("" if is_filled else "-open")


def faded(colour: str, opacity: float) -> str:
    """A colour `#rrggbb` with an opacity."""
    return f"rgba({','.join(map(str, channels(colour)))},{opacity:g})"


def mixed(one: str, other: str, share: float) -> str:
    """A colour on the way from one to another."""
    pairs = zip(channels(one), channels(other), strict=True)
    return "#" + "".join(f"{round(a + share * (b - a)):02x}" for a, b in pairs)


def channels(colour: str) -> list[int]:
    """Red, green and blue of `#rrggbb`."""
    return [int(colour[i : i + 2], 16) for i in (1, 3, 5)]


def plain(value: object) -> str:
    """A text for a figure, where plotly would read some HTML."""
    return html.escape(str(value), quote=False)


def number(value: float | None, digits: int = 3) -> str:
    """A number to so many significant digits, large ones with separators; a dash for none."""
    if value is None:
        return "–"
    if abs(value) >= 10**digits:
        return f"{value:,.0f}".replace("-", MINUS)
    return f"{value:.{digits}g}".replace("-", MINUS)


def room(values: Sequence[float], share: float) -> list[float]:
    """An axis that leaves a share of the span free at both ends."""
    low, high = min(values), max(values)
    margin = share * ((high - low) or 1.0)
    return [low - margin, high + margin]


def selected(items: Sequence[T], most: int = MOST_SINGLE) -> Sequence[T]:
    """All, or where there are many an even selection."""
    return items[:: -(-len(items) // most) or 1]


def separated(lines: Sequence[Sequence[Any]]) -> list[Any]:
    """Many lines as one trace: a gap after each."""
    return [value for line in lines for value in (*line, None)]
