"""Gain: the error of a network less that of its twin, against depth."""

from collections.abc import Iterable, Sequence

import plotly.graph_objects as go

from nas.payoff.analysis import Payoff
from nas.payoff.contrasts import Contrast, Pairs, paired
from nas.payoff.primary import Comparison, primary_comparisons
from nas.payoff.records import OUTCOMES, Twin
from nas.report.depth_sweep import FEWEST_IN_A_BAND, Twins, main_contrasts, slug
from nas.report.document import Drawing, Kind, Part, Section, Table, Text
from nas.report.effects import MANY_ROWS, PAIRS, effect_cell, effect_text, pairs_cell, rate_cell
from nas.report.style import (
    MOST_SINGLE,
    TEXT,
    faded,
    figure,
    number,
    plain,
    room,
    selected,
    symbol,
)
from nas.statistics import Claim, CrossoverDepth, Effect


def gain_section(twins: Twins) -> Section:
    """Gain against depth for each kind of shortcut, with every number in a table."""
    payoff = twins.payoff
    places = list(dict.fromkeys((one.order, one.role) for one in main_contrasts(payoff)))
    parts: list[Part] = [Text(_reading_key(twins), role="note")] if places else []
    for order, role in places:
        parts += [_drawing(twins, order, role, outcome) for outcome in ("train_error", "val_error")]
    parts += [one for one in (_primary_table(payoff), _exploratory_table(payoff)) if one.rows]
    named = [("ladder", one) for one in payoff.ladder]
    named += [(name, one) for name, group in payoff.candidates.items() for one in group]
    if named:
        note = (
            "Positive: the arm has the lower error. Every pair is printed where there are five or "
            "fewer, else the exact p of both arms' runs exchanged and of the pairs' signs flipped, "
            "uncorrected. 95% intervals by "
            f"{twins.methods}. Only the primary comparisons are corrected for their number."
        )
        parts.append(_gains_table(named, "All gains", note))
    if payoff.crossover:
        parts.append(_crossover_table(payoff))
    if payoff.with_added:
        parts.append(_added_table(payoff))
    return Section("gain", "How much do shortcuts gain, and from what depth on?", parts)


def _reading_key(twins: Twins) -> str:
    """How the figures of gains are read."""
    size = twins.payoff.smallest_effect
    reference = main_contrasts(twins.payoff)[0].reference
    what = twins.payoff.vary.replace("_", " ")
    dotted = (
        f" Dotted, where the axis reaches it: the smallest effect of interest, {size:g} points of "
        "training error."
    )
    most = max(e.n for one in main_contrasts(twins.payoff) for e in one.gains["val_error"].values())
    some = f", of many an even selection ({MOST_SINGLE} at most)" if most > MOST_SINGLE else ""
    return (
        f"Gain: the error of the network with {what} {reference} less that of its twin, "
        f"{twins.epochs}. Bands and bars: 95% intervals, cut where they leave the axis. A filled "
        f"marker: the interval leaves zero out. Small dots: single pairs, one for each seed{some}. "
        "Single depths are exploratory: their intervals are not corrected."
        f"{dotted if size > 0 else ''}"
    )


def _drawing(twins: Twins, order: str, role: str, outcome: str) -> Drawing:
    """One figure of gain against depth."""
    return Drawing(
        name=slug(f"gain-{outcome}-{order}-{role}"),
        title=twins.titled(f"Gain in {OUTCOMES[outcome][0]}", order, role),
        figure=_gain_by_depth(twins, outcome, order, role),
        published=True,
    )


