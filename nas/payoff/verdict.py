"""The verdict: what the numbers say in sentences, and no more than that."""

from collections.abc import Iterable

from nas import statistics as st
from nas.payoff.analysis import Payoff
from nas.payoff.contrasts import BESIDES, Contrast
from nas.payoff.text import (
    both,
    called,
    change,
    counted,
    interval,
    listed,
    p_value,
    pairs_of,
    rate,
    signed,
)
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
    """Sentences about all that was compared: the headline, what forbids to trust it, the primary
    comparisons, and then the rest.
    """
    if not payoff.twins:
        return ["No twin has finished yet: nothing can be said about shortcuts."]
    ladder = [one for one in ordered(payoff.ladder) if one.budget == 1]
    main = [one for one in ladder if (one.reference, one.arm) not in BESIDES]
    beside = [one for one in ladder if (one.reference, one.arm) in BESIDES]
    return [
        *headlines(payoff, main),
        *warnings(payoff),
        *ladder_sentences(payoff, main),
        *speed_sentence(payoff, preferred(main)),
        *stage_sentences(payoff),
        *order_sentences(payoff, preferred(ordered(payoff.orders))),
        *variant_sentences(payoff),
        *ranking_sentences(payoff),
        *candidate_sentences(payoff),
        *(beside_sentence(payoff, one) for one in preferred(beside)),
        *state_sentences(payoff),
        *edge_sentences(payoff),
        *added_sentences(payoff),
    ]


def ordered(ladder: Iterable[Contrast]) -> list[Contrast]:
    """Identity first, each arm at its own best learning rate before the shared one."""
    arms = ("identity", "projection")

    def rank(one: Contrast) -> tuple[bool, int, str, bool]:
        arm = arms.index(one.arm) if one.arm in arms else len(arms)
        return one.reference != "none", arm, one.order, one.role != "own"

    return sorted(ladder, key=rank)


def preferred(contrasts: Iterable[Contrast]) -> list[Contrast]:
    """Of contrasts at several learning rates the one that comes first."""
    found: dict[tuple[str, str, str], Contrast] = {}
    for one in contrasts:
        found.setdefault((one.order, one.reference, one.arm), one)
    return list(found.values())


def headlines(payoff: Payoff, main: list[Contrast]) -> list[str]:
    """From which depth on the first arm pays off, under each activation order."""
    found: dict[str, Contrast] = {}
    for one in main:
        if one.onset is not None:
            found.setdefault(one.order, one)
    return [headline(payoff, one) for one in found.values()]


def headline(payoff: Payoff, one: Contrast) -> str:
    """One contrast in one sentence; no claim where the primary comparison is not resolved."""
    gains = one.gains["train_error"]
    deepest, effect = max(gains), gains[max(gains)]
    place = f"({one.order}, {rate(one)}, {budget_of(payoff)})"
    worse, better = called(payoff.vary, one.reference), called(payoff.vary, one.arm)
    claim = claim_of(payoff, one)
    if one.onset is None or one.onset.depth is None:
        size = f"surely above {payoff.smallest_effect:g} points"
        if claim is not None and claim.status == "resolved":
            told = degradation(payoff, one)
            return f"{capital(told)}; at no single depth is the gain {size} {place}."
        return (
            f"No gain of {better} over {worse} {size} was found from {min(gains)} to {deepest} "
            f"layers with {counted(effect.n, 'pair')} {place}."
        )
    if claim is None or claim.status != "resolved":
        return (
            f"Whether depth costs {worse} more than {better} is not resolved"
            f"{f' ({tested(claim)})' if tested(claim) else ''}; taken alone, "
            f"{fall(payoff, one, effect)} at {deepest} layers {place}."
        )
    start = capital(reach(one.onset)) if one.onset.holds_deeper else "At some depths"
    text = f"{start}, {worse} lose: {fall(payoff, one, effect)} at {deepest} layers"
    return f"{text}{open_depths(gains)} {place}."


def capital(text: str) -> str:
    """A text as the beginning of a sentence."""
    return text[:1].upper() + text[1:]


def fall(payoff: Payoff, one: Contrast, effect: st.Effect) -> str:
    """The change in training error with an arm, with its interval."""
    arm = f"{one.arm} shortcuts" if payoff.vary == "shortcut" else one.arm
    return f"{signed(-effect.mean)} points of training error with {arm} ({interval(effect, -1)})"


