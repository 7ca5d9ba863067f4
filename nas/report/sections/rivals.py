"""Rival explanations: what of the gain of shortcuts other networks have."""

from collections.abc import Sequence

import plotly.graph_objects as go

from nas import statistics as st
from nas.payoff.records import OUTCOMES
from nas.payoff.rival_gains import RivalGains, name_of
from nas.payoff.rival_words import meaning, preferred_rivals, rival_sentences
from nas.report.depth_sweep import ROLES, Twins, slug
from nas.report.document import Drawing, Kind, Section, Table, Text
from nas.report.effects import effect_cell, whiskers
from nas.report.style import COLOURS, TEXT, figure, kind_colour, plain, symbol

TITLE = "What else gives what shortcuts give?"
KEY = (
    "Rivals of shortcuts at the deepest networks, each with one change: to the plain network (a "
    "warm-up over a fifth of the epochs, orthogonal weights at the start, another norm), or to the "
    "one with shortcuts (branches that start at zero; shortcuts that fall to nothing in the first "
    "half of the last third of the training). Each arm at its own best learning rate where these "
    "are known. Whether a rival has a part of the gain, and whether shortcuts have more, is told "
    "against {:g} points, corrected over both and over all rivals (Holm). It is no primary "
    "comparison."
)
#: rivals on an axis
LABELS = {
    "warmup": "none, warm-up",
    "initialisation": "none, orthogonal start",
    "norm": "none, other norm",
    "skip_init": "branches start at zero",
    "fade": "shortcuts fade out",
}


def rival_section(twins: Twins) -> Section:
    """The gain of shortcuts and of each rival over plain networks, and what is left."""
    payoff = twins.payoff
    shown = preferred_rivals(payoff)
    if not shown:
        return Section("rivals", TITLE, [])
    key = Text(KEY.format(payoff.smallest_effect), role="note")
    said = [Text(sentence) for sentence in rival_sentences(payoff)]
    return Section("rivals", TITLE, [*said, key, drawing(shown), table(payoff.rivals)])


def drawing(rows: Sequence[RivalGains]) -> Drawing:
    """The gain over plain networks of the shortcut and of each rival."""
    first = rows[0]
    drawn = figure("gain in training error over plain networks (points)", "", height=300)
    whole = max((one.whole["train_error"] for one in rows), key=lambda effect: effect.n)
    drawn.add_trace(dots([(f"{first.shortcut} shortcuts", whole)], first.shortcut))
    for kind in ("none", first.shortcut):
        group = [one for one in rows if one.arm.startswith(f"{kind}, ")]
        if group:
            named = [(LABELS[name_of(one.arm)], one.has["train_error"]) for one in group]
            drawn.add_trace(dots(named, kind))
    drawn.add_vline(0, line={"color": TEXT, "width": 1})
    drawn.update_yaxes(autorange="reversed", showgrid=False)
    drawn.update_layout(showlegend=False)
    return Drawing(
        name=slug(f"rivals-{first.order}-{first.role}"),
        title=f"Gains of rivals, {first.layers} layers, {first.order}, {ROLES[first.role]}",
        figure=drawn,
        caption="95% intervals; filled if they leave zero out. Grey: plain networks with a change.",
    )


def dots(rows: Sequence[tuple[str, st.Effect]], kind: str) -> go.Scatter:
    """Effects under each other."""
    effects = [effect for _, effect in rows]
    colour = kind_colour(kind) if kind in COLOURS else TEXT
    return go.Scatter(
        x=[effect.mean for effect in effects],
        y=[plain(name) for name, _ in rows],
        mode="markers",
        marker={
            "color": colour,
            "size": 10,
            "symbol": [symbol(kind, is_filled=effect.resolved) for effect in effects],
        },
        error_x=whiskers(effects, colour),
        text=[effect_cell(effect) for effect in effects],
        hovertemplate="%{y}: %{text}<extra></extra>",
    )


def table(rows: Sequence[RivalGains]) -> Table:
    """Every rival at every kind of learning rate, in training and validation error."""
    head = (
        *("arm", "activation order", "learning rate", "layers", "pairs", "runs that train"),
        *("outcome", "gain of shortcuts", "gain of the rival", "left to shortcuts", "answer"),
    )
    cells = [
        (
            *(Kind(one.arm), one.order, f"{ROLES[one.role]}, {one.rates[2]:g}", str(one.layers)),
            *(str(one.has[outcome].n), f"{one.trained[2]} of {one.has[outcome].n}"),
            OUTCOMES[outcome][0],
            *(effect_cell(some[outcome]) for some in (one.whole, one.has, one.left)),
            meaning(one) if outcome == "train_error" else "–",
        )
        for one in rows
        for outcome in ("train_error", "val_error")
    ]
    note = "Points, over the same seeds: shortcuts gain what the rival gains and what is left."
    return Table("Rivals of shortcuts", head, cells, note, folded=True)
