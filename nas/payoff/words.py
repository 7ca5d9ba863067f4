"""The verdict: what the numbers say in sentences, and no more than that."""

import math
import re

from nas import statistics as st
from nas.payoff.analysis import Payoff
from nas.payoff.contrasts import Contrast
from nas.payoff.twins import CONTROL

#: a hyphen that stands for a minus
MINUS = re.compile(r"(?<![\w-])-(?=\d)")


def verdict(payoff: Payoff) -> list[str]:
    """Sentences about all that was compared, the headline first."""
    if not payoff.twins:
        return ["No twin has finished yet: nothing can be said about shortcuts."]
    sentences = headlines(payoff)
    for one in ordered(payoff.ladder):
        if one.budget == 1 and not repeated(one, payoff.ladder):
            sentences += ladder_sentences(payoff, one)
    sentences += candidate_sentences(payoff)
    if payoff.stage_claims:
        sentences += stage_sentences(payoff.stage_claims, budget_of(payoff))
    sentences += [budget_sentence(name, one) for name, one in payoff.budgets.items()]
    sentences += state_sentences(payoff)
    return [MINUS.sub("−", sentence) for sentence in sentences]


def headlines(payoff: Payoff) -> list[str]:
    """From which depth on the first arm pays off, under each activation order."""
    found: dict[str, Contrast] = {}
    for one in ordered(payoff.ladder):
        if one.budget == 1 and one.onset is not None and one.reference != CONTROL:
            found.setdefault(one.order, one)
    return [headline(payoff, one) for one in found.values()]


def headline(payoff: Payoff, one: Contrast) -> str:
    """One contrast in one sentence; no claim where the primary comparison is not resolved."""
    gains = one.gains["train_error"]
    deepest, effect = max(gains), gains[max(gains)]
    place = f"({one.order}, {rate(one)}, {budget_of(payoff)})"
    if one.onset is None or one.onset.depth is None:
        return (
            f"No sure gain of {one.arm} over {one.reference} was found from {min(gains)} to "
            f"{deepest} layers with {counted(effect.n, 'pair')} {place}."
        )
    claim = claim_of(payoff, one)
    if claim is None or claim.status != "resolved":
        return (
            f"Whether depth costs {one.reference} more than {one.arm} is not resolved"
            f"{tested(claim)}; taken alone, {change_short(effect)} at {deepest} layers {place}."
        )
    start = f"From {one.onset.depth} layers on" if one.onset.holds_deeper else "At some depths"
    text = f"{start}, {lost(one)}: {change_short(effect)} at {deepest} layers"
    unresolved = [str(layers) for layers, gain in gains.items() if not gain.resolved]
    if unresolved:
        text += f"; at {listed(unresolved)} layers no difference was resolved"
    return f"{text} {place}."


def claim_of(payoff: Payoff, one: Contrast) -> st.Claim | None:
    """The claim about a contrast's difference in differences of training error."""
    effect = one.interaction.get("train_error")
    return next((claim for claim in payoff.claims.values() if claim.effect is effect), None)


def tested(claim: st.Claim | None) -> str:
    """The corrected p, where there is one."""
    has_p = claim is not None and claim.p_adjusted is not None
    return f" (Holm p = {claim.p_adjusted:.3g})" if claim and has_p else ""


def change_short(effect: st.Effect) -> str:
    """The gain in training error as a signed number with its interval."""
    if not math.isfinite(effect.low):
        return f"{-effect.mean:+.1f} points of training error"
    return (
        f"{-effect.mean:+.1f} points of training error with shortcuts "
        f"(95% CI {-effect.high:+.1f} to {-effect.low:+.1f}, {effect.n} pairs)"
    )


def ordered(ladder: list[Contrast]) -> list[Contrast]:
    """Identity against none first, each arm at its own best learning rate before the shared one."""
    arms = ("identity", "projection")

    def rank(one: Contrast) -> tuple[bool, int, bool, str]:
        arm = arms.index(one.arm) if one.arm in arms else len(arms)
        return one.reference != "none", arm, one.role != "own", one.order

    return sorted(ladder, key=rank)


