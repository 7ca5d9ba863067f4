"""What finished twins stand and what they rest on: noise, rounding, changed pictures, lesions."""

from collections.abc import Sequence

import plotly.graph_objects as go

from nas import statistics as st
from nas.payoff.after_training import AfterTraining, Measured, lesions
from nas.payoff.contrasts import Contrast
from nas.payoff.primary import ordered
from nas.payoff.verdict import preferred
from nas.report.depth_sweep import Twins, main_contrasts, slug
from nas.report.document import Drawing, Kind, Part, Section, Table, Text
from nas.report.effects import effect_cell, rate_cell, whiskers
from nas.report.style import TEXT, counted, figure, number, plain, signed, symbol
from nas.training.metrics import finished_measures

TITLE = "What do the finished networks stand, and what do they rest on?"
#: measures by block with what is said of the norms
LESIONS = {
    "lesion_error": "norms as they were",
    "lesion_error_retaken": "statistics of the norms retaken",
}


def after_training_section(twins: Twins) -> Section:
    """Gains under noise and on changed pictures, agreement by picture, lesions by block."""
    shown = [one for one in preferred(ordered(main_contrasts(twins.payoff))) if one.after_training]
    if not shown:
        return Section("finished", TITLE, [])
    noun = "row" if twins.is_of_rows else "picture"
    parts: list[Part] = [Text(_key(shown[0], noun), role="note")]
    for order in dict.fromkeys(one.order for one in shown):
        group = [one for one in shown if one.order == order]
        parts.append(_gains_drawing(twins, group, noun))
        parts += _lesion_drawings(twins, group)
    every = [one for one in twins.payoff.ladder if one.after_training]
    return Section(
        "finished", TITLE, [*parts, _gains_table(every, noun), _pictures_table(every, noun)]
    )


def _key(one: Contrast, noun: str) -> str:
    """How the section is read."""
    found = next(iter(one.after_training.values()))
    pictures = counted(found.agreement.pictures, f"{found.split} {noun}")
    return (
        f"Measured once, when a training had ended, on {pictures}, the same for all twins. Gain: "
        f"the error of the reference less that of its twin. A gain under noise that is larger than "
        f"that on the {noun}s as they are is one in robustness. Lesions are evidence within "
        "networks with shortcuts alone: plain ones fall apart without a block, as nothing leads "
        "around it."
    )


def _label(name: str) -> str:
    """A measure without what all have in common."""
    measure = finished_measures().get(name)
    text = measure.label if measure else name
    return text.removeprefix("validation error with ")


def _gains_drawing(twins: Twins, group: Sequence[Contrast], noun: str) -> Drawing:
    """The gain of each arm in each measure, at the deepest networks."""
    deepest = max(layers for one in group for layers in one.after_training)
    drawn = figure("gain (points)", "measured with", height=300)
    for one in group:
        found = one.after_training.get(deepest)
        if found is not None:
            drawn.add_trace(_gains_trace(one.arm, named(found, noun), twins.colours[one.arm]))
    drawn.add_vline(0, line={"color": TEXT, "width": 1})
    drawn.update_yaxes(autorange="reversed", showgrid=False)
    drawn.update_layout(scattermode="group", scattergap=0.6)
    return Drawing(
        name=slug(f"robustness-{group[0].order}-{group[0].role}"),
        title=twins.titled(
            f"Gains of the finished networks, {deepest} layers", group[0].order, group[0].role
        ),
        figure=drawn,
        caption="Filled: the 95% interval leaves zero out.",
    )


def _gains_trace(arm: str, effects: dict[str, st.Effect], colour: str) -> go.Scatter:
    """One arm: as they are, and in each measure."""
    known = list(effects.values())
    return go.Scatter(
        x=[effect.mean for effect in known],
        y=[plain(name) for name in effects],
        mode="markers",
        name=plain(arm),
        marker={
            "color": colour,
            "size": 9,
            "symbol": [symbol(arm, is_filled=effect.resolved) for effect in known],
        },
        error_x=whiskers(known, colour),
        text=[effect_cell(effect) for effect in known],
        hovertemplate="%{y}: %{text}<extra>" + plain(arm) + "</extra>",
    )


def _lesion_drawings(twins: Twins, group: Sequence[Contrast]) -> list[Drawing]:
    """The rise of the error without each block, for the arms of the deepest networks."""
    deepest = max(layers for one in group for layers in one.after_training)
    one = next(one for one in group if deepest in one.after_training)
    arms = dict.fromkeys([one.reference, *(some.arm for some in group)])
    drawings = []
    for name, how in LESIONS.items():
        found = {arm: lesions(_finished(twins, one, deepest, arm), name) for arm in arms}
        found = {arm: row for arm, row in found.items() if any(row)}
        if found:
            drawings.append(
                Drawing(
                    name=slug(f"{name}-{one.order}-{one.role}"),
                    title=twins.titled(
                        f"Error without a block, {how}, {deepest} layers", one.order, one.role
                    ),
                    figure=_lesion_figure(found, twins.colours),
                    caption="Mean over the runs with 95% intervals (Student). The block is "
                    "replaced by its shortcut; without one it is left out, where its shape allows.",
                    wide=True,
                )
            )
    return drawings


