"""The answer of a comparison in words: what it says, how large it is, what it waits for."""

from nas import statistics as st
from nas.payoff.analysis import Payoff
from nas.payoff.contrasts import Contrast
from nas.payoff.primary import Comparison, holds_deep, num_planned, primary_comparisons
from nas.payoff.text import called, capital, change, counted, interval


def answer_words(payoff: Payoff, one: Contrast, row: Comparison) -> str:
    """The answer of a comparison, without its numbers."""
    if row.answer == "undecided":
        return f"Undecided whether {question(payoff, one)}"
    if row.answer == "no difference":
        arm, reference = called(payoff.vary, one.arm), called(payoff.vary, one.reference)
        at = " in what depth costs them" if one.interaction else ""
        return f"{capital(arm)} and {reference} differ by less than {smallest(payoff)}{at}"
    pays = row.answer == "pays"
    if one.interaction and not holds_deep(one, row):
        return depth_alone(payoff, one, row)
    where = " in deep networks" if one.interaction else ""
    if payoff.vary == "shortcut" and one.reference == "none":
        return f"Shortcuts {'pay off' if pays else 'do harm'}{where}"
    arm = capital(called(payoff.vary, one.arm))
    return f"{arm} are {'better' if pays else 'worse'}{where}"


def depth_alone(payoff: Payoff, one: Contrast, row: Comparison) -> str:
    """That depth costs an arm less or more, where that says nothing of which networks are better:
    shallow ones may be worse by as much.
    """
    arm, reference = called(payoff.vary, one.arm), called(payoff.vary, one.reference)
    gains = one.gains["train_error"]
    deepest, gain = max(gains), gains[max(gains)]
    how = "less" if row.answer == "pays" else "more"
    better = "better" if gain.mean > 0 else "worse"
    end = f"they are {better}" if gain.resolved else "which are better is not resolved"
    return f"Depth costs {arm} {how} than {reference}, but at {deepest} layers {end}"


def question(payoff: Payoff, one: Contrast) -> str:
    """What a comparison asks."""
    arm, reference = called(payoff.vary, one.arm), called(payoff.vary, one.reference)
    least = f"at least {smallest(payoff)} " if payoff.smallest_effect else ""
    if one.interaction:
        return f"depth costs {reference} {least}more than {arm}"
    by = f" by {least}".rstrip() if least else ""
    return f"{arm} are better than {reference}{by}"


def smallest(payoff: Payoff) -> str:
    """The smallest effect of interest."""
    return f"{payoff.smallest_effect:g} {'point' if payoff.smallest_effect == 1 else 'points'}"


def size(payoff: Payoff, one: Contrast, row: Comparison) -> str:
    """What was tested, in words, with its interval and its pairs."""
    effect = row.effect
    if one.interaction:
        return cost_of_depth(payoff, one, effect)
    layers, arm = max(one.gains["train_error"]), called(payoff.vary, one.arm)
    if effect.resolved:
        return f"at {layers} layers the training error of {arm} is {change(effect)}"
    return f"at {layers} layers the gain of {arm} is {effect.mean:.1f} points ({interval(effect)})"


def cost_of_depth(payoff: Payoff, one: Contrast, effect: st.Effect) -> str:
    """The difference in differences in words."""
    depths = sorted(one.gains["train_error"])
    arm, reference = called(payoff.vary, one.arm), called(payoff.vary, one.reference)
    more, sign = ("more", 1) if effect.mean >= 0 else ("less", -1)
    return (
        f"from {depths[0]} to {depths[-1]} layers the training error of {reference} rises by "
        f"{abs(effect.mean):.1f} points {more} than that of {arm} ({interval(effect, sign)})"
    )


def outlook(payoff: Payoff, row: Comparison, before: str) -> str:
    """What an undecided comparison waits for; `before` joins it to what was said."""
    if row.answer != "undecided":
        return ""
    if payoff.missing:
        return f"{before}{counted(payoff.missing, 'planned run')} still to come"
    text = missing_pairs(row.effect, row.more_pairs)
    return f"{before}{capital(text) if before.startswith('.') else text}"


def missing_pairs(effect: st.Effect, more: int | None) -> str:
    """How many more pairs would decide it, as things look now."""
    if more is not None:
        return f"about {counted(more, 'more pair')} with this mean and spread would decide it"
    if effect.n < 2:
        return "one pair says nothing of how many it would take"
    return "with this mean and spread a thousand pairs would not decide it"


def could_show(payoff: Payoff, effect: st.Effect) -> str:
    """The difference that so many pairs with such a scatter find in four studies of five."""
    comparisons = max(1, num_planned(payoff) or len(primary_comparisons(payoff)))
    if effect.n < 2 or effect.sd == 0:
        return ""
    pairs = counted(effect.n, "pair")
    if effect.n < (needed := st.fewest_pairs(comparisons)):
        of = f"one of {comparisons} comparisons" if comparisons > 1 else "a comparison"
        return f"; {pairs} cannot decide {of}, however large the difference: {needed} are needed"
    points = effect.sd * st.resolvable_effect(effect.n, comparisons)
    return f"; {pairs} with this scatter find a difference of {points:.0f} points or more"
