"""Is a gain one of accuracy? What is left of it at equal training loss."""

from collections.abc import Iterable, Sequence

import plotly.graph_objects as go

from nas import statistics as st
from nas.payoff.analysis import Payoff
from nas.payoff.contrasts import Contrast
from nas.payoff.equal_loss_words import equal_loss_sentences
from nas.payoff.hurdles import share
from nas.payoff.primary import ordered
from nas.payoff.records import Twin
from nas.payoff.verdict import preferred
from nas.report.depth_sweep import Twins, main_contrasts, slug
from nas.report.document import Drawing, Kind, Part, Section, Table, Text
from nas.report.effects import effect_cell, rate_cell, whiskers
from nas.report.style import (
    ACCENT,
    COLOURS,
    NEUTRAL,
    OTHERS,
    TEXT,
    counted,
    figure,
    plain,
    room,
    selected,
    separated,
    signed,
)
from nas.statistics.equal_loss import matched

TITLE = "Is it accuracy, or whether and how fast a network trains?"
#: the parts of a gain in the order of their bars: name, colour
BARS = {
    "equal": ("left at equal training loss", COLOURS["identity"]),
    "sooner": ("how fast it trains", OTHERS[2]),
    "trains": ("whether it trains", NEUTRAL),
}
#: training losses, in nats
TICKS = [base * 10**power for power in range(-5, 2) for base in (1, 2, 5)]
KEY = (
    "Twins are compared where both have the lowest training loss that both reached, each when it "
    "first had it: what is left of the gain in validation error there is not owed to the further "
    "progress of one of them. Of a pair of which a run does not train, all of the gain is that. "
    "Loss and error are taken at the same times: in the middle of an epoch the mean loss over its "
    "training batches and the error between those before and after it, at its end the error and "
    "the loss between those of the epochs around it. The faster twin is met in the "
    "middle of its learning-rate schedule and the other one at the end, which may count against "
    "the faster one. Not told where one network alone leaves parts out at random in training, as "
    "its losses are then not those of the whole network. Whiskers: 95% intervals of what is left, "
    "cut where they leave the axis."
)


def accuracy_section(twins: Twins) -> Section:
    """Every gain in validation error in its parts, and validation error against training loss."""
    shown = [one for one in preferred(ordered(main_contrasts(twins.payoff))) if one.equal_loss]
    if not shown:
        return Section("accuracy", TITLE, [])
    parts: list[Part] = [Text(KEY, role="note"), *coarse(shown)]
    parts += [Text(sentence) for sentence in equal_loss_sentences(twins.payoff, shown)]
    for order in dict.fromkeys(one.order for one in shown):
        group = [one for one in shown if one.order == order]
        parts += [*_parts_drawing(twins, group), *_curves_drawing(twins, group)]
    return Section("accuracy", TITLE, [*parts, _table(twins.payoff)])


def coarse(shown: Iterable[Contrast]) -> list[Text]:
    """A warning where the curves have few points."""
    epochs = min(found.epochs for one in shown for found in one.equal_loss.values())
    if epochs >= st.FEWEST_EPOCHS:
        return []
    text = (
        f"The curves have {counted(epochs, 'point')}, one for each epoch: the parts are rough, as "
        f"from fewer than {st.FEWEST_EPOCHS} epochs they can be wrong by a point of error or more."
    )
    return [Text(text, role="warning")]


def _parts_drawing(twins: Twins, group: Sequence[Contrast]) -> list[Drawing]:
    """The parts of the gain of each arm at each depth, of one activation order."""
    bars = [
        (layers, one.arm, found, found.equal)
        for one in group
        for layers, found in sorted(one.equal_loss.items())
        if found.equal is not None
    ]
    if not bars:
        return []
    bars.sort(key=lambda bar: bar[0])
    places = [[f"{layers} layers" for layers, *_ in bars], [plain(arm) for _, arm, *_ in bars]]
    drawn = figure("arm and depth", "gain in validation error (points)", barmode="relative")
    values = {
        "trains": [found.trains for *_, found, _ in bars],
        "sooner": [found.sooner for *_, found, _ in bars],
        "equal": [equal.mean for *_, equal in bars],
    }
    cut = whiskers([equal for *_, equal in bars], ACCENT, width=5, most=100)
    for name, (label, colour) in BARS.items():
        drawn.add_trace(
            go.Bar(
                x=places,
                y=values[name],
                name=label,
                marker={"color": colour},
                text=[signed(value) for value in values[name]],
                textposition="none",
                hovertemplate=f"%{{text}} points, {label}<extra></extra>",
                error_y=cut if name == "equal" else None,
            )
        )
    drawn.add_hline(0, line={"color": TEXT, "width": 1})
    stacks = list(zip(*values.values(), strict=True))
    ends = [sum(x for x in stack if x * sign > 0) for stack in stacks for sign in (1, -1)]
    drawn.update_yaxes(range=room([0.0, *ends], 0.15))
    drawn.update_xaxes(showgrid=False)
    one = group[0]
    return [
        Drawing(
            name=slug(f"parts-{one.order}-{one.role}"),
            title=twins.titled("Parts of the gain in validation error", one.order, one.role),
            figure=drawn,
        )
    ]


