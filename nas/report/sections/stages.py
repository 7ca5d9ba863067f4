"""What the shortcuts of each stage are worth, and the network drawn with it."""

from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go

from nas.model.architecture import BlockRecord
from nas.payoff.analysis import Payoff
from nas.payoff.records import Twin
from nas.report.depth_sweep import Twins
from nas.report.document import Drawing, Part, Section, Table
from nas.report.effects import PAIRS, cell_text, effect_cell, effect_text, pairs_cell
from nas.report.style import (
    COLOURS,
    NEUTRAL,
    counted,
    figure,
    kind_colour,
    mixed,
    number,
    plain,
    whole_numbers,
)
from nas.statistics import Effect, StageEffects


def stage_section(twins: Twins) -> Section:
    """The network as blocks coloured by what its stages' shortcuts are worth."""
    parts: list[Part] = []
    stages = twins.payoff.stages.get("train_error")
    if stages is not None:
        full = [
            twins.rows[t.trial] for t in twins.payoff.twins if _is_full(t) and t.trial in twins.rows
        ]
        if full and full[0].architecture is not None:
            blocks = full[0].architecture.blocks()
            caption = (
                "Points of training error under each stage. Each bar is a block, each arc its "
                "shortcut; blue: removing costs, grey and in brackets: not resolved. "
                f"{len(blocks)} blocks, {twins.epochs}."
            )
            title = "Cost in training error of taking out the shortcuts of one stage"
            drawn = network(blocks, stages)
            parts.append(Drawing("stages", title, drawn, caption, published=True, wide=True))
        parts.append(_stage_table(twins.payoff, stages))
        parts += [_interaction_table(stages)] if stages.interaction else []
    return Section("stages", "Which stages need their shortcuts?", parts)


def _is_full(twin: Twin) -> bool:
    """Whether a twin has shortcuts in every stage of the factorial."""
    return twin.comparison == "stages" and set(twin.arm) <= {"1", "-"}


def network(blocks: Sequence[BlockRecord], stages: StageEffects) -> go.Figure:
    """The network as blocks, coloured by what taking out the shortcuts of their stage costs."""
    drawn = figure("block, from input to output", "", height=240)
    drawn.add_trace(
        go.Bar(
            x=[index + 1 for index in range(len(blocks))],
            y=[1.0] * len(blocks),
            width=0.84,
            marker={
                "color": [_fill(stages, block) for block in blocks],
                "line": {"width": 1, "color": "#888888"},
            },
            text=[_block_text(index, block, stages) for index, block in enumerate(blocks)],
            textposition="none",
            hovertemplate="%{text}<extra></extra>",
            showlegend=False,
        )
    )
    kinds = dict.fromkeys(block.shortcut for block in blocks if block.shortcut != "none")
    drawn.add_traces([_arcs(blocks, kind) for kind in kinds])
    drawn.update_yaxes(visible=False, range=[-0.75, 1.75], fixedrange=True)
    drawn.update_xaxes(range=[0.3, len(blocks) + 0.7])
    whole_numbers(drawn)
    return drawn.update_layout(
        annotations=[_stage_note(blocks, stage, e) for stage, e in stages.removal.items()]
    )


def _fill(stages: StageEffects, block: BlockRecord) -> str:
    """Towards blue by what the removal costs, orange where it gains; grey if not resolved."""
    largest = max((abs(e.mean) for e in stages.removal.values() if e.resolved), default=1.0)
    effect = stages.removal.get(block.stage)
    if effect is None or not effect.resolved:
        return NEUTRAL
    strength = 0.35 + 0.65 * abs(effect.mean) / largest
    return mixed(NEUTRAL, COLOURS["identity" if effect.mean > 0 else "projection"], strength)


def _block_text(index: int, block: BlockRecord, stages: StageEffects) -> str:
    """A block in words."""
    effect = stages.removal.get(block.stage)
    text = (
        f"block {index + 1}, stage {block.stage + 1}: {plain(block.type)}, "
        f"{block.in_channels} to {block.out_channels} channels, shortcut {plain(block.shortcut)}"
    )
    return (
        f"{text}<br>without the shortcuts of this stage: {effect_text(effect)}" if effect else text
    )


def _arcs(blocks: Sequence[BlockRecord], kind: str) -> go.Scatter:
    """The shortcuts of one kind, each an arc over its block."""
    places = [index + 1 for index, block in enumerate(blocks) if block.shortcut == kind]
    x: list[Any] = []
    y: list[Any] = []
    for place in places:
        x += [place - 0.44, place - 0.3, place, place + 0.3, place + 0.44, None]
        y += [1.05, 1.3, 1.42, 1.3, 1.05, None]
    return go.Scatter(
        x=x,
        y=y,
        mode="lines",
        name=plain(kind),
        line={"color": kind_colour(kind), "width": 2, "shape": "spline"},
        hoverinfo="skip",
    )


def _stage_note(blocks: Sequence[BlockRecord], stage: int, effect: Effect) -> dict[str, Any]:
    """Number and cost under the blocks of a stage."""
    places = [index + 1 for index, block in enumerate(blocks) if block.stage == stage] or [1]
    return {
        "x": (places[0] + places[-1]) / 2,
        "y": -0.08,
        "yanchor": "top",
        "showarrow": False,
        "text": f"stage {stage + 1}<br>{cell_text(effect)}",
    }


def _stage_table(payoff: Payoff, stages: StageEffects) -> Table:
    """What the shortcuts of each stage are worth, in four ways."""
    head = (
        *("stage", "mean gain", "p (Holm)", "verdict", "cost of removing", "gain when alone"),
        *("Shapley value", f"of what is tested: {PAIRS}"),
    )
    rows = [_stage_row(payoff, stages, stage) for stage in stages.removal]
    tested = (
        "every combination of stages trained. Mean gain: over all settings of the other stages"
        if stages.main
        else "without every combination of stages, as these are many. Cost of removing"
    )
    note = (
        f"Points of training error, {counted(stages.total.n, 'seed')}, {tested}, corrected by Holm "
        f"over the stages. All stages together: {effect_cell(stages.total)}. Everything else is "
        "exploratory."
    )
    return Table("Shortcuts by stage", head, rows, note)


def _stage_row(payoff: Payoff, stages: StageEffects, stage: int) -> tuple[str, ...]:
    """One stage."""
    claim, main = payoff.stage_claims.get(stage), stages.main.get(stage)
    return (
        *(str(stage + 1), effect_cell(main), number(claim.p_adjusted) if claim else "–"),
        *(claim.status if claim else "–", effect_cell(stages.removal.get(stage))),
        *(effect_cell(stages.alone.get(stage)), effect_cell(stages.shapley.get(stage))),
        pairs_cell(main or stages.removal[stage]),
    )


def _interaction_table(stages: StageEffects) -> Table:
    """How much the shortcuts of one stage raise the gain of another's."""
    rows = [
        (" × ".join(str(stage + 1) for stage in some), effect_cell(effect), pairs_cell(effect))
        for some, effect in stages.interaction.items()
    ]
    head = ("stages", "interaction (points)", PAIRS)
    note = "Positive: each helps more where the other has shortcuts."
    return Table("Interactions of stages", head, rows, note, folded=True)
