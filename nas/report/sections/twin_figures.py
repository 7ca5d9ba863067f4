"""Figures of the twins: gain against depth, and the map of gains."""

from collections.abc import Sequence

import plotly.graph_objects as go

from nas.payoff.analysis import Payoff
from nas.payoff.contrasts import Contrast, Pairs, paired
from nas.payoff.records import OUTCOMES, Twin
from nas.payoff.variants import CONTROL
from nas.report.style import (
    DIVERGING,
    TEXT,
    colours,
    faded,
    figure,
    plain,
    room,
    selected,
    signed,
    symbol,
)
from nas.statistics import Effect

ROLES = {"shared": "shared rate", "own": "own best rate"}


def main_contrasts(payoff: Payoff) -> list[Contrast]:
    """The arms of the ladder against the plain network (or the first arm), at the first budget."""
    budgets = [one.budget for one in payoff.ladder]
    wanted = [
        one for one in payoff.ladder if one.budget == min(budgets) and one.reference != CONTROL
    ]
    references = [one.reference for one in wanted]
    reference = "none" if "none" in references else references[0] if references else ""
    return [one for one in wanted if one.reference == reference]


def gain_by_depth(payoff: Payoff, outcome: str, order: str, role: str) -> go.Figure:
    """Gain of each arm over the reference against depth, with its interval and every pair.

    Figures that differ in the role only have the same axes, so that they can be compared.
    """
    label, unit = OUTCOMES[outcome]
    drawn = figure("depth (weighted layers)", f"gain in {label} ({unit})")
    both = [one for one in main_contrasts(payoff) if one.order == order]
    shown = [one for one in both if one.role == role]
    depths = sorted({layers for one in both for layers in one.gains[outcome]})
    colour = colours(one.arm for one in shown)
    step = 0.012 * (depths[-1] - depths[0] or 1)
    shifts = [step * (index - (len(shown) - 1) / 2) for index in range(len(shown))]
    for one, shift in zip(shown, shifts, strict=True):
        drawn.add_traces(band(one.gains[outcome], colour[one.arm], shift))
    for one, shift in zip(shown, shifts, strict=True):
        drawn.add_trace(dots(one, pairs_of(payoff, one), outcome, colour[one.arm], 3 * shift))
        drawn.add_traces(line(one, outcome, colour[one.arm], shift))
    if outcome == "train_error" and payoff.smallest_effect > 0:
        drawn.add_hline(payoff.smallest_effect, line={"color": TEXT, "width": 1, "dash": "dot"})
    drawn.add_hline(0, line={"color": TEXT, "width": 1})
    drawn.update_xaxes(tickvals=depths, showgrid=False, range=room(depths, 0.06))
    effects = [effect for one in both for effect in one.gains[outcome].values()]
    return drawn.update_yaxes(range=room(heights(effects), 0.06))


def heights(effects: Sequence[Effect]) -> list[float]:
    """Zero, every pair, and as much of the intervals as leaves the pairs readable."""
    pairs = [0.0, *(pair for effect in effects for pair in effect.pairs)]
    low, high = min(pairs), max(pairs)
    most = 0.6 * ((high - low) or 1.0)
    ends = [end for effect in effects if effect.n > 1 for end in (effect.low, effect.high)]
    return pairs + [min(max(end, low - most), high + most) for end in ends]


def pairs_of(payoff: Payoff, one: Contrast) -> Pairs:
    """The pairs behind a contrast of the ladder, by layers."""
    place = (one.order, one.role, one.budget)
    ladder = (twin for twin in payoff.twins if twin.comparison == "ladder")
    group = [twin for twin in ladder if (twin.order, twin.role, twin.budget) == place]
    return paired(group, one.reference, one.arm)


def band(effects: dict[int, Effect], colour: str, shift: float) -> list[go.Scatter]:
    """The intervals as a band over depth, as a bar where there is one depth only."""
    known = {d + shift: e for d, e in sorted(effects.items()) if e.n > 1}
    if not known:
        return []
    x, low, high = list(known), [e.low for e in known.values()], [e.high for e in known.values()]
    common = {"hoverinfo": "skip", "showlegend": False}
    if len(known) == 1:
        bar = {"color": faded(colour, 0.4), "width": 6}
        return [go.Scatter(x=x * 2, y=[low[0], high[0]], mode="lines", line=bar, **common)]
    around = {"x": x + x[::-1], "y": low + high[::-1]}
    return [
        go.Scatter(**around, fill="toself", mode="none", fillcolor=faded(colour, 0.15), **common)
    ]


def dots(one: Contrast, pairs: Pairs, outcome: str, colour: str, shift: float) -> go.Scatter:
    """Every pair as a small dot that names its trials, a little beside the mean; of many an even
    selection.
    """
    rows = [(layers, a, b) for layers, row in pairs.items() for a, b in selected(row)]
    return go.Scatter(
        x=[layers + shift for layers, _, _ in rows],
        y=[a.outcomes[outcome] - b.outcomes[outcome] for _, a, b in rows],
        mode="markers",
        marker={"color": faded(colour, 0.6), "size": 4},
        text=[
            f"seed {a.seed}: {spoken(one.reference, a, outcome)}, {spoken(one.arm, b, outcome)}"
            for _, a, b in rows
        ],
        hovertemplate="%{text}<extra></extra>",
        showlegend=False,
    )


