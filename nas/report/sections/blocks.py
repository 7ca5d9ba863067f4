"""What the shortcut of each single block is worth, along the network."""

from collections.abc import Mapping

import plotly.graph_objects as go

from nas.payoff.records import OUTCOMES
from nas.report.depth_sweep import Twins
from nas.report.document import Drawing, Part, Section, Table
from nas.report.effects import effect_cell
from nas.report.sections.block_reliance import reliance_drawings
from nas.report.style import ACCENT, COLOURS, TEXT, counted, figure, signed
from nas.statistics import BlockEffects, Effect, Estimate

#: the two ways in which a block's worth is told, with their colours and where they stand
WAYS = {
    "main effect, random masks": (COLOURS["identity"], -0.14),
    "Shapley value, random orders": (ACCENT, 0.14),
}


def block_section(twins: Twins) -> Section:
    """The worth of each block's shortcut, and how far masks foretell the error."""
    parts: list[Part] = []
    for outcome in ("train_error", "val_error"):
        found = twins.payoff.blocks.get(outcome)
        if found is not None and (found.main or found.shapley):
            name = OUTCOMES[outcome][0]
            parts.append(
                Drawing(
                    f"blocks-{outcome}",
                    f"Gain in {name} by the shortcut of each block",
                    worth_by_block(found, starts(twins)),
                    caption(found),
                    published=outcome == "train_error",
                    wide=True,
                )
            )
            parts.append(worth_table(found, f"Shortcuts by block, {name}"))
    parts += reliance_drawings(twins)
    found = twins.payoff.blocks.get("train_error")
    if found is not None and found.r2:
        parts.append(model_table(twins.payoff.blocks))
    return Section("blocks", "Which blocks need their shortcuts?", parts)


def starts(twins: Twins) -> list[int]:
    """The first block of each stage but the first, numbered from 0, where it is known."""
    rows = [
        twins.rows[twin.trial]
        for twin in [*twins.payoff.twins, *twins.payoff.added]
        if twin.comparison in ("masks", "orders") and twin.trial in twins.rows
    ]
    for row in rows:
        if row.architecture is not None:
            stages = [block.stage for block in row.architecture.blocks()]
            return [i for i in range(1, len(stages)) if stages[i] != stages[i - 1]]
    return []


def caption(found: BlockEffects) -> str:
    """How the figure is read."""
    said = []
    if found.main:
        said.append(
            f"main effect: mean gain over random settings of the other blocks, {found.masks} masks"
        )
    if found.total is not None:
        orders = counted(found.total.n, "random order")
        said.append(f"Shapley value: mean gain when shortcuts are added one by one, {orders}")
    text = "; ".join(said)
    return (
        f"{text[:1].upper()}{text[1:]}. Bars: 95% intervals of single blocks, uncorrected; filled: "
        "the interval leaves zero out. Dotted: where a stage begins."
    )


def worth_by_block(found: BlockEffects, begins: list[int]) -> go.Figure:
    """Each block's gain with its interval, from input to output."""
    drawn = figure("block, from input to output", "gain (points)")
    drawn.add_hline(y=0, line={"color": TEXT, "width": 1})
    for block in begins:
        drawn.add_vline(x=block + 0.5, line={"color": TEXT, "width": 1, "dash": "dot"})
    effects: tuple[Mapping[int, Estimate | Effect], ...] = (found.main, found.shapley)
    for (name, (colour, shift)), worth in zip(WAYS.items(), effects, strict=True):
        if worth:
            drawn.add_trace(worth_trace(name, colour, shift, worth))
    drawn.update_xaxes(showgrid=False, range=[0.3, found.num_blocks + 0.7], tickformat="d")
    return drawn


def worth_trace(
    name: str, colour: str, shift: float, worth: Mapping[int, Estimate | Effect]
) -> go.Scatter:
    """The gains of all blocks told in one way."""
    known = list(worth.values())
    return go.Scatter(
        x=[block + 1 + shift for block in worth],
        y=[one.mean for one in known],
        error_y={
            "type": "data",
            "symmetric": False,
            "array": [one.high - one.mean for one in known],
            "arrayminus": [one.mean - one.low for one in known],
            "color": colour,
            "thickness": 1.5,
            "width": 3,
        },
        mode="markers",
        name=name,
        marker={
            "color": colour,
            "size": 8,
            "symbol": ["circle" if leaves_zero_out(one) else "circle-open" for one in known],
        },
        text=[f"block {block + 1}: {cell(one)}" for block, one in worth.items()],
        hovertemplate="%{text}<extra></extra>",
    )


def leaves_zero_out(one: Estimate | Effect) -> bool:
    """Whether the interval does."""
    return one.low > 0 or one.high < 0


def cell(one: Estimate | Effect | None) -> str:
    """+1.2 [0.5, 1.9]."""
    if one is None:
        return "–"
    if isinstance(one, Effect):
        return effect_cell(one)
    return f"{signed(one.mean)} [{signed(one.low)}, {signed(one.high)}]" + (
        "" if leaves_zero_out(one) else " not resolved"
    )


def worth_table(found: BlockEffects, title: str) -> Table:
    """Every block's worth in both ways."""
    rows = [
        (
            str(block + 1),
            cell(found.main.get(block)),
            "yes" if block in found.main and found.main[block].sure else "no",
            cell(found.shapley.get(block)),
        )
        for block in range(found.num_blocks)
    ]
    head = ("block", "main effect", "sure among all blocks", "Shapley value")
    total = f" All shortcuts together: {cell(found.total)}." if found.total else ""
    note = (
        "Points; positive: the shortcut lowers the error. Sure among all blocks: an interval "
        "corrected for their number (Bonferroni) leaves zero out, all planned masks have finished "
        f"and were planned.{total}"
    )
    return Table(title, head, rows, note, folded=True)


def model_table(blocks: Mapping[str, BlockEffects]) -> Table:
    """How far the error of a mask is foretold by which blocks have shortcuts, and by the longest
    run without.
    """
    rows = []
    for outcome, found in blocks.items():
        run = cell(found.run)
        rows += [
            (OUTCOMES[outcome][0], model, f"{score:.2f}", run if "run" in model else "–")
            for model, score in found.r2.items()
        ]
    head = ("outcome", "told by", "R2 on held-out masks", "each further block in the run")
    note = (
        "R2: the share of the squared errors of each seed's mean that is saved on masks left out "
        "of the fit one after another; 0 or less: nothing is foretold. Each further block: beside "
        "the blocks' own effects, in the outcome's unit; positive: a longer run costs."
    )
    return Table("What foretells the error of a mask", head, rows, note)
