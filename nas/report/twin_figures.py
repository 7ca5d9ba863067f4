"""Figures of the twins: gain against depth, and the map of gains."""

import math
from collections.abc import Iterable, Sequence

import plotly.graph_objects as go

from nas.payoff.analysis import OUTCOMES, Contrast, Payoff, Twin, paired
from nas.payoff.twins import CONTROL
from nas.report.style import (
    DIVERGING,
    TEXT,
    colours,
    faded,
    figure,
    plain,
    signed,
    symbol,
)
from nas.statistics import Effect

ROLES = {"shared": "shared rate", "own": "own best rate"}


def main_contrasts(payoff: Payoff) -> list[Contrast]:
    """The arms of the ladder against the plain network (or the first arm), at the first budget."""
    budgets = [one.budget for one in payoff.ladder]
    wanted = [one for one in payoff.ladder if one.budget == min(budgets) and one.reference != CONTROL]
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
    colour = colours(one.arm for one in shown)
    for one in shown:
        drawn.add_traces(list(band(one.gains[outcome], colour[one.arm])))
    for index, one in enumerate(shown):
        shift = index - (len(shown) - 1) / 2
        drawn.add_trace(dots(one, pairs_of(payoff, one), outcome, colour[one.arm], shift))
        drawn.add_traces(line(one, outcome, colour[one.arm]))
    if outcome == "train_error" and payoff.smallest_effect > 0:
        drawn.add_hline(payoff.smallest_effect, line={"color": TEXT, "width": 1, "dash": "dot"})
    drawn.add_hline(0, line={"color": TEXT, "width": 1})
    effects = {layers: e for one in both for layers, e in one.gains[outcome].items()}
    seen = [pair for one in both for e in one.gains[outcome].values() for pair in e.pairs]
    drawn.update_xaxes(tickvals=sorted(effects), showgrid=False, range=room(list(effects), 0.06))
    return drawn.update_yaxes(range=room([0.0, *seen], 0.35))


def room(values: Sequence[float], share: float) -> list[float]:
    """An axis that leaves a share of the span free at both ends."""
    low, high = min(values), max(values)
    margin = share * ((high - low) or 1.0)
    return [low - margin, high + margin]


def pairs_of(payoff: Payoff, one: Contrast) -> dict[int, list[tuple[Twin, Twin]]]:
    """The pairs behind a contrast of the ladder, by layers."""
    group = [
        twin
        for twin in payoff.twins
        if twin.comparison == "ladder"
        and (twin.order, twin.role, twin.budget) == (one.order, one.role, one.budget)
    ]
    return paired(group, one.reference, one.arm)


def band(effects: dict[int, Effect], colour: str) -> Iterable[go.Scatter]:
    """The intervals as a band over neighbouring depths, as a bar where a depth stands alone."""
    bounded = {d: e for d, e in sorted(effects.items()) if math.isfinite(e.low) and math.isfinite(e.high)}
    if len(bounded) > 1:
        yield go.Scatter(
            x=[*bounded, *reversed(bounded)],
            y=[*(e.low for e in bounded.values()), *(e.high for e in reversed(bounded.values()))],
            fill="toself",
            mode="none",
            fillcolor=faded(colour, 0.15),
            hoverinfo="skip",
            showlegend=False,
        )
    elif bounded:
        ((depth, effect),) = bounded.items()
        yield go.Scatter(
            x=[depth, depth],
            y=[effect.low, effect.high],
            mode="lines",
            line={"color": faded(colour, 0.4), "width": 6},
            hoverinfo="skip",
            showlegend=False,
        )


def dots(
    one: Contrast,
    pairs: dict[int, list[tuple[Twin, Twin]]],
    outcome: str,
    colour: str,
    shift: float,
) -> go.Scatter:
    """Every pair as a small dot that names its trials, a little beside the mean."""
    rows = [(layers, a, b) for layers, row in pairs.items() for a, b in row]
    step = 0.02 * ((max(pairs) - min(pairs)) if len(pairs) > 1 else 1)
    return go.Scatter(
        x=[layers + step * shift for layers, _, _ in rows],
        y=[a.outcomes[outcome] - b.outcomes[outcome] for _, a, b in rows],
        mode="markers",
        marker={"color": faded(colour, 0.6), "size": 4},
        text=[
            f"seed {a.seed}: {plain(one.reference)} {a.outcomes[outcome]:.2f} (twin trial {a.trial}), "
            f"{plain(one.arm)} {b.outcomes[outcome]:.2f} (twin trial {b.trial})"
            for _, a, b in rows
        ],
        hovertemplate="%{text}<extra></extra>",
        showlegend=False,
    )


def line(one: Contrast, outcome: str, colour: str) -> list[go.Scatter]:
    """The means; a marker is filled where the interval leaves zero out."""
    effects = one.gains[outcome]
    means = [effect.mean for effect in effects.values()]
    joined = go.Scatter(
        x=list(effects),
        y=means,
        mode="lines",
        name=plain(one.arm),
        line={"color": colour, "width": 2.5},
        hoverinfo="skip",
    )
    marked = go.Scatter(
        x=list(effects),
        y=means,
        mode="markers",
        marker={
            "symbol": [symbol(one.arm, is_filled=effect.resolved) for effect in effects.values()],
            "size": 10,
            "color": colour,
            "line": {"width": 2, "color": colour},
        },
        text=[described(effect) for effect in effects.values()],
        hovertemplate="%{x} layers: %{text}<extra>" + plain(one.arm) + "</extra>",
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
        plain(one.order) + "<br>" + plain(f"{one.arm}, {ROLES[one.role]}" if several else one.arm): one
        for one in reversed(shown)
    }
    cells = [[one.gains[outcome].get(depth) for depth in depths] for one in rows.values()]
    drawn = figure("depth (weighted layers)", "", height=70 + 44 * len(rows))
    drawn.add_trace(heat(cells, [str(depth) for depth in depths], list(rows)))
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
        hovertemplate="%{y}, %{x} layers: %{customdata}<extra></extra>",
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
