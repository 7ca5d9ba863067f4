"""Does a network train at all? In words, beside the gain of those that do."""

from nas import statistics as st
from nas.payoff.analysis import Payoff
from nas.payoff.contrasts import Contrast
from nas.payoff.text import called, change


def hurdle_words(payoff: Payoff, one: Contrast, layers: int) -> list[str]:
    """How many runs of each arm train at a depth, and the gain of the pairs that both do; nothing
    if every run does.
    """
    found = one.hurdle[layers]
    trains = found.trains
    if not trains.plain.count and not trains.residual.count:
        return []
    arm, reference = called(payoff.vary, one.arm), called(payoff.vary, one.reference)
    text = (
        f"{share(trains.residual)} of {arm} train at all and {share(trains.plain)} of {reference}"
    )
    if found.is_ceiling:
        return [f"{text}, so the gain is what guessing loses"]
    if found.gain is None:
        return [f"{text}, and in no pair both"]
    return [f"{text}; among the pairs that both train, training error is {change(found.gain)}"]


def share(failed: st.Rate) -> str:
    """`5 of 6 (44 to 97%)`: those that did not fail, with the Wilson interval."""
    low, high = (100 * (1 - end) for end in (failed.high, failed.low))
    return f"{failed.n - failed.count} of {failed.n} ({low:.0f} to {high:.0f}%)"
