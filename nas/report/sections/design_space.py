"""Maps of the gain: by depth and activation order, by block type and width."""

import plotly.graph_objects as go

from nas.payoff.analysis import Payoff
from nas.payoff.records import OUTCOMES
from nas.report.depth_sweep import ROLES, Twins, main_contrasts, slug
from nas.report.document import Drawing, Kind, Part, Section, Table
from nas.report.effects import MANY_ROWS, PAIRS, effect_cell, pairs_cell, rate_cell
from nas.report.heatmaps import effect_heatmap
from nas.report.sections.gain_maps import gain_map_parts
from nas.report.style import (
    plain,
)

CELL_KEY = "Colour: the 95% interval, uncorrected, leaves zero out; in brackets: not."


def map_section(twins: Twins) -> Section:
    """The same gains as maps: by depth and activation order, and by block type and width."""
    parts: list[Part] = [
        Drawing(
            name=slug(f"map-{outcome}"),
            title=f"Gain in {OUTCOMES[outcome][0]} by depth{_ordered(twins.payoff)} and arm",
            figure=_gain_map(twins.payoff, outcome),
            caption=CELL_KEY,
            published=outcome == "train_error",
        )
        for outcome in ("train_error", "val_error")
        if main_contrasts(twins.payoff)
    ]
    if twins.payoff.orders:
        parts.append(_order_table(twins.payoff))
    if twins.payoff.variants:
        title = "Gain in training error by depth, block type and width"
        drawn = _variant_map(twins.payoff)
        parts += [Drawing("map-variants", title, drawn, CELL_KEY), _variant_table(twins.payoff)]
    return Section("map", "Where in the design space?", [*parts, *gain_map_parts(twins)])


def _ordered(payoff: Payoff) -> str:
    """In a title that the map tells activation orders apart; they may be the arms themselves."""
    return "" if payoff.vary == "activation_order" else ", activation order"


def _gain_map(payoff: Payoff, outcome: str) -> go.Figure:
    """Depth x activation order (and arm): the gain where it is resolved, bracketed where not."""
    shown = main_contrasts(payoff)
    depths = sorted({layers for one in shown for layers in one.gains[outcome]})
    several = len({one.role for one in shown}) > 1
    order = "{}<br>" if _ordered(payoff) else ""
    rows = {
        order.format(plain(one.order))
        + plain(f"{one.arm}, {ROLES[one.role]}" if several else one.arm): one
        for one in reversed(shown)
    }
    cells = [[one.gains[outcome].get(depth) for depth in depths] for one in rows.values()]
    return effect_heatmap(cells, depths, list(rows), "depth (weighted layers)")


def _variant_map(payoff: Payoff) -> go.Figure:
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
    return effect_heatmap(cells, depths, list(found), "depth (blocks in every stage)")


def _order_table(payoff: Payoff) -> Table:
    """The activation orders against each other, in networks that have shortcuts."""
    rows = [
        (
            *(Kind(one.order), one.arm, one.reference, rate_cell(one, layers), str(layers)),
            *(str(effect.n), effect_cell(effect)),
            *(effect_cell(one.gains["val_error"][layers]), pairs_cell(effect)),
        )
        for one in payoff.orders
        for layers, effect in one.gains["train_error"].items()
    ]
    head = (
        *("networks", "activation order", "against", "learning rate", "layers", "pairs"),
        *("gain in training error (points)", "gain in validation error (points)"),
        f"training: {PAIRS}",
    )
    note = (
        "Positive: the order has the lower error. A plain network is the same under all orders, so "
        "this is also by how much the gain of shortcuts changes with the order. Exploratory, not "
        "corrected: small effects of the order are not resolvable with few pairs."
    )
    return Table(
        "Activation orders against each other", head, rows, note, folded=len(rows) > MANY_ROWS
    )


def _variant_table(payoff: Payoff) -> Table:
    """The ends of the ladder with other blocks and at other widths."""
    rows = [
        (
            *(name, Kind(one.arm), Kind(one.reference), one.order, str(layers)),
            *(str(one.blocks[layers]), str(effect.n), effect_cell(effect)),
            effect_cell(one.gains["val_error"][layers]),
            effect_cell(row.change) if layers == max(one.blocks) else "–",
        )
        for name, some in payoff.variants.items()
        for row in some
        for one in [row.contrast]
        for layers, effect in one.gains["train_error"].items()
    ]
    head = (
        *("variant", "arm", "against", "activation order", "layers", "blocks in a stage", "pairs"),
        *("gain in training error (points)", "gain in validation error (points)"),
        "more than in the ladder (training error)",
    )
    note = "The ladder itself is the row of the same arm under all gains. Exploratory."
    return Table("Gain by block type and width", head, rows, note, folded=len(rows) > MANY_ROWS)
