"""The first sentences of the verdict: what was found, in one number, and what was tested."""

from collections.abc import Iterable

from nas import statistics as st
from nas.payoff.analysis import Payoff
from nas.payoff.contrasts import Contrast
from nas.payoff.text import called, capital, counted, interval, listed, named, signed


def ordered(ladder: Iterable[Contrast]) -> list[Contrast]:
    """Identity first, each arm at its own best learning rate before the shared one."""
    arms = ("identity", "projection")

    def rank(one: Contrast) -> tuple[bool, int, str, bool]:
        arm = arms.index(one.arm) if one.arm in arms else len(arms)
        return one.reference != "none", arm, one.order, one.role != "own"

    return sorted(ladder, key=rank)


def headlines(payoff: Payoff, main: list[Contrast]) -> list[str]:
    """One sentence for each activation order, about its first contrast."""
    first: dict[str, Contrast] = {}
    for one in main:
        first.setdefault(one.order, one)
    several = len(first) > 1
    return [
        f"{f'{capital(named(order))}. ' if several else ''}{headline(payoff, one)}."
        for order, one in first.items()
    ]


def headline(payoff: Payoff, one: Contrast) -> str:
    """What the primary comparison of a contrast says; with one depth, the gain there."""
    gains = one.gains["train_error"]
    deepest = max(gains)
    claim = claim_of(payoff, one)
    effect = claim.effect if claim else gains[deepest]
    resolved = claim.status == "resolved" if claim else effect.resolved
    if not resolved:
        return unresolved(payoff, one, effect)
    found = f"{verb(payoff, one, effect)}: {size(payoff, one, effect)}"
    ceiling = one.hurdle[deepest].is_ceiling and effect.mean > 0
    return f"{found}{f'; {most_there_can_be(payoff, one)}' if ceiling else ''}"


def verb(payoff: Payoff, one: Contrast, effect: st.Effect) -> str:
    """What the sign of an effect means."""
    where = " in deep networks" if one.interaction else ""
    if payoff.vary == "shortcut" and one.reference == "none":
        return f"Shortcuts {'pay off' if effect.mean > 0 else 'do harm'}{where}"
    arm = capital(called(payoff.vary, one.arm))
    return f"{arm} are {'better' if effect.mean > 0 else 'worse'}{where}"


def size(payoff: Payoff, one: Contrast, effect: st.Effect) -> str:
    """The gain of the deepest networks if it is sure and has that sign, else what depth costs."""
    gains = one.gains["train_error"]
    deepest, gain = max(gains), gains[max(gains)]
    arm, reference = called(payoff.vary, one.arm), called(payoff.vary, one.reference)
    if not gain.resolved or (gain.mean > 0) != (effect.mean > 0):
        return cost_of_depth(payoff, one, effect)
    less, sign = ("less", 1) if gain.mean > 0 else ("more", -1)
    at = f"at {deepest} layers{', the deepest tried' if len(gains) > 1 else ''}"
    return (
        f"{at}, {arm} have {abs(gain.mean):.1f} points {less} training error than {reference} "
        f"({interval(gain, sign)})"
    )


def cost_of_depth(payoff: Payoff, one: Contrast, effect: st.Effect) -> str:
    """The difference in differences in words."""
    depths = sorted(one.gains["train_error"])
    arm, reference = called(payoff.vary, one.arm), called(payoff.vary, one.reference)
    more, sign = ("more", 1) if effect.mean >= 0 else ("less", -1)
    return (
        f"from {depths[0]} to {depths[-1]} layers the training error of {reference} rises by "
        f"{abs(effect.mean):.1f} points {more} than that of {arm} ({interval(effect, sign)})"
    )


def most_there_can_be(payoff: Payoff, one: Contrast) -> str:
    """That the gain is a ceiling."""
    found = one.hurdle[max(one.hurdle)]
    reference = called(payoff.vary, one.reference)
    return (
        f"none of the {found.trains.n} {reference} of that depth learns more than guessing, so "
        "this is the most there can be"
    )


def unresolved(payoff: Payoff, one: Contrast, effect: st.Effect) -> str:
    """That the primary comparison is open, and what so many pairs could have shown."""
    arm, reference = called(payoff.vary, one.arm), called(payoff.vary, one.reference)
    if not one.interaction:
        (layers, *_) = one.gains["train_error"]
        what = f"whether {arm} of {layers} layers train better than {reference}"
    else:
        what = f"whether depth costs {reference} more than {arm}"
    found = f"difference {signed(effect.mean)} points, {interval(effect)}"
    return f"Not resolved: {what} ({found}){could_show(payoff, effect)}"


def could_show(payoff: Payoff, effect: st.Effect) -> str:
    """The difference that so many pairs with such a scatter find in four studies of five."""
    family = [claim for claim in payoff.claims.values() if claim.status != "exploratory"]
    planned = payoff.primary.get("comparisons", family)
    if effect.n < 2 or effect.sd == 0:
        return ""
    pairs, comparisons = counted(effect.n, "pair"), max(1, len(planned))
    if effect.n < (needed := st.fewest_pairs(comparisons)):
        of = f"one of {comparisons} comparisons" if comparisons > 1 else "a comparison"
        return f"; {pairs} cannot decide {of}, however large the difference: {needed} are needed"
    points = effect.sd * st.resolvable_effect(effect.n, comparisons)
    return f"; {pairs} with this scatter find a difference of {points:.0f} points or more"


def claim_of(payoff: Payoff, one: Contrast) -> st.Claim | None:
    """The claim about a contrast's difference in differences of training error."""
    effect = one.interaction.get("train_error")
    return next((claim for claim in payoff.claims.values() if claim.effect is effect), None)


def tested(payoff: Payoff, ladder: list[Contrast]) -> list[str]:
    """What was compared, and what was not: a reader must not take more from it."""
    if not ladder:
        return []
    depths = sorted({layers for one in ladder for layers in one.gains["train_error"]})
    pairs = sorted({effect.n for one in ladder for effect in one.gains["train_error"].values()})
    epochs = sorted({twin.epochs for twin in payoff.twins if twin.budget == 1})
    orders = [named(order) for order in dict.fromkeys(one.order for one in ladder)]
    parts = [
        f"{listed([str(layers) for layers in depths])} layers",
        listed(orders),
        f"{spread(pairs)} {'pair' if pairs == [1] else 'pairs'} of each",
        f"{listed([str(number) for number in epochs])} epochs",
        rates_tested(payoff, ladder),
    ]
    longest = max(one.budget for one in payoff.ladder)
    longer = "longer trainings" if longest == 1 else f"trainings of more than {longest} times that"
    beyond = f"other depths, {longer} or other data"
    return [f"Tested: {', '.join(filter(None, parts))}. Not tried: {beyond}."]


def spread(numbers: list[int]) -> str:
    """`6`, or `5 to 6`."""
    ends = dict.fromkeys((numbers[0], numbers[-1]))
    return " to ".join(map(str, ends))


def rates_tested(payoff: Payoff, ladder: list[Contrast]) -> str:
    """At which learning rates the arms were compared."""
    shared = {
        one.rates[layers][0] for one in ladder if one.role == "shared" for layers in one.rates
    }
    if not any(one.role == "own" for one in ladder):
        return f"all arms at learning rate {listed([f'{rate:g}' for rate in sorted(shared)])}"
    tried = max((len(one.errors) for one in payoff.tuned), default=0)
    grid = f" of {tried}" if tried else ""
    also = f", and all at {listed([f'{rate:g}' for rate in sorted(shared)])}" if shared else ""
    return f"each arm at its own best{grid} learning rates{also}"
