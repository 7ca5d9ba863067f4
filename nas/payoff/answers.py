"""What the primary comparisons answer: shortcuts pay, cost, make no difference, or that is
undecided.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from nas import statistics as st
from nas.payoff.analysis import Payoff, is_primary
from nas.payoff.contrasts import Contrast
from nas.payoff.headline import cost_of_depth, ordered, verb
from nas.payoff.text import called, capital, change, counted, interval, named, rate
from nas.statistics.answers import Word


@dataclass(frozen=True)
class Comparison:
    """A primary comparison with its answer. `layers` are its depths: the effect is the difference
    of the gains in training error at the deepest and the shallowest, or the gain at a single one.
    """

    order: str
    role: str
    reference: str
    arm: str
    layers: list[int]
    effect: st.Effect
    answer: Word
    p_adjusted: float
    more_pairs: int | None


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
    contrasts = [one for one in ordered(payoff.ladder) if is_primary(one, payoff.primary)]
    effects = {str(index): tested(one) for index, one in enumerate(contrasts)}
    planned = len(payoff.primary.get("comparisons", []))
    answered = st.answers(effects, payoff.smallest_effect, planned=planned)
    rows = [
        comparison(one, effects[key], answered[key], is_open=bool(payoff.missing))
        for one, key in zip(contrasts, effects, strict=True)
    ]
    word = overall([row.answer for row in rows], planned)
    pairs = list(zip(contrasts, rows, strict=True))
    told = next((pair for pair in pairs if pair[1].answer == word), pairs[0] if pairs else None)
    return Finding(
        answer=word,
        sentence=sentence(payoff, *told, max(planned, len(rows))) if told else NOTHING,
        smallest_effect=payoff.smallest_effect,
        missing=payoff.missing,
        comparisons=rows,
    )


NOTHING = "Undecided: no primary comparison of this study has a pair of finished twins."


def tested(one: Contrast) -> st.Effect:
    """What a primary comparison is about: the difference in differences of training error from the
    shallowest to the deepest networks; of one depth the gain there.
    """
    gains = one.gains["train_error"]
    return one.interaction.get("train_error") or gains[max(gains)]


def comparison(one: Contrast, effect: st.Effect, found: st.Answer, *, is_open: bool) -> Comparison:
    """A comparison with its answer; none as long as planned runs are missing."""
    depths = sorted(one.gains["train_error"])
    return Comparison(
        order=one.order,
        role=one.role,
        reference=one.reference,
        arm=one.arm,
        layers=[depths[0], depths[-1]] if one.interaction else depths[-1:],
        effect=effect,
        answer="undecided" if is_open else found.answer,
        p_adjusted=found.p_adjusted,
        more_pairs=None if is_open else found.more_pairs,
    )


def overall(words: Iterable[Word], planned: int = 0) -> Word:
    """One answer for several comparisons: `pays` if one of them pays and none costs, and the other
    way round; no difference only if that is so in each that was planned.
    """
    every = list(words)
    said = set(every)
    if ("pays" in said) != ("costs" in said):
        return "pays" if "pays" in said else "costs"
    if said == {"no difference"} and len(every) >= planned:
        return "no difference"
    return "undecided"


def sentence(payoff: Payoff, one: Contrast, row: Comparison, comparisons: int) -> str:
    """The answer to paste somewhere, with its number of pairs, its interval and its bound."""
    arm, reference = called(payoff.vary, one.arm), called(payoff.vary, one.reference)
    lead = {
        "pays": verb(payoff, one, row.effect),
        "costs": verb(payoff, one, row.effect),
        "no difference": f"{capital(arm)} and {reference} differ by less than "
        f"{payoff.smallest_effect:g} points",
        "undecided": f"Undecided whether {asked(one, arm, reference)}",
    }[row.answer]
    study = f", study {payoff.study}" if payoff.study else ""
    return (
        f"{lead}: {size(payoff, one, row.effect)}; smallest effect of interest "
        f"{payoff.smallest_effect:g} points; {corrected(row, comparisons)}; {named(one.order)}, "
        f"{rate(one)}{study}{outlook(payoff, row)}."
    )


def asked(one: Contrast, arm: str, reference: str) -> str:
    """The question of a comparison."""
    if one.interaction:
        return f"depth costs {reference} more than {arm}"
    return f"{arm} are better than {reference}"


def size(payoff: Payoff, one: Contrast, effect: st.Effect) -> str:
    """The effect in words, with its interval and its pairs."""
    if one.interaction:
        return cost_of_depth(payoff, one, effect)
    layers, arm = max(one.gains["train_error"]), called(payoff.vary, one.arm)
    if effect.resolved:
        return f"at {layers} layers the training error of {arm} is {change(effect)}"
    return f"at {layers} layers the gain of {arm} is {effect.mean:.1f} points ({interval(effect)})"


def corrected(row: Comparison, comparisons: int) -> str:
    """The p that was compared with 5%."""
    several = f" (Holm, {comparisons} comparisons)" if comparisons > 1 else ""
    return f"p {st.p_words(row.p_adjusted)}{several}"


def outlook(payoff: Payoff, row: Comparison) -> str:
    """What an undecided comparison waits for."""
    if row.answer != "undecided":
        return ""
    if payoff.missing:
        return f". {counted(payoff.missing, 'planned run')} still to come"
    return f". {missing_pairs(row.effect, row.more_pairs)}"


def missing_pairs(effect: st.Effect, more: int | None) -> str:
    """How many more pairs would decide it, as things look now."""
    if more is not None:
        return f"About {counted(more, 'more pair')} with this mean and spread would decide it"
    if effect.n < 2:
        return "One pair says nothing of how many it would take"
    return "With this mean and spread a thousand pairs would not decide it"
