"""The verdict: what the numbers say in sentences, and no more than that.

Every sentence has one sign: errors are lower or higher, and the words say whose. What p values
there are stand in the tables.
"""

from collections.abc import Iterable

from nas.payoff.analysis import Payoff
from nas.payoff.answer_words import cost_of_depth
from nas.payoff.block_sentences import block_sentences
from nas.payoff.contrasts import BESIDES, Contrast
from nas.payoff.equal_loss_words import equal_loss_sentences
from nas.payoff.headline import headlines, tested
from nas.payoff.hurdles import hurdle_words
from nas.payoff.primary import answer_of, ordered
from nas.payoff.rate_words import rate_sentences
from nas.payoff.rival_words import rival_sentences
from nas.payoff.text import both, called, capital, change, conditions, pairs_of, rate
from nas.payoff.verdict_details import (
    added_sentences,
    candidate_sentences,
    edge_sentences,
    order_sentences,
    ranking_sentences,
    speed_sentence,
    stage_sentences,
    state_sentences,
    variant_sentences,
    warnings,
)

#: pairs up to which each one is told
TOLD_PAIRS = 5


def verdict(payoff: Payoff) -> list[str]:
    """Sentences about all that was compared: the headline, what forbids to trust it, what was
    tested, the primary comparisons, and then the rest.
    """
    if not payoff.twins:
        return ["No twin has finished yet: nothing can be said about shortcuts."]
    ladder = [one for one in ordered(payoff.ladder) if one.budget == 1]
    main = [one for one in ladder if (one.reference, one.arm) not in BESIDES]
    beside = [one for one in ladder if (one.reference, one.arm) in BESIDES]
    return [
        *headlines(payoff, main),
        *warnings(payoff),
        *tested(payoff, main),
        *ladder_sentences(payoff, main),
        *equal_loss_sentences(payoff, preferred(main)),
        *rival_sentences(payoff),
        *speed_sentence(payoff, preferred(main)),
        *stage_sentences(payoff),
        *block_sentences(payoff),
        *order_sentences(payoff, preferred(ordered(payoff.orders))),
        *variant_sentences(payoff),
        *ranking_sentences(payoff),
        *candidate_sentences(payoff),
        *(beside_sentence(payoff, one) for one in preferred(beside)),
        *state_sentences(payoff),
        *edge_sentences(payoff),
        *rate_sentences(payoff),
        *added_sentences(payoff),
    ]


def preferred(contrasts: Iterable[Contrast]) -> list[Contrast]:
    """Of contrasts at several learning rates the one that comes first."""
    found: dict[tuple[str, str, str], Contrast] = {}
    for one in contrasts:
        found.setdefault((one.order, one.reference, one.arm), one)
    return list(found.values())


def ladder_sentences(payoff: Payoff, main: list[Contrast]) -> list[str]:
    """One sentence for each arm at its first learning rate, and a short one at the shared rate."""
    sentences, first = [], preferred(main)
    for one in main:
        if one in first:
            sentences.append(whole(payoff, one))
        elif not any(other.rates == one.rates for other in first if same(one, other)):
            sentences.append(f"The same at {rate(one)}: {degradation(payoff, one)}.")
    return sentences


def same(one: Contrast, other: Contrast) -> bool:
    """Whether two contrasts differ in the learning rates alone."""
    return (one.order, one.reference, one.arm) == (other.order, other.reference, other.arm)


def whole(payoff: Payoff, one: Contrast) -> str:
    """What depth costs with and without an arm, what the arm gains at the deepest networks, whether
    they train, and from which depth on the gain is sure.
    """
    gains = one.gains["train_error"]
    deepest = max(gains)
    arm, reference = capital(called(payoff.vary, one.arm)), called(payoff.vary, one.reference)
    gain = f"at {deepest} layers {both(gains[deepest], one.gains['val_error'][deepest])}"
    parts = [degradation(payoff, one)] if one.interaction else []
    parts += [gain, *hurdle_words(payoff, one, deepest), *onset_words(one)]
    place = conditions(payoff.vary, one.order, rate(one))
    return f"{arm} against {reference} ({place}): {'; '.join(parts)}."


def degradation(payoff: Payoff, one: Contrast) -> str:
    """What depth costs one arm more than the other, with every pair if they are few."""
    if not one.interaction:
        layers, gain = next(iter(one.gains["train_error"].items()))
        return f"at {layers} layers training error is {change(gain)}"
    row = answer_of(payoff, one)
    effect = row.effect if row else one.interaction["train_error"]
    text = cost_of_depth(payoff, one, effect)
    if 1 < effect.n <= TOLD_PAIRS:
        sign = 1 if effect.mean >= 0 else -1
        text = f"{text.removesuffix(')')}: {pairs_of(effect, sign)})"
    if row:
        return f"undecided: {text}" if row.answer == "undecided" else text
    return text if effect.resolved else f"not resolved: {text}"


def onset_words(one: Contrast) -> list[str]:
    """From which depth on the gain is sure, and what lies between was not tried."""
    onset, depths = one.onset, sorted(one.gains["train_error"])
    if onset is None:
        return []
    size = f"the smallest effect of interest, {onset.smallest_effect:g} points"
    if onset.depth is None:
        return [f"at no depth is the gain surely above {size}"]
    deeper = " and at all deeper ones tried" if onset.holds_deeper and not onset.is_deepest else ""
    if onset.depth == depths[0]:
        place = (
            f"already at {onset.depth} layers, the shallowest tried{',' if deeper else ''}{deeper}"
        )
        return [f"the gain is surely above {size}, {place}"]
    before = depths[depths.index(onset.depth) - 1]
    between = f"not at {before}; what lies between was not tried"
    if not onset.holds_deeper:
        deeper = " but not at all deeper ones"
    return [f"the gain is surely above {size}, at {onset.depth} layers{deeper} and {between}"]


def beside_sentence(payoff: Payoff, one: Contrast) -> str:
    """An arm against another one than the reference, at the deepest networks."""
    gains = one.gains["train_error"]
    deepest = max(gains)
    better, worse = called(payoff.vary, one.arm), called(payoff.vary, one.reference)
    place = conditions(payoff.vary, one.order, rate(one))
    return (
        f"{capital(better)} of {deepest} layers against {worse} ({place}): "
        f"training error is {change(gains[deepest])}."
    )