def repeated(one: Contrast, ladder: list[Contrast]) -> bool:
    """Whether a contrast at the shared rate is the one at the best rates: no rate is better."""
    place = (one.order, one.reference, one.arm, one.budget)
    return one.role == "shared" and any(
        other.role == "own"
        and (other.order, other.reference, other.arm, other.budget) == place
        and other.rates == one.rates
        for other in ladder
    )


def ladder_sentences(payoff: Payoff, one: Contrast) -> list[str]:
    """Where on the depth axis an arm pays off, and what depth costs with and without it."""
    place = f"{names(one)}, {one.order}, {rate(one)}, {budget_of(payoff)}"
    gains, validation = one.gains["train_error"], one.gains["val_error"]
    if len(gains) == 1:
        layers = next(iter(gains))
        return [f"{place}: at {layers} layers {both(gains[layers], validation[layers])}."]
    parts = [where(one, gains, validation)]
    if "train_error" in one.interaction:
        parts.append(degradation(payoff, one))
    return [f"{place}: {'; '.join(parts)}."]


def where(one: Contrast, gains: dict[int, st.Effect], validation: dict[int, st.Effect]) -> str:
    """From which depth on the gain is sure, and at which depths nothing was resolved."""
    onset, deepest = one.onset, max(gains)
    if onset is None or onset.depth is None:
        size = one.onset.smallest_effect if one.onset else 0
        return (
            f"no depth from {min(gains)} to {deepest} layers has a gain surely above {size:g} "
            f"points; at {deepest} layers {both(gains[deepest], validation[deepest])}"
        )
    start = f"from {onset.depth} layers on" if onset.holds_deeper else f"at {onset.depth} layers"
    text = f"{start} {lost(one)}: at {deepest} layers {both(gains[deepest], validation[deepest])}"
    open_depths = [str(layers) for layers, gain in gains.items() if not gain.resolved]
    if open_depths:
        text += f"; at {listed(open_depths)} layers no difference in training error was resolved"
    return text


def lost(one: Contrast) -> str:
    """Who loses."""
    return "plain networks lose" if one.reference == "none" else f"{one.reference} loses"


def degradation(payoff: Payoff, one: Contrast) -> str:
    """The primary estimand in words."""
    effect, claim = one.interaction["train_error"], claim_of(payoff, one)
    depths = sorted(one.gains["train_error"])
    primary = claim is not None and claim.status != "exploratory"
    sure = claim.status == "resolved" if claim and primary else effect.resolved
    sign = 1 if effect.mean >= 0 else -1
    more, less = (one.reference, one.arm) if sign > 0 else (one.arm, one.reference)
    return (
        f"going from {depths[0]} to {depths[-1]} layers costs {more} {points(abs(effect.mean))} "
        f"more training error than {less} ({interval(effect, sign)}){tested(claim)}"
        f"{'' if sure else ', which is not resolved'}"
    )


def both(training: st.Effect, validation: st.Effect) -> str:
    """Training and validation gain in one phrase."""
    return f"training error is {change(training)}, validation error {change(validation)}"


def change(effect: st.Effect) -> str:
    """A gain in words, `not resolved` where its interval crosses zero."""
    if not effect.resolved:
        return f"not resolved (gain {effect.mean:+.1f}, {interval(effect)})"
    word, sign = ("lower", 1) if effect.mean > 0 else ("higher", -1)
    return f"{word} by {points(abs(effect.mean))} ({interval(effect, sign)})"


def interval(effect: st.Effect, sign: int = 1) -> str:
    """The interval and the number of pairs; every pair where there are five or fewer."""
    pairs = counted(effect.n, "pair")
    if effect.n <= 5:
        pairs += ": " + ", ".join(f"{sign * pair:+.1f}" for pair in effect.pairs)
    if not math.isfinite(effect.low):
        return f"no interval from {pairs}"
    low, high = sorted((sign * effect.low, sign * effect.high))
    return f"95% CI {low:.1f} to {high:.1f}, {pairs}"


def counted(number: int, word: str) -> str:
    """`1 pair`, `2 pairs`."""
    return f"{number} {word}{'' if number == 1 else 's'}"