def spoken(arm: str, twin: Twin, outcome: str) -> str:
    """A run in a few words."""
    return f"{plain(arm)} {twin.outcomes[outcome]:.2f} (twin trial {twin.trial})"


def line(one: Contrast, outcome: str, colour: str, shift: float) -> list[go.Scatter]:
    """The means; a marker is filled where the interval leaves zero out."""
    effects = one.gains[outcome]
    places = {"x": [d + shift for d in effects], "y": [e.mean for e in effects.values()]}
    style = {"color": colour, "width": 2.5}
    joined = go.Scatter(**places, mode="lines", name=plain(one.arm), line=style, hoverinfo="skip")
    marked = go.Scatter(
        **places,
        mode="markers",
        marker={
            "symbol": [symbol(one.arm, is_filled=effect.resolved) for effect in effects.values()],
            "size": 9,
            "color": colour,
            "line": {"width": 2, "color": colour},
        },
        text=[f"{depth} layers: {described(effect)}" for depth, effect in effects.items()],
        hovertemplate="%{text}<extra>" + plain(one.arm) + "</extra>",
        showlegend=False,
    )
    return [joined, marked]


def described(effect: Effect) -> str:
    """Mean, interval and number of pairs in one line."""
    if effect.n == 1:
        return f"{signed(effect.mean)}, no interval from one pair"
    open_end = "" if effect.resolved else ", not resolved"
    ends = f"[{signed(effect.low)}, {signed(effect.high)}]"
    return f"{signed(effect.mean)} {ends}, {effect.n} pairs{open_end}"


def gain_map(payoff: Payoff, outcome: str) -> go.Figure:
    """Depth x activation order (and arm): the gain where it is resolved, bracketed where not."""
    shown = main_contrasts(payoff)
    depths = sorted({layers for one in shown for layers in one.gains[outcome]})
    several = len({one.role for one in shown}) > 1
    rows = {
        plain(one.order)
        + "<br>"
        + plain(f"{one.arm}, {ROLES[one.role]}" if several else one.arm): one
        for one in reversed(shown)
    }
    cells = [[one.gains[outcome].get(depth) for depth in depths] for one in rows.values()]
    return mapped(cells, depths, list(rows), "depth (weighted layers)")


def variant_map(payoff: Payoff) -> go.Figure:
    """Blocks in every stage x block type or width (and order and arm), at the shared rate."""
    own = [("the ladder", one) for one in main_contrasts(payoff) if one.role == "shared"]
    compared = {(one.reference, one.arm) for _, one in own}
    varied = [
        (name, row.contrast)
        for name, some in payoff.variants.items()
        for row in some
        if (row.contrast.reference, row.contrast.arm) in compared
    ]
    found = {
        f"{plain(name)}<br>{plain(f'{one.arm}, {one.order}')}": {
            one.blocks[layers]: effect for layers, effect in one.gains["train_error"].items()
        }
        for name, one in reversed([*own, *varied])
    }
    depths = sorted({depth for _, one in varied for depth in one.blocks.values()})
    cells = [[effects.get(depth) for depth in depths] for effects in found.values()]
    return mapped(cells, depths, list(found), "depth (blocks in every stage)")


def mapped(
    cells: list[list[Effect | None]], depths: list[int], names: list[str], title: str
) -> go.Figure:
    """A map of effects, depth across."""
    drawn = figure(title, "", height=70 + 44 * len(names))
    drawn.add_trace(heat(cells, [str(depth) for depth in depths], names))
    drawn.update_xaxes(type="category", showgrid=False)
    return drawn.update_yaxes(showgrid=False, type="category")


def heat(cells: list[list[Effect | None]], x: list[str], y: list[str]) -> go.Heatmap:
    """Effects as coloured cells; a colour only where the interval leaves zero out."""
    largest = max((abs(e.mean) for row in cells for e in row if e and e.resolved), default=1.0)
    return go.Heatmap(
        x=x,
        y=y,
        z=[[None if e is None else e.mean if e.resolved else 0.0 for e in row] for row in cells],
        text=[["" if e is None else cell_text(e) for e in row] for row in cells],
        texttemplate="%{text}",
        customdata=[["" if e is None else described(e) for e in row] for row in cells],
        hovertemplate="%{y}, depth %{x}: %{customdata}<extra></extra>",
        colorscale=DIVERGING,
        zmin=-largest,
        zmax=largest,
        xgap=2,
        ygap=2,
        showscale=False,
    )


def cell_text(effect: Effect) -> str:
    """+1.2, or (+1.2) where it is not resolved."""
    return signed(effect.mean) if effect.resolved else f"({signed(effect.mean)})"
