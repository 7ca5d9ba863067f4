"""The primary comparisons, named before the first twin was trained, each with its answer: pays,
costs, no difference or undecided.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from nas import statistics as st
from nas.payoff.analysis import Payoff, is_primary
from nas.payoff.contrasts import Contrast
from nas.statistics import Word


@dataclass(frozen=True)
class Comparison:
    """A primary comparison with its answer. `layers` are its depths: the effect is the difference
    of the gains in training error at the deepest and the shallowest, or the gain at a single one.
    equal_loss: what of the gain in validation error at the deepest is left at equal training loss.
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
    equal_loss: st.EqualLoss | None = None


def ordered(ladder: Iterable[Contrast]) -> list[Contrast]:
    """Identity first, each arm at its own best learning rate before the shared one."""
    arms = ("identity", "projection")

    def rank(one: Contrast) -> tuple[bool, int, str, bool]:
        arm = arms.index(one.arm) if one.arm in arms else len(arms)
        return one.reference != "none", arm, one.order, one.role != "own"

    return sorted(ladder, key=rank)


def primary_comparisons(payoff: Payoff) -> list[tuple[Contrast, Comparison]]:
    """The contrasts of the ladder that were planned as primary, with their answers."""
    contrasts = [one for one in ordered(payoff.ladder) if is_primary(one, payoff.primary)]
    effects = {str(index): tested_effect(one) for index, one in enumerate(contrasts)}
    found = answered(payoff, effects)
    return [
        (one, comparison(one, *found[key], is_open=bool(payoff.missing)))
        for one, key in zip(contrasts, effects, strict=True)
    ]


def answered(
    payoff: Payoff, effects: Mapping[str, st.Effect]
) -> dict[str, tuple[st.Effect, st.Answer]]:
    """Each effect with its answer; with the interval that holds at every look, if pairs are added
    until they decide.
    """
    smallest, planned = payoff.smallest_effect, num_planned(payoff)
    if payoff.is_sequential:
        return st.sequential_answers(effects, smallest, planned=planned)
    found = st.answers(effects, smallest, planned=planned)
    return {name: (effect, found[name]) for name, effect in effects.items()}


def answer_of(payoff: Payoff, one: Contrast) -> Comparison | None:
    """The answer about a contrast; None if it is not primary."""
    return next((row for other, row in primary_comparisons(payoff) if other is one), None)


def num_planned(payoff: Payoff) -> int:
    """How many primary comparisons the plan names; 0 without a plan."""
    return len(payoff.primary.get("comparisons", []))


def telling(
    pairs: Iterable[tuple[Contrast, Comparison]], planned: int = 0
) -> tuple[Word, tuple[Contrast, Comparison] | None]:
    """The answer of several comparisons together, and the first of them that gives it, rather one
    whose gain at the deepest networks has the same sign for sure.
    """
    every = list(pairs)
    word = overall([row.answer for _, row in every], planned)
    giving = [pair for pair in every if pair[1].answer == word]
    sure = [pair for pair in giving if holds_deep(*pair)]
    return word, next(iter([*sure, *giving, *every]), None)


def tested_effect(one: Contrast) -> st.Effect:
    """What a primary comparison is about: the difference in differences of training error from the
    shallowest to the deepest networks; of one depth the gain there.
    """
    gains = one.gains["train_error"]
    return one.interaction.get("train_error") or gains[max(gains)]


def holds_deep(one: Contrast, row: Comparison) -> bool:
    """Whether the gain at the deepest networks is sure and has the sign of the answer."""
    gains = one.gains["train_error"]
    gain = gains[max(gains)]
    return gain.resolved and (gain.mean > 0) == (row.answer == "pays")


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
        equal_loss=one.equal_loss.get(depths[-1]),
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
