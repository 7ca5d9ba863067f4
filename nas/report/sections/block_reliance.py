"""What a block's shortcut is worth to the training, against what a trained network rests on."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import plotly.graph_objects as go
from scipy.stats import spearmanr

from nas.payoff.after_training import lesions
from nas.payoff.block_masks import MASKS
from nas.payoff.variants import with_identity
from nas.report.depth_sweep import Twins
from nas.report.document import Drawing
from nas.report.style import COLOURS, TEXT, counted, figure, signed
from nas.statistics import BlockEffects, Effect, Estimate

#: measures of lesions, the one that is preferred first, with what is said of the norms
MEASURES = {"lesion_error_retaken": "retaken", "lesion_error": "as they were"}
#: blocks below which a rank correlation says nothing
FEWEST_BLOCKS = 5


class BlockPoint(NamedTuple):
    """A block by its number from 1, what its shortcut is worth, and what its loss costs."""

    block: int
    worth: Estimate
    loss: Effect


def reliance_drawings(twins: Twins) -> list[Drawing]:
    """The figure, where random masks and lesions of networks with all these shortcuts are there."""
    found = twins.payoff.blocks.get("val_error")
    if found is None or not found.main:
        return []
    for name, norms in MEASURES.items():
        points = points_of(found, loss_by_block(twins, found.num_blocks, name))
        if len(points) >= FEWEST_BLOCKS:
            title = "Blocks: what the shortcut is worth, and what a trained network rests on"
            caption = caption_of(points, norms)
            return [Drawing("block-reliance", title, scatter(points), caption, wide=True)]
    return []


def loss_by_block(twins: Twins, num_blocks: int, name: str) -> list[Effect | None]:
    """How far the error rises without each block, over the finished twins that are the masked
    network with all of its shortcuts.
    """
    masked = {twin.order for twin in twins.payoff.twins if twin.comparison == MASKS}
    runs = [
        twin.finished
        for twin in twins.ladder
        if twin.order in masked and has_all(twins, twin.trial, num_blocks)
    ]
    return lesions(runs, name)


def has_all(twins: Twins, trial: int, num_blocks: int) -> bool:
    """Whether a trial's network has so many blocks, with identity shortcuts around all of them."""
    row = twins.rows.get(trial)
    network = row.architecture if row else None
    if network is None or network != with_identity(network):
        return False
    return len(network.blocks()) == num_blocks


def points_of(found: BlockEffects, losses: Sequence[Effect | None]) -> list[BlockPoint]:
    """The blocks of which both are known."""
    main: Mapping[int, Estimate] = found.main
    return [
        BlockPoint(block + 1, main[block], loss)
        for block, loss in enumerate(losses)
        if loss is not None and block in main
    ]


def caption_of(points: Sequence[BlockPoint], norms: str) -> str:
    """How far the two agree, and how the figure is read."""
    rank = spearmanr([one.worth.mean for one in points], [one.loss.mean for one in points])
    told = (
        "not defined"
        if rank.statistic != rank.statistic
        else f"{signed(rank.statistic, 2)} (p = {rank.pvalue:.2g})"
    )
    runs = counted(max(one.loss.n for one in points), "finished network")
    return (
        f"Across: gain in validation error by the block's own shortcut, over random masks. "
        f"Up: rise of the validation error of {runs} with all shortcuts when the block is replaced "
        f"by its shortcut, statistics of the norms {norms}. Numbers are blocks from the input on. "
        f"Spearman's rank correlation over {len(points)} blocks: {told}; blocks of one network are "
        "not independent, so take p as a lower bound."
    )


def scatter(points: Sequence[BlockPoint]) -> go.Figure:
    """A number for each block."""
    drawn = figure(
        "what its shortcut is worth (points)", "what its loss costs (points)", height=420
    )
    drawn.add_hline(y=0, line={"color": TEXT, "width": 1})
    drawn.add_vline(x=0, line={"color": TEXT, "width": 1})
    drawn.add_trace(
        go.Scatter(
            x=[one.worth.mean for one in points],
            y=[one.loss.mean for one in points],
            mode="markers+text",
            text=[str(one.block) for one in points],
            textposition="top center",
            marker={"color": COLOURS["identity"], "size": 7},
            showlegend=False,
            error_x=_bars([one.worth for one in points]),
            error_y=_bars([one.loss for one in points]),
            hovertemplate="block %{text}: worth %{x:.1f}, loss %{y:.1f} points<extra></extra>",
        )
    )
    return drawn


def _bars(effects: Sequence[Estimate | Effect]) -> dict[str, object]:
    """95% intervals, pale."""
    return {
        "type": "data",
        "symmetric": False,
        "array": [one.high - one.mean for one in effects],
        "arrayminus": [one.mean - one.low for one in effects],
        "thickness": 0.6,
        "width": 0,
    }