def _gain_by_depth(twins: Twins, outcome: str, order: str, role: str) -> go.Figure:
    """Gain of each arm over the reference against depth, with its interval and every pair.

    Figures that differ in the role only have the same axes, so that they can be compared.
    """
    payoff, colour, (label, unit) = twins.payoff, twins.colours, OUTCOMES[outcome]
    drawn = figure("depth (weighted layers)", f"gain in {label} ({unit})")
    both = [one for one in main_contrasts(payoff) if one.order == order]
    shown = [one for one in both if one.role == role]
    depths = sorted({layers for one in both for layers in one.gains[outcome]})
    are_few = len(depths) < FEWEST_IN_A_BAND
    step = (0.03 if are_few else 0.012) * (depths[-1] - depths[0] or 1)
    shifts = [step * (index - (len(shown) - 1) / 2) for index in range(len(shown))]
    for one, shift in zip(shown, shifts, strict=True):
        drawn.add_traces(_band(one.gains[outcome], colour[one.arm], shift))
    for one, shift in zip(shown, shifts, strict=True):
        beside = shift + 0.4 * step if are_few else 3 * shift
        drawn.add_trace(_dots(one, _pairs_of(payoff, one), outcome, colour[one.arm], beside))
        drawn.add_traces(_mean_line(one, outcome, colour[one.arm], shift))
    if outcome == "train_error" and payoff.smallest_effect > 0:
        drawn.add_hline(payoff.smallest_effect, line={"color": TEXT, "width": 1, "dash": "dot"})
    drawn.add_hline(0, line={"color": TEXT, "width": 1})
    drawn.update_xaxes(tickvals=depths, showgrid=False, range=room(depths, 0.06))
    effects = [effect for one in both for effect in one.gains[outcome].values()]
    return drawn.update_yaxes(range=room(_heights(effects), 0.06))


def _heights(effects: Sequence[Effect]) -> list[float]:
    """Zero, every pair, and as much of the intervals as leaves the pairs readable."""
    pairs = [0.0, *(pair for effect in effects for pair in effect.pairs)]
    low, high = min(pairs), max(pairs)
    most = 0.6 * ((high - low) or 1.0)
    ends = [end for effect in effects if effect.n > 1 for end in (effect.low, effect.high)]
    return pairs + [min(max(end, low - most), high + most) for end in ends]


def _pairs_of(payoff: Payoff, one: Contrast) -> Pairs:
    """The pairs behind a contrast of the ladder, by layers."""
    place = (one.order, one.role, one.budget)
    ladder = (twin for twin in payoff.twins if twin.comparison == "ladder")
    group = [twin for twin in ladder if (twin.order, twin.role, twin.budget) == place]
    return paired(group, one.reference, one.arm)


def _band(effects: dict[int, Effect], colour: str, shift: float) -> list[go.Scatter]:
    """The intervals as a band over depth, as bars where too few depths were tried for one."""
    known = {d + shift: e for d, e in sorted(effects.items()) if e.n > 1}
    if not known:
        return []
    x, low, high = list(known), [e.low for e in known.values()], [e.high for e in known.values()]
    common = {"hoverinfo": "skip", "showlegend": False}
    if len(known) < FEWEST_IN_A_BAND:
        bar = {"color": faded(colour, 0.3), "width": 6}
        ends = zip(x, low, high, strict=True)
        return [
            go.Scatter(x=[d, d], y=[a, b], mode="lines", line=bar, **common) for d, a, b in ends
        ]
    around = {"x": x + x[::-1], "y": low + high[::-1]}
    return [
        go.Scatter(**around, fill="toself", mode="none", fillcolor=faded(colour, 0.15), **common)
    ]


def _dots(one: Contrast, pairs: Pairs, outcome: str, colour: str, shift: float) -> go.Scatter:
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
            f"seed {a.seed}: {_run(one.reference, a, outcome)}, {_run(one.arm, b, outcome)}"
            for _, a, b in rows
        ],
        hovertemplate="%{text}<extra></extra>",
        showlegend=False,
    )


def _run(arm: str, twin: Twin, outcome: str) -> str:
    """A run in a few words."""
    return f"{plain(arm)} {twin.outcomes[outcome]:.2f} (twin trial {twin.trial})"


def _mean_line(one: Contrast, outcome: str, colour: str, shift: float) -> list[go.Scatter]:
    """The means; a marker is filled where the interval leaves zero out."""
    effects = one.gains[outcome]
    places = {"x": [d + shift for d in effects], "y": [e.mean for e in effects.values()]}
    style = {"color": colour, "width": 2.5}
    if len(effects) < FEWEST_IN_A_BAND:
        style |= {"width": 1, "dash": "dot"}
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
        text=[f"{depth} layers: {effect_text(effect)}" for depth, effect in effects.items()],
        hovertemplate="%{text}<extra>" + plain(one.arm) + "</extra>",
        showlegend=False,
    )
    return [joined, marked]


