"""The sentence of the verdict on single blocks: which of them gain by their shortcuts."""

from nas import statistics as st
from nas.payoff.analysis import Payoff
from nas.payoff.text import counted, listed, plain_number, signed

#: blocks up to which each sure gain is told
MOST_TOLD = 4


def block_sentences(payoff: Payoff) -> list[str]:
    """Which blocks gain by their shortcuts over random masks, and what the longest run says."""
    found = payoff.blocks.get("train_error")
    if found is None or not found.main:
        return []
    sure = sorted(
        (block for block, one in found.main.items() if one.sure),
        key=lambda block: -abs(found.main[block].mean),
    )
    head = told(found, sure) if sure else "No single block was shown to gain by its shortcut"
    basis = f"training error, {counted(found.masks, 'random mask')} over {found.num_blocks} blocks"
    return [f"{head} ({basis}, corrected for {found.num_blocks} blocks){run_words(found)}."]


def told(found: st.BlockEffects, sure: list[int]) -> str:
    """The blocks whose gain is sure, the largest first."""
    parts = [
        f"block {block + 1} {signed(found.main[block].mean)} points (95% CI "
        f"{plain_number(found.main[block].low)} to {plain_number(found.main[block].high)})"
        for block in sure[:MOST_TOLD]
    ]
    more = f" and {len(sure) - MOST_TOLD} more" if len(sure) > MOST_TOLD else ""
    return f"Gain by a block's own shortcut, whatever the others have: {listed(parts)}{more}"


def run_words(found: st.BlockEffects) -> str:
    """What each further block in the longest run without a shortcut adds to the error."""
    run = found.run
    if run is None:
        return ""
    words = f"{signed(run.mean)} points, 95% CI {plain_number(run.low)} to {plain_number(run.high)}"
    open_end = "" if run.sure else ", not resolved"
    return (
        f"; each further block in the longest run without a shortcut changes the error by {words}"
        f"{open_end}"
    )
