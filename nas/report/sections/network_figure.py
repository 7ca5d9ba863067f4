"""The network drawn as blocks, coloured by what removing each stage's shortcuts costs."""

from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go

from nas.model.architecture import BlockRecord
from nas.report.sections.twin_figures import cell_text, described
from nas.report.style import COLOURS, NEUTRAL, figure, kind_colour, mixed, plain
from nas.statistics import Effect, StageEffects


def network(blocks: Sequence[BlockRecord], stages: StageEffects) -> go.Figure:
    """The network as blocks, coloured by what taking out the shortcuts of their stage costs."""
    drawn = figure("block, from input to output", "", height=240)
    drawn.add_trace(
        go.Bar(
            x=[index + 1 for index in range(len(blocks))],
            y=[1.0] * len(blocks),
            width=0.84,
            marker={
                "color": [fill(stages, block) for block in blocks],
                "line": {"width": 1, "color": "#888888"},
            },
            text=[block_text(index, block, stages) for index, block in enumerate(blocks)],
            textposition="none",
            hovertemplate="%{text}<extra></extra>",
            showlegend=False,
        )
    )
    drawn.add_traces([arcs(blocks, kind) for kind in dict.fromkeys(b.shortcut for b in blocks)])
    drawn.update_yaxes(visible=False, range=[-0.75, 1.75], fixedrange=True)
    drawn.update_xaxes(showgrid=False, range=[0.3, len(blocks) + 0.7], tickformat="d")
    return drawn.update_layout(
        annotations=[stage_note(blocks, stage, e) for stage, e in stages.removal.items()]
    )


def fill(stages: StageEffects, block: BlockRecord) -> str:
    """Towards blue by what the removal costs, orange where it gains; grey if not resolved."""
    largest = max((abs(e.mean) for e in stages.removal.values() if e.resolved), default=1.0)
    effect = stages.removal.get(block.stage)
    if effect is None or not effect.resolved:
        return NEUTRAL
    strength = 0.35 + 0.65 * abs(effect.mean) / largest
    return mixed(NEUTRAL, COLOURS["identity" if effect.mean > 0 else "projection"], strength)


def block_text(index: int, block: BlockRecord, stages: StageEffects) -> str:
    """A block in words."""
    effect = stages.removal.get(block.stage)
    text = (
        f"block {index + 1}, stage {block.stage + 1}: {plain(block.type)}, "
        f"{block.in_channels} to {block.out_channels} channels, shortcut {plain(block.shortcut)}"
    )
    return f"{text}<br>without the shortcuts of this stage: {described(effect)}" if effect else text


def arcs(blocks: Sequence[BlockRecord], kind: str) -> go.Scatter:
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


def stage_note(blocks: Sequence[BlockRecord], stage: int, effect: Effect) -> dict[str, Any]:
    """Number and cost under the blocks of a stage."""
    places = [index + 1 for index, block in enumerate(blocks) if block.stage == stage] or [1]
    return {
        "x": (places[0] + places[-1]) / 2,
        "y": -0.08,
        "yanchor": "top",
        "showarrow": False,
        "text": f"stage {stage + 1}<br>{cell_text(effect)}",
    }