def _primary_table(payoff: Payoff) -> Table:
    """The comparisons fixed beforehand, corrected for their number."""
    rows = [_primary_row(one, row) for one, row in primary_comparisons(payoff)]
    head = (
        *("arm", "against", "activation order", "learning rate", "layers", "points", "pairs"),
        *(PAIRS, "p (Holm)", "answer", "pairs missing"),
    )
    note = (
        "Positive: of several depths, how much more training error depth costs the reference from "
        "the shallowest to the deepest; of one, how much more it has. Smallest effect of interest: "
        f"{payoff.smallest_effect:g} points. Pairs missing: so many more would decide it if mean "
        "and spread stayed what they are."
    )
    return Table("Primary comparisons, fixed before the first twin was trained", head, rows, note)


def _primary_row(one: Contrast, row: Comparison) -> tuple[str, ...]:
    """A primary comparison with its answer."""
    layers, effect = row.layers[-1], row.effect
    more = "–" if row.more_pairs is None else str(row.more_pairs)
    return (
        *(Kind(row.arm), Kind(row.reference), row.order, rate_cell(one, layers)),
        *(" to ".join(map(str, row.layers)), effect_cell(effect), str(effect.n)),
        *(pairs_cell(effect), number(row.p_adjusted), row.answer, more),
    )


def _exploratory_table(payoff: Payoff) -> Table:
    """The other differences in differences over depth."""
    over_depth = {id(e) for one in payoff.ladder for e in one.interaction.values()}
    rows = [
        _claim_row(claim)
        for claim in payoff.claims.values()
        if claim.status == "exploratory" and id(claim.effect) in over_depth
    ]
    head = ("comparison", "points", "pairs", PAIRS)
    note = "Not corrected for their number: they claim nothing."
    return Table("Other differences in differences over depth", head, rows, note, folded=True)


def _claim_row(claim: Claim) -> tuple[str, ...]:
    """A comparison with its effect."""
    effect = claim.effect
    return claim.name, effect_cell(effect), str(effect.n), pairs_cell(effect)


def _gains_table(contrasts: Iterable[tuple[str, Contrast]], title: str, note: str) -> Table:
    """One row for each contrast and depth; each contrast with the name of its comparison."""
    head = (
        *("comparison", "arm", "against", "activation order", "learning rate", "budget", "layers"),
        *("pairs", "gain in training error (points)", "gain in validation error (points)"),
        *(f"training: {PAIRS}", f"validation: {PAIRS}"),
    )
    rows = [
        _gain_row(name, one, layers)
        for name, one in contrasts
        for layers in one.gains["train_error"]
    ]
    return Table(title, head, rows, note, folded=len(rows) > MANY_ROWS)


def _added_table(payoff: Payoff) -> Table:
    """The gains with the runs that were added to the plan."""
    named = [(name, one) for name, rows in payoff.with_added.items() for one in rows]
    note = (
        "Planned runs together with those asked for after a twin had finished, when results could "
        "be seen: exploratory, whatever their intervals."
    )
    return _gains_table(named, "Gains with the runs added to the plan", note)


def _gain_row(name: str, one: Contrast, layers: int) -> tuple[str, ...]:
    """A contrast at one depth."""
    training, validation = one.gains["train_error"][layers], one.gains["val_error"][layers]
    return (
        *(name, Kind(one.arm), Kind(one.reference), one.order, rate_cell(one, layers)),
        *(f"{one.budget} ×", str(layers), str(training.n)),
        *(effect_cell(training), effect_cell(validation)),
        *(pairs_cell(training), pairs_cell(validation)),
    )


def _crossover_table(payoff: Payoff) -> Table:
    """The depth at which each arm has its least training error."""
    rows = [
        (
            *(name, _least_cell(one), f"{one.low} to {one.high}" if one.n > 1 else "–"),
            *(_beyond_cell(one), str(one.n)),
        )
        for name, one in payoff.crossover.items()
    ]
    least, beyond = "layers of least training error", "may lie beyond what was tried"
    head = ("arm", least, "95% interval", beyond, "seeds")
    return Table("From which depth on an arm gets worse", head, rows, folded=len(rows) > MANY_ROWS)


def _least_cell(one: CrossoverDepth) -> str:
    """The depth of least error, or the equal ones, and whether there is no error left to lose."""
    text = str(one.depth) if one.last == one.depth else f"{one.depth} to {one.last}, equal"
    return f"{text}; saturated" if one.saturated else text


def _beyond_cell(one: CrossoverDepth) -> str:
    """On which side the interval reaches the end of the depths that were tried."""
    sides = ["shallower"] * one.censored_shallow + ["deeper"] * one.censored
    return f"yes, {' or '.join(sides)}" if sides else "no"
