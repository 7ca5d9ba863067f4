"""The sentence of the verdict on learning rates: over how many of them each arm trains."""

from nas import statistics as st
from nas.payoff.analysis import Payoff
from nas.payoff.records import OUTCOMES
from nas.payoff.text import called, conditions, listed, plain_number
from nas.payoff.tuning import Tuned


def rate_sentences(payoff: Payoff) -> list[str]:
    """For each activation order the usable learning rates of the deepest networks of every arm, if
    enough were tried.
    """
    rows = [
        one
        for one in payoff.tuned
        if one.comparison == "ladder" and one.budget == 1 and is_enough(one)
    ]
    outcome = OUTCOMES[payoff.primary.get("tuned_by", "val_error")][0]
    sentences = []
    for order in dict.fromkeys(one.order for one in rows):
        group = [one for one in rows if one.order == order]
        deepest = max(one.layers for one in group)
        told = [in_words(payoff, one) for one in group if one.layers == deepest]
        place = conditions(payoff.vary, order)
        sentences.append(
            f"Usable learning rates at {deepest} layers{f' ({place})' * bool(place)}, at which all "
            f"runs train and the mean {outcome} is within {st.DISTANCE:g} points of its least: "
            f"{listed(told)}."
        )
    return sentences


def is_enough(one: Tuned) -> bool:
    """Whether enough rates were tried to tell a range."""
    return len(one.errors) >= st.FEWEST_RATES


def in_words(payoff: Payoff, one: Tuned) -> str:
    """The range of an arm."""
    arm, found = called(payoff.vary, one.arm), one.usable
    if found is None:
        return f"{arm} at none of {len(one.errors)}"
    return f"{arm} at {found.usable} of {found.tried}, {range_words(found)}"


def range_words(found: st.UsableRates) -> str:
    """`0.003 to 0.09, at least 1.5 factors of ten`."""
    least = "at least " if found.open_low or found.open_high else ""
    unit = "factor" if f"{found.width:.1f}" == "1.0" else "factors"
    if found.usable == 1:
        return f"{found.low:.3g} alone"
    return f"{found.low:.3g} to {found.high:.3g}, {least}{plain_number(found.width)} {unit} of ten"