def open_depths(gains: dict[int, st.Effect]) -> str:
    """At which depths nothing was resolved."""
    depths = [str(layers) for layers, gain in gains.items() if not gain.resolved]
    return f"; at {listed(depths)} layers no difference was resolved" if depths else ""


def claim_of(payoff: Payoff, one: Contrast) -> st.Claim | None:
    """The claim about a contrast's difference in differences of training error."""
    effect = one.interaction.get("train_error")
    return next((claim for claim in payoff.claims.values() if claim.effect is effect), None)


def tested(claim: st.Claim | None) -> str:
    """The corrected p with its test, where there is one."""
    if claim is None or claim.p_adjusted is None:
        return ""
    return f"Holm {p_value(claim.p_adjusted)}, {claim.test}"


def budget_of(payoff: Payoff) -> str:
    """The budget all gains are measured at."""
    epochs = sorted({twin.epochs for twin in payoff.twins if twin.budget == 1})
    return (
        f"after {listed([str(number) for number in epochs])} epochs" if epochs else "at one budget"
    )


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
    """What depth costs with and without an arm, and what the arm gains at the deepest networks."""
    place = f"{one.arm.capitalize()} against {one.reference}, {one.order}, {rate(one)}"
    gains = one.gains["train_error"]
    deepest = max(gains)
    gain = f"at {deepest} layers {both(gains[deepest], one.gains['val_error'][deepest])}"
    parts = [degradation(payoff, one)] if one.interaction else []
    return f"{place}, {budget_of(payoff)}: {'; '.join([*parts, gain])}{where(one)}."


def where(one: Contrast) -> str:
    """From which depth on the gain is sure."""
    onset = one.onset
    if onset is None:
        return ""
    size = f"the smallest effect of interest, {onset.smallest_effect:g} points"
    if onset.depth is None:
        return f"; at no depth is the gain surely above {size}"
    return f"; the gain is surely above {size}, {reach(onset)}"


def reach(onset: st.OnsetDepth) -> str:
    """From which depth on, or that it is the deepest one tried."""
    if onset.is_deepest:
        return f"at {onset.depth} layers, the deepest tried"
    return f"from {onset.depth} layers on" if onset.holds_deeper else f"at {onset.depth} layers"


def degradation(payoff: Payoff, one: Contrast) -> str:
    """The primary estimand in words, with every pair where they are few."""
    if not one.interaction:
        layers, gain = next(iter(one.gains["train_error"].items()))
        return f"at {layers} layers training error is {change(gain)}"
    effect, claim = one.interaction["train_error"], claim_of(payoff, one)
    depths = sorted(one.gains["train_error"])
    is_primary = claim is not None and claim.status != "exploratory"
    sure = claim.status == "resolved" if claim and is_primary else effect.resolved
    way = f"going from {depths[0]} to {depths[-1]} layers costs"
    error = "more training error than"
    if not sure:
        more, less = (called(payoff.vary, arm) for arm in (one.reference, one.arm))
        found = f"{signed(effect.mean)} points, {evidence(effect, claim)}"
        return f"whether {way} {more} {error} {less} is not resolved ({found})"
    sign = 1 if effect.mean > 0 else -1
    more, less = [called(payoff.vary, arm) for arm in (one.reference, one.arm)][::sign]
    return (
        f"{way} {more} {abs(effect.mean):.1f} points {error} {less} "
        f"({evidence(effect, claim, sign)})"
    )


def evidence(effect: st.Effect, claim: st.Claim | None, sign: int = 1) -> str:
    """The interval, every pair where they are few, and the corrected p."""
    parts = [interval(effect, sign)]
    if 1 < effect.n <= TOLD_PAIRS:
        parts[0] += f": {pairs_of(effect, sign)}"
    return "; ".join(filter(None, [*parts, tested(claim)]))


def beside_sentence(payoff: Payoff, one: Contrast) -> str:
    """An arm against another one than the reference, at the deepest networks."""
    gains = one.gains["train_error"]
    deepest = max(gains)
    better, worse = called(payoff.vary, one.arm), called(payoff.vary, one.reference)
    return (
        f"{better.capitalize()} against {worse}, {deepest} layers, {one.order}, {rate(one)}: "
        f"training error is {change(gains[deepest])}."
    )