def _curves_drawing(twins: Twins, group: Sequence[Contrast]) -> list[Drawing]:
    """Validation error against training loss, the deepest networks of one activation order; none
    of trainings too short to have a curve."""
    one = group[0]
    deepest = max(layers for some in group for layers in some.equal_loss)
    arms: dict[str, list[Twin]] = {}
    for some in (other for other in group if deepest in other.equal_loss):
        for arm in (some.reference, some.arm):
            arms[arm] = _runs(twins.payoff, some, deepest, arm)
    drawn = figure(
        f"training loss ({twins.loss_unit}), falling to the right", "validation error (points)"
    )
    for arm, runs in arms.items():
        drawn.add_trace(_curves(arm, runs, twins.colours[arm]))
    if not any(any(trace.x) for trace in drawn.data):
        return []
    drawn.update_xaxes(type="log", tickvals=TICKS, autorange="reversed", showgrid=False)
    drawn.update_yaxes(rangemode="tozero")
    name = slug(f"equal-loss-{one.order}-{one.role}")
    title = f"Validation error against training loss, {deepest} layers"
    return [Drawing(name=name, title=twins.titled(title, one.order, one.role), figure=drawn)]


def _runs(payoff: Payoff, one: Contrast, layers: int, arm: str) -> list[Twin]:
    """The runs of an arm of a contrast of the ladder."""
    place = ("ladder", one.order, one.role, one.budget, one.blocks[layers], arm)
    return [
        twin
        for twin in payoff.twins
        if (twin.comparison, twin.order, twin.role, twin.budget, twin.depth, twin.arm) == place
    ]


def _curves(arm: str, runs: Sequence[Twin], colour: str) -> go.Scatter:
    """The runs of an arm as thin lines; of many an even selection."""
    lines = [[point for point in matched(run.curve) if point[0] > 0] for run in selected(runs)]
    return go.Scatter(
        x=separated([[loss for loss, _ in line] for line in lines]),
        y=separated([[error for _, error in line] for line in lines]),
        mode="lines+markers",
        name=plain(arm),
        opacity=0.6,
        line={"color": colour, "width": 1.2},
        marker={"size": 3, "color": colour},
        hovertemplate="loss %{x:.3g}: %{y:.1f} points<extra>" + plain(arm) + "</extra>",
    )


def _table(payoff: Payoff) -> Table:
    """Every contrast and depth."""
    named = [("ladder", one) for one in payoff.ladder]
    named += [(name, one) for name, group in payoff.candidates.items() for one in group]
    head = (
        *("comparison", "arm", "against", "activation order", "learning rate", "budget", "layers"),
        *("pairs", "arm trains", "reference trains", "gain in validation error (points)"),
        *("whether it trains", "how fast", "left at equal training loss"),
        *("the same, pairs that both train", "left out: no loss in common"),
    )
    note = (
        "The parts add up to the gain, the mean over the pairs that can be told apart. Pairs of "
        "which a run does not train have nothing left at equal loss. Exploratory: not corrected "
        "for their number. Shares: 95% intervals (Wilson)."
    )
    rows = [
        _table_row(name, one, layers, found)
        for name, one in named
        for layers, found in one.equal_loss.items()
    ]
    return Table("Every gain in validation error in its parts", head, rows, note, folded=True)


def _table_row(name: str, one: Contrast, layers: int, found: st.EqualLoss) -> tuple[str, ...]:
    """One contrast at one depth."""
    trains = one.hurdle[layers].trains
    means = (found.total, found.trains, found.sooner) if found.equal else ()
    return (
        *(name, Kind(one.arm), Kind(one.reference), one.order, rate_cell(one, layers)),
        *(f"{one.budget} ×", str(layers), str(found.equal.n if found.equal else 0)),
        *(share(trains.residual), share(trains.plain)),
        *(map(signed, means) if means else ("–", "–", "–")),
        *(effect_cell(found.equal), effect_cell(found.both), str(found.apart)),
    )
