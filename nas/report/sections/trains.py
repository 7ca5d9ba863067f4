"""The section on which networks train at all, apart from how good they are."""

from collections.abc import Mapping

import plotly.graph_objects as go

from nas import statistics as st
from nas.payoff.contrasts import Contrast
from nas.report.depth_sweep import FEWEST_IN_A_BAND, Twins, main_contrasts, slug
from nas.report.document import Drawing, Kind, Part, Section, Table, Text
from nas.report.effects import effect_cell, rate_cell
from nas.report.style import TEXT, counted, figure, plain, room, symbol

#: arm -> depth in layers -> how many of its runs fail to train
Failures = dict[str, dict[int, st.Rate]]


def trains_section(twins: Twins) -> Section:
    """Whether every run trains; else how many do by arm and depth, and the gain of those pairs."""
    shown = main_contrasts(twins.payoff)
    if not shown:
        return Section("trains", "Do the networks train at all?", [])
    if all(one.failed is False for one in twins.payoff.twins):
        runs = counted(len({one.trial for one in twins.payoff.twins}), "run")
        parts: list[Part] = [Text(f"Yes: all {runs} of the twins got below the loss of guessing.")]
        return Section("trains", "Do the networks train at all?", parts)
    key = (
        "A run trains if its training loss gets below 0.95 times that of guessing and does not "
        "come back up to it. Bars: 95% intervals (Wilson)."
    )
    places = dict.fromkeys((one.order, one.role) for one in shown)
    parts = [Text(key, role="note")]
    for place in places:
        group = [one for one in shown if place == (one.order, one.role)]
        parts.append(_drawing(twins, group))
    return Section("trains", "Do the networks train at all?", [*parts, _table(shown)])


def _drawing(twins: Twins, contrasts: list[Contrast]) -> Drawing:
    """One figure for an activation order at one kind of learning rate."""
    one = contrasts[0]
    return Drawing(
        name=slug(f"trains-{one.order}-{one.role}"),
        title=twins.titled("Runs that train", one.order, one.role),
        figure=_by_depth(_failures(contrasts), twins.colours),
    )


def _failures(contrasts: list[Contrast]) -> Failures:
    """Every arm of the contrasts, the reference first."""
    found: Failures = {contrasts[0].reference: {}}
    for one in contrasts:
        found[one.arm] = {layers: row.trains.residual for layers, row in one.hurdle.items()}
        found[one.reference] |= {layers: row.trains.plain for layers, row in one.hurdle.items()}
    return found


def _by_depth(arms: Failures, colour: Mapping[str, str]) -> go.Figure:
    """The share of runs that train against depth."""
    drawn = figure("depth (weighted layers)", "runs that train (%)")
    depths = sorted({layers for row in arms.values() for layers in row})
    step = 0.012 * (depths[-1] - depths[0] or 1)
    for index, (arm, row) in enumerate(arms.items()):
        drawn.add_trace(line(arm, row, colour[arm], step * (index - (len(arms) - 1) / 2)))
    drawn.add_hline(0, line={"color": TEXT, "width": 1})
    drawn.update_xaxes(tickvals=depths, showgrid=False, range=room(depths, 0.06))
    return drawn.update_yaxes(range=[-4, 104])


#: a line between so few depths that it shows nothing but which markers are one arm's
FEW = {"width": 1, "dash": "dot"}


def line(arm: str, row: dict[int, st.Rate], colour: str, shift: float) -> go.Scatter:
    """One arm, with the interval at each depth."""
    rates = [row[layers] for layers in sorted(row)]
    shares = [100 * (1 - rate.rate) for rate in rates]
    return go.Scatter(
        x=[layers + shift for layers in sorted(row)],
        y=shares,
        mode="lines+markers",
        name=plain(arm),
        line={"color": colour} | (FEW if len(row) < FEWEST_IN_A_BAND else {"width": 2.5}),
        marker={"symbol": symbol(arm, is_filled=True), "size": 9, "color": colour},
        error_y={
            "type": "data",
            "array": [100 * (rate.rate - rate.low) for rate in rates],
            "arrayminus": [100 * (rate.high - rate.rate) for rate in rates],
            "thickness": 1.2,
            "width": 4,
            "color": colour,
        },
        text=[_share_cell(rate) for rate in rates],
        hovertemplate="%{text}<extra>" + plain(arm) + "</extra>",
    )


def _table(contrasts: list[Contrast]) -> Table:
    """Every contrast and depth."""
    return Table(
        title="Runs that train, and the gain of the pairs that both do",
        head=(
            "arm",
            "against",
            "activation order",
            "learning rate",
            "layers",
            "arm trains",
            "reference trains",
            "difference (points of 100 runs)",
            "gain in training error of pairs that both train (points)",
        ),
        rows=[_table_row(one, layers) for one in contrasts for layers in one.hurdle],
        note=(
            "Intervals of shares: Wilson; of their difference: Newcombe, paired. If no run of the "
            "reference trains, the gain over all pairs is a ceiling: what guessing loses."
        ),
        folded=True,
    )


def _table_row(one: Contrast, layers: int) -> tuple[str, ...]:
    """One contrast at one depth."""
    found = one.hurdle[layers]
    gained = found.trains
    low, high = 100 * gained.low, 100 * gained.high
    return (
        Kind(one.arm),
        Kind(one.reference),
        one.order,
        rate_cell(one, layers),
        str(layers),
        _share_cell(gained.residual),
        _share_cell(gained.plain),
        f"{100 * gained.gain:+.0f} [{low:+.0f}, {high:+.0f}]".replace("-", "\N{MINUS SIGN}"),
        "none: the reference never trains" if found.is_ceiling else effect_cell(found.gain),
    )


def _share_cell(failed: st.Rate) -> str:
    """`5 of 6 (44 to 97%)`: those that did not fail."""
    low, high = (100 * (1 - end) for end in (failed.high, failed.low))
    return f"{failed.n - failed.count} of {failed.n} ({low:.0f} to {high:.0f}%)"
