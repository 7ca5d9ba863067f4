"""The gains of the twins of two studies against each other: do shortcuts pay more in the second?"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from optuna.study import Study

from nas import statistics as st
from nas.payoff.answers import Finding
from nas.payoff.primary import Comparison
from nas.payoff.text import counted, named, plain_number, signed
from nas.report.finding import twins_finding
from nas.statistics import Word, where
from nas.tables.two_studies import welch


@dataclass(frozen=True)
class GainDifference:
    """A primary comparison in two studies: gain of the second less that of the first, in points of
    training error, over independent pairs of each.
    """

    order: str
    role: str
    reference: str
    arm: str
    layers: list[int]
    gains: tuple[float, float]
    num_pairs: tuple[int, int]
    mean: float
    low: float
    high: float
    p_adjusted: float
    answer: Word


def compare_gains(first: Study, second: Study) -> list[GainDifference]:
    """Every primary comparison that two studies have in common, at the same depths; none if either
    has no twins.
    """
    found = [twins_finding(study) for study in (first, second)]
    if found[0] is None or found[1] is None:
        return []
    return differences(found[0], found[1])


def differences(first: Finding, second: Finding) -> list[GainDifference]:
    """The common comparisons with Welch's interval and the permutation test of their pairs,
    corrected by Holm.
    """
    both = list(common(first.comparisons, second.comparisons))
    p_values = st.holm(st.permutation_p(b.effect.pairs, a.effect.pairs) for a, b in both)
    smallest = max(first.smallest_effect, second.smallest_effect)
    return [difference(a, b, p, smallest) for (a, b), p in zip(both, p_values, strict=True)]


def common(
    first: Sequence[Comparison], second: Sequence[Comparison]
) -> Iterator[tuple[Comparison, Comparison]]:
    """The comparisons that both have, with two pairs or more in each."""
    known = {place(one): one for one in first}
    for one in second:
        other = known.get(place(one))
        if other is not None and min(one.effect.n, other.effect.n) > 1:
            yield other, one


def place(one: Comparison) -> tuple[object, ...]:
    """What a comparison is of."""
    return (one.order, one.role, one.reference, one.arm, *one.layers)


def difference(
    first: Comparison, second: Comparison, p_adjusted: float, smallest_effect: float
) -> GainDifference:
    """The gain of the second less that of the first."""
    before, after = np.array(first.effect.pairs), np.array(second.effect.pairs)
    low, high = welch(before, after)
    word = where(low, high, smallest_effect)
    return GainDifference(
        order=second.order,
        role=second.role,
        reference=second.reference,
        arm=second.arm,
        layers=second.layers,
        gains=(first.effect.mean, second.effect.mean),
        num_pairs=(first.effect.n, second.effect.n),
        mean=second.effect.mean - first.effect.mean,
        low=low,
        high=high,
        p_adjusted=p_adjusted,
        answer="undecided" if word in ("pays", "costs") and p_adjusted > 0.05 else word,
    )


#: what an answer says of the gain in the second study
WORDS: dict[Word, str] = {
    "pays": "more",
    "costs": "less",
    "no difference": "as much, within the smallest effect of interest",
    "undecided": "not surely more or less",
}


def gain_sentences(found: Sequence[GainDifference]) -> list[str]:
    """One sentence for each comparison."""
    return [
        f"{one.arm} gains {WORDS[one.answer]} over {one.reference} in the second "
        f"({named(one.order)}, {one.role} rate, {' to '.join(map(str, one.layers))} layers): "
        f"{plain_number(one.gains[1])} against {plain_number(one.gains[0])} points of training "
        f"error, difference {signed(one.mean)} (95% CI {plain_number(one.low)} to "
        f"{plain_number(one.high)}, {one.num_pairs[0]} and {counted(one.num_pairs[1], 'pair')}); "
        f"p {st.p_words(one.p_adjusted)}."
        for one in found
    ]
