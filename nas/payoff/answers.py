"""What a study of twins answers: shortcuts pay, cost, make no difference, or that is undecided."""

from dataclasses import dataclass

from nas import statistics as st
from nas.payoff.analysis import Payoff
from nas.payoff.answer_words import answer_words, outlook, size
from nas.payoff.contrasts import Contrast
from nas.payoff.primary import Comparison, num_planned, primary_comparisons, telling
from nas.payoff.text import conditions, rate
from nas.statistics import Word

NOTHING = "Undecided: no primary comparison of this study has a pair of finished twins."


@dataclass(frozen=True)
class Finding:
    """The answer of a study in a word and in a sentence, and that of every primary comparison.
    `missing` planned runs have not ended: as long as there are any, nothing is decided.
    """

    answer: Word
    sentence: str
    smallest_effect: float
    missing: int
    comparisons: list[Comparison]


def finding(payoff: Payoff) -> Finding:
    """The answer of a study of twins."""
    every, planned = primary_comparisons(payoff), num_planned(payoff)
    word, told = telling(every, planned)
    return Finding(
        answer=word,
        sentence=sentence(payoff, *told, max(planned, len(every))) if told else NOTHING,
        smallest_effect=payoff.smallest_effect,
        missing=payoff.missing,
        comparisons=[row for _, row in every],
    )


def sentence(payoff: Payoff, one: Contrast, row: Comparison, comparisons: int) -> str:
    """The answer to paste somewhere, with its number of pairs, its interval and its bound."""
    study = f", study {payoff.study}" if payoff.study else ""
    return (
        f"{answer_words(payoff, one, row)}: {size(payoff, one, row)}; smallest effect of interest "
        f"{payoff.smallest_effect:g} points; {corrected(row, comparisons)}; "
        f"{conditions(payoff.vary, one.order, rate(one))}{study}{outlook(payoff, row, '. ')}."
    )


def corrected(row: Comparison, comparisons: int) -> str:
    """The p that was compared with 5%."""
    several = f" (Holm, {comparisons} comparisons)" if comparisons > 1 else ""
    return f"p {st.p_words(row.p_adjusted)}{several}"