def points(value: float) -> str:
    """A number of points."""
    return f"{value:.1f} points"


def names(one: Contrast) -> str:
    """The arm against its reference."""
    reference = (
        "a plain network of as many parameters" if one.reference == CONTROL else one.reference
    )
    return f"{one.arm.capitalize()} against {reference}"


def rate(one: Contrast) -> str:
    """At which learning rate the arms stand."""
    if one.role == "own":
        return "each arm at its own best learning rate"
    return f"learning rate {next(iter(one.rates.values()))[0]:g}"


def budget_of(payoff: Payoff) -> str:
    """The budget all gains are measured at."""
    epochs = sorted({twin.epochs for twin in payoff.twins if twin.budget == 1})
    return (
        f"after {listed([str(number) for number in epochs])} epochs" if epochs else "at one budget"
    )


def candidate_sentences(payoff: Payoff) -> list[str]:
    """What the best candidates of the search would lose without their shortcuts."""
    sentences = []
    for rank, rows in payoff.candidates.items():
        for one in rows:
            if one.reference == CONTROL:
                continue
            for layers, gain in one.gains["train_error"].items():
                text = both(gain, one.gains["val_error"][layers])
                plain, arm = one.parameters[layers]
                extra = f" with {arm - plain:+,} parameters" if arm != plain else ""
                arms = f"{one.arm} against {one.reference}{extra}"
                sentences.append(f"Best candidate {rank[4:]} ({layers} layers), {arms}: {text}.")
    return sentences


def stage_sentences(claims: dict[int, st.Claim], budget: str) -> list[str]:
    """Which stage gains by its shortcuts, over all settings of the others."""
    sure = {
        stage: claim.effect.mean
        for stage, claim in claims.items()
        if claim.status == "resolved" and claim.effect.mean > 0
    }
    parts = [f"stage {stage + 1} {gain_of(claim)}" for stage, claim in claims.items()]
    head = (
        f"Stage {max(sure, key=lambda stage: sure[stage]) + 1} gains most by its shortcuts"
        if sure
        else "No single stage was shown to gain by its shortcuts"
    )
    return [f"{head} (training error {budget}, mean over the other stages): {'; '.join(parts)}."]


def gain_of(claim: st.Claim) -> str:
    """What a stage's shortcuts give."""
    text = f"{claim.effect.mean:+.1f} points ({interval(claim.effect)})"
    return text if claim.status == "resolved" else f"{text}, not resolved"


def budget_sentence(name: str, one: st.BudgetVerdict) -> str:
    """Whether a gain is one of accuracy or of speed."""
    meaning = {
        "accuracy": "the gain is one of accuracy",
        "speed": "the gain is one of speed, not of accuracy",
        "not resolved": "whether the gain is one of accuracy or of speed is not resolved",
    }
    return f"{name}: {meaning[one.verdict]} ({one.reason})."


def state_sentences(payoff: Payoff) -> list[str]:
    """What is missing, and what failed."""
    sentences = []
    failed: dict[str, int] = {}
    for twin in {twin.trial: twin for twin in payoff.twins}.values():
        if twin.failed:
            arm = "with shortcuts in some stages" if twin.comparison == "stages" else twin.arm
            failed[arm] = failed.get(arm, 0) + 1
    if failed:
        counts = listed([f"{arm}: {count}" for arm, count in failed.items()])
        sentences.append(
            f"Runs that diverged or never started count with the error they had: {counts}."
        )
    compared = [one for one in payoff.ladder if CONTROL not in (one.reference, one.arm)]
    if payoff.vary != "block" and not all(one.same_start for one in compared):
        sentences.append(
            "Some pairs did not start from the same weights: do not trust their differences."
        )
    if payoff.waiting:
        sentences.append(f"{payoff.waiting} twins are still to be trained.")
    if payoff.failures:
        sentences.append(f"{payoff.failures} twins failed and are missing from the pairs.")
    return sentences


def listed(words: list[str]) -> str:
    """`a, b and c`."""
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]])) if words else ""