def _finished(twins: Twins, one: Contrast, layers: int, arm: str) -> list[Measured]:
    """What was measured of the runs of an arm of the ladder."""
    place = ("ladder", one.order, one.role, one.budget, one.blocks[layers], arm)
    return [
        twin.finished
        for twin in twins.payoff.twins
        if (twin.comparison, twin.order, twin.role, twin.budget, twin.depth, twin.arm) == place
    ]


def _lesion_figure(arms: dict[str, list[st.Effect | None]], colour: dict[str, str]) -> go.Figure:
    """Each block's lesion from input to output."""
    drawn = figure("block that is left out, from input to output", "rise of the error (points)")
    drawn.add_hline(0, line={"color": TEXT, "width": 1})
    for place, (arm, row) in enumerate(arms.items()):
        shift = 0.14 * (place - (len(arms) - 1) / 2)
        known = [(block + 1 + shift, one) for block, one in enumerate(row) if one is not None]
        several = [one.n > 1 for _, one in known]
        drawn.add_trace(
            go.Scatter(
                x=[x for x, _ in known],
                y=[one.mean for _, one in known],
                mode="markers",
                name=plain(arm),
                marker={"color": colour[arm], "size": 8, "symbol": symbol(arm, is_filled=True)},
                error_y={
                    "type": "data",
                    "array": [
                        one.high - one.mean if many else 0
                        for (_, one), many in zip(known, several, strict=True)
                    ],
                    "color": colour[arm],
                    "thickness": 1.2,
                    "width": 3,
                },
                text=[effect_cell(one) for _, one in known],
                hovertemplate="%{text}<extra>" + plain(arm) + "</extra>",
            )
        )
    return drawn.update_xaxes(showgrid=False, tickformat="d")


def _gains_table(contrasts: Sequence[Contrast], noun: str) -> Table:
    """Every contrast, depth and measure."""
    head = (
        *("arm", "against", "activation order", "learning rate", "budget", "layers", "pairs"),
        *("measure", "gain (points)", "of it more than as they are"),
    )
    note = f"The last column: the gain less that on the {noun}s as they are, pair by pair."
    rows = [
        (
            *(Kind(one.arm), Kind(one.reference), one.order, rate_cell(one, layers)),
            *(f"{one.budget} ×", str(layers), str(effect.n), name, effect_cell(effect)),
            "–" if effect is found.clean else _more(effect, found.clean, name),
        )
        for one in contrasts
        for layers, found in one.after_training.items()
        for name, effect in named(found, noun).items()
    ]
    return Table("Gains of the finished networks", head, rows, note, folded=True)


def named(found: AfterTraining, noun: str) -> dict[str, st.Effect]:
    """The gains by the labels of their measures, that in the error as it is first."""
    labelled = {_label(name): effect for name, effect in found.gains.items()}
    return {f"{noun}s as they are": found.clean, **labelled}


def _more(effect: st.Effect, clean: st.Effect, name: str) -> str:
    """By how much a gain in an error is larger than as they are; nothing of other measures."""
    if "calibration" in name:
        return "–"
    pairs = [a - b for a, b in zip(effect.pairs, clean.pairs, strict=True)]
    return effect_cell(st.paired_effect(pairs, bounds=(-200.0, 200.0)))


def _pictures_table(contrasts: Sequence[Contrast], noun: str) -> Table:
    """On which pictures twins differ."""
    head = (
        *("arm", "against", "activation order", "learning rate", "budget", "layers", "pairs"),
        *("both right", "arm alone", "reference alone", "neither", "gain (points)"),
        "McNemar's p, least and most",
    )
    note = (
        f"Points of all {noun}s, means over pairs. The interval is over seeds and {noun}s, both "
        f"drawn with replacement: it holds for other {noun}s too, and is on the wide side. "
        f"McNemar's p: exact, for each pair, uncorrected; none if fewer than six {noun}s differ."
    )
    rows = [
        _picture_row(one, layers, found.agreement)
        for one in contrasts
        for layers, found in one.after_training.items()
    ]
    return Table(f"Twins {noun} by {noun}", head, rows, note, folded=True)


def _picture_row(one: Contrast, layers: int, found: st.Agreement) -> tuple[str, ...]:
    """One contrast at one depth."""
    shares = (found.both, found.only_arm, found.only_reference, found.neither)
    known = [p for p in found.p_values if p is not None]
    ends = (
        " (one pair, no interval)"
        if found.low is None or found.high is None
        else f" [{signed(found.low)}, {signed(found.high)}]"
    )
    return (
        *(Kind(one.arm), Kind(one.reference), one.order, rate_cell(one, layers)),
        *(f"{one.budget} ×", str(layers), str(found.n)),
        *(f"{share:.1f}" for share in shares),
        f"{signed(found.gain)}{ends}",
        f"{number(min(known))} to {number(max(known))}" if known else "–",
    )
