"""The first sentences of the verdict: what was found, in one number, and what was tested."""

from nas.payoff.analysis import Payoff
from nas.payoff.answer_words import answer_words, could_show, outlook, question, size
from nas.payoff.contrasts import Contrast
from nas.payoff.primary import Comparison, holds_deep, primary_comparisons, telling, tested_effect
from nas.payoff.records import whole_epochs
from nas.payoff.text import called, capital, interval, listed, named, signed

#: how the sentence begins that says what was compared
TESTED = "Tested: "


def headlines(payoff: Payoff, main: list[Contrast]) -> list[str]:
    """One sentence for each activation order, about its first primary comparison that gives the
    answer of them all; about its first contrast where no planned one has a pair yet.
    """
    by_order: dict[str, list[tuple[Contrast, Comparison | None]]] = {}
    for one in main:
        by_order.setdefault(one.order, [(one, None)])
    for order, pairs in primary_by_order(payoff).items():
        _, told = telling(pairs)
        by_order[order] = [told] if told else by_order[order]
    several = len(by_order) > 1
    return [
        f"{f'{capital(named(order))}. ' if several else ''}{headline(payoff, one, row)}."
        for order, ((one, row),) in by_order.items()
    ]


def primary_by_order(payoff: Payoff) -> dict[str, list[tuple[Contrast, Comparison]]]:
    """Activation order -> its primary comparisons."""
    found: dict[str, list[tuple[Contrast, Comparison]]] = {}
    for one, row in primary_comparisons(payoff):
        found.setdefault(one.order, []).append((one, row))
    return found


def headline(payoff: Payoff, one: Contrast, row: Comparison | None) -> str:
    """What a primary comparison answers; a contrast that is none answers nothing."""
    if row is None or row.answer == "undecided":
        return undecided(payoff, one, row)
    deepest = max(one.gains["train_error"])
    found = f"{answer_words(payoff, one, row)}: {headline_size(payoff, one, row)}"
    ceiling = row.answer == "pays" and one.hurdle[deepest].is_ceiling
    return f"{found}{f'; {most_there_can_be(payoff, one)}' if ceiling else ''}"


def headline_size(payoff: Payoff, one: Contrast, row: Comparison) -> str:
    """The gain of the deepest networks if it is sure and has the sign of the answer, else what was
    tested.
    """
    gains = one.gains["train_error"]
    deepest, gain = max(gains), gains[max(gains)]
    if row.answer == "no difference" or payoff.is_sequential or not holds_deep(one, row):
        return size(payoff, one, row)
    arm, reference = called(payoff.vary, one.arm), called(payoff.vary, one.reference)
    less, sign = ("less", 1) if gain.mean > 0 else ("more", -1)
    at = f"at {deepest} layers{', the deepest tried' if len(gains) > 1 else ''}"
    return (
        f"{at}, {arm} have {abs(gain.mean):.1f} points {less} training error than {reference} "
        f"({interval(gain, sign)})"
    )


def most_there_can_be(payoff: Payoff, one: Contrast) -> str:
    """That the gain is a ceiling."""
    found = one.hurdle[max(one.hurdle)]
    reference = called(payoff.vary, one.reference)
    return (
        f"none of the {found.trains.n} {reference} of that depth learns more than guessing, so "
        "this is the most there can be"
    )


def undecided(payoff: Payoff, one: Contrast, row: Comparison | None) -> str:
    """That a comparison is open, what so many pairs could have shown, and what it would take."""
    effect = row.effect if row else tested_effect(one)
    where = "" if one.interaction else f" at {max(one.gains['train_error'])} layers"
    found = f"difference{where} {signed(effect.mean)} points, {interval(effect)}"
    more = outlook(payoff, row, "; ") if row else ""
    return f"Undecided whether {question(payoff, one)} ({found}){could_show(payoff, effect)}{more}"


def tested(payoff: Payoff, ladder: list[Contrast]) -> list[str]:
    """What was compared, and what was not: a reader must not take more from it."""
    if not ladder:
        return []
    depths = sorted({layers for one in ladder for layers in one.gains["train_error"]})
    pairs = sorted({effect.n for one in ladder for effect in one.gains["train_error"].values()})
    epochs = whole_epochs(t for t in payoff.twins if t.budget == 1 and t.role != "tune")
    orders = (one.order for one in ladder)
    if payoff.vary == "activation_order":
        orders = (name for one in ladder for name in (one.reference, one.arm))
    parts = [
        f"{listed([str(layers) for layers in depths])} layers",
        listed([named(order) for order in dict.fromkeys(orders)]),
        f"{spread(pairs)} {'pair' if pairs == [1] else 'pairs'} of each",
        f"{listed([str(number) for number in epochs])} {'epoch' if epochs == [1] else 'epochs'}",
        rates_tested(payoff, ladder),
    ]
    longest = max(one.budget for one in payoff.ladder)
    longer = "longer trainings" if longest == 1 else f"trainings of more than {longest} times that"
    beyond = f"other depths, {longer} or other data"
    return [f"{TESTED}{', '.join(filter(None, parts))}. Not tried: {beyond}."]


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
        return f"all arms at learning rate {listed([f'{rate:.3g}' for rate in sorted(shared)])}"
    tried = max((len(one.errors) for one in payoff.tuned), default=0)
    grid = f" of {tried}" if tried else ""
    also = f", and all at {listed([f'{rate:.3g}' for rate in sorted(shared)])}" if shared else ""
    return f"each arm at its own best{grid} learning rates{also}"
