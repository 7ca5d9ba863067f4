"""What the pairs of a table say, in sentences."""

import math
from collections import Counter
from collections.abc import Iterable

from nas.payoff.text import capital, counted, listed, plain_number, signed
from nas.statistics import Effect, Word, p_words
from nas.tables.analysis import Analysis, Comparison
from nas.tables.pairs import Question

#: answers in terms of the value, which may be better or worse if it is higher
WORDS: dict[Word, str] = {
    "pays": "higher",
    "costs": "lower",
    "no difference": "not different",
    "undecided": "undecided",
}
#: comparisons beyond which their answers are counted first
MANY = 3
#: what no table can say of itself
UNKNOWN = (
    "Whether the rows of a pair differ in nothing else, and were chosen without regard to their "
    "values, is not in the table."
)
#: comparisons that the verdict tells one by one
TOLD = 12


def verdict(found: Analysis) -> list[str]:
    """Sentences: every comparison, what a pair and a unit are, and what was left out."""
    digits = digits_of((one.effect.low, one.effect.high) for one in found.comparisons)
    rows = [compared(found, one, digits) for one in found.comparisons]
    rest = len(rows) - TOLD
    beyond = [f"{counted(rest, 'more comparison')} stand in the table."] if rest > 0 else []
    return [
        *summary(found),
        *rows[:TOLD],
        *beyond,
        *hurdles(found, digits),
        *tested(found),
        *left_out(found),
    ]


def summary(found: Analysis) -> list[str]:
    """How many comparisons there are of each answer, if they are many."""
    if len(found.comparisons) <= MANY:
        return []
    counts = Counter(one.answer.answer for one in found.comparisons)
    told = [f"{WORDS[word]} in {counts[word]}" for word in WORDS if counts[word]]
    return [
        f"Of {len(found.comparisons)} comparisons, {found.question.value} is {listed(told)} "
        f"(against {found.matched.reference})."
    ]


def digits_of(intervals: Iterable[tuple[float, float]]) -> int:
    """Digits after the point that show two of the narrowest interval."""
    widths = [high - low for low, high in intervals if 0 < high - low < math.inf]
    if not widths:
        return 2
    return max(0, min(6, 1 - math.floor(math.log10(min(widths) / 2))))


def compared(found: Analysis, one: Comparison, digits: int) -> str:
    """One comparison with its number, its interval and its answer."""
    asked, mean = found.question, one.effect.mean
    where = f"{asked.by} {one.group}: " if asked.by else ""
    size = f"{'higher' if mean >= 0 else 'lower'} by {plain_number(abs(mean), digits)}"
    p = f"p {p_words(one.answer.p_adjusted)}"
    if len(found.comparisons) > 1:
        p += f" (Holm, {len(found.comparisons)} comparisons)"
    return capital(
        f"{where}{opening(asked, one)}{asked.value} with {asked.vary} {one.arm} is {size} than "
        f"with {one.reference} ({interval(one.effect, digits)}, {units(found, one)}; higher in "
        f"{one.higher:,} of {counted(one.num_pairs, 'pair')}); {p}{outlook(found, one)}."
    )


def opening(asked: Question, one: Comparison) -> str:
    """The answer, unless it is the sign alone."""
    said, smallest = one.answer.answer, asked.smallest_effect
    if said == "undecided":
        return "undecided: "
    if said == "no difference":
        return f"no difference of {smallest:g} or more: "
    return f"a difference of at least {smallest:g}: " if smallest else ""


def outlook(found: Analysis, one: Comparison) -> str:
    """How many more units would decide it."""
    if (more := one.answer.more_pairs) is None:
        return ""
    unit = f"more {found.matched.unit}"
    return f". About {counted(more, unit)} with this mean and spread would decide it"


def interval(effect: Effect, digits: int) -> str:
    """The interval."""
    if not math.isfinite(effect.low):
        return "no interval from one unit"
    if effect.low == effect.high:
        return "all units alike"
    return f"95% CI {plain_number(effect.low, digits)} to {plain_number(effect.high, digits)}"


def units(found: Analysis, one: Comparison) -> str:
    """How many units there are, where they are not the pairs."""
    unit, asked = found.matched.unit, found.question
    if unit == "pair":
        return counted(one.effect.n, "pair")
    if unit == "cluster":
        return f"{counted(one.effect.n, 'cluster')} of {asked.cluster}"
    return f"{counted(one.effect.n, 'mean')} over {asked.seed}"


def hurdles(found: Analysis, digits: int) -> list[str]:
    """Does a run train at all, and what is the difference if both do?"""
    sentences = []
    for one in found.comparisons:
        if one.hurdle is None:
            continue
        trains, gain = one.hurdle.trains, one.hurdle.gain
        where = f"{found.question.by} {one.group}: " if found.question.by else ""
        shares = [
            f"{rate.n - rate.count:,} of {rate.n:,} ({100 * (1 - rate.high):.0f} to "
            f"{100 * (1 - rate.low):.0f}%)"
            for rate in (trains.residual, trains.plain)
        ]
        both = "no pair has both"
        if gain is not None:
            both = (
                f"among the {counted(gain.n, 'pair')} of which both do, {one.arm} has "
                f"{signed(gain.mean, digits)} ({interval(gain, digits)})"
            )
        sentences.append(
            f"{where}trains with {one.arm}: {shares[0]}, with {one.reference}: {shares[1]}; {both}."
        )
    return [capital(one) for one in sentences]


def tested(found: Analysis) -> list[str]:
    """What a pair and a unit are."""
    asked, matched = found.question, found.matched
    names = [*matched.match, *([asked.seed] if asked.seed else [])]
    same = f"agree in {listed(list(names))} and " if names else ""
    within = f" within each {asked.by}" if asked.by else ""
    sentences = [f"A pair is two rows that {same}differ in {asked.vary}{within}."]
    if matched.unit == "cluster":
        sentences.append(
            f"Units are means of clusters: all pairs with the same {asked.cluster} are one unit, "
            "however many they are."
        )
    elif matched.unit == "place":
        sentences.append(
            f"Units are means over {asked.seed}, one for each combination of "
            f"{listed(list(matched.match))}; --cluster {asked.seed} would take its values as units."
        )
    elif not asked.seed:
        sentences.append(
            "Every pair counts as independent of the others: if some belong together, name the "
            "column that says so with --cluster."
        )
    return [*sentences, UNKNOWN]


def left_out(found: Analysis) -> list[str]:
    """Rows that are in no pair, or share a place."""
    matched, asked = found.matched, found.question
    sentences = []
    if matched.missing:
        sentences.append(
            f"{counted(matched.missing, 'row')} without {asked.value} or {asked.vary} "
            f"{'is' if matched.missing == 1 else 'are'} left out."
        )
    if matched.averaged:
        sentences.append(
            f"{counted(matched.averaged, 'row')} more at the place of another one: such rows are "
            "averaged."
        )
    if matched.unmatched:
        sentences.append(
            f"{counted(matched.unmatched, 'place')} without a partner "
            f"{'is' if matched.unmatched == 1 else 'are'} in no pair."
        )
    return sentences
