"""Sentences of the verdict beyond the depth ladder: speed, stages, orders, variants, candidates."""

import numpy as np

from nas import statistics as st
from nas.payoff.analysis import Payoff, Variant
from nas.payoff.contrasts import BESIDES, Contrast
from nas.payoff.records import failures_by_arm, whole_epochs
from nas.payoff.text import (
    called,
    change,
    conditions,
    counted,
    interval,
    listed,
    named,
    rate,
    signed,
)
from nas.payoff.variants import CONTROL

#: arms at the edges of their grids up to which each is named
MOST_EDGES = 3
#: what a verdict across budgets means
MEANING = {
    "accuracy": "the order of the arms is one of accuracy",
    "speed": "the order of the arms is one of speed, not of accuracy",
    "appears": "the order of the arms shows at the longest budget alone",
    "persists": "the order of the arms stays, and whether it is one of accuracy is not known",
    "not resolved": "whether the order of the arms is one of accuracy or of speed is not resolved",
}


def warnings(payoff: Payoff) -> list[str]:
    """What forbids to trust the numbers, or to take them for the last ones."""
    sentences = []
    compared = [one for one in payoff.ladder if CONTROL not in (one.reference, one.arm)]
    if payoff.vary != "block" and not all(one.same_start for one in compared):
        sentences.append(
            "Some pairs did not start from the same weights: do not trust their differences."
        )
    if payoff.waiting:
        sentences.append(f"{counted(payoff.waiting, 'twin')} in training or queued.")
    if payoff.failures:
        failed = counted(payoff.failures, "twin")
        sentences.append(f"{failed} failed with an error, missing from the pairs.")
    if payoff.missing:
        missing = counted(payoff.missing, "planned run")
        sentences.append(
            f"No primary comparison is decided before all its runs have ended: {missing} of theirs "
            "to come."
        )
    return sentences


def edge_sentences(payoff: Payoff) -> list[str]:
    """Which own best learning rates lie at an edge of their grid."""
    found: dict[str, list[str]] = {}
    for one in payoff.tuned:
        if one.edge and one.comparison == "ladder":
            rate = f"{one.edge} rate tried, {one.best:.3g}"
            epochs = "" if one.budget == 1 else f", {one.budget} times the epochs"
            arm = ", ".join(filter(None, [one.arm, conditions(payoff.vary, one.order)]))
            found.setdefault(f"{arm}{epochs} ({rate})", []).append(str(one.layers))
    if not found:
        return []
    number = sum(map(len, found.values()))
    tuned = sum(one.comparison == "ladder" for one in payoff.tuned)
    text = f"The best learning rate is at the edge of its grid in {number} of {tuned} places"
    if len(found) <= MOST_EDGES:
        text += ": " + "; ".join(f"{name}, {listed(row)} layers" for name, row in found.items())
    return [f"{text}; a better one may lie beyond."]


def added_sentences(payoff: Payoff) -> list[str]:
    """What was added to the plan, and what it says together with the planned runs."""
    if not payoff.added:
        return []
    runs = counted(len({twin.trial for twin in payoff.added}), "run")
    return [
        f"{runs} were added after results could be seen: they count in no number above, and stand "
        f"with the planned ones in a table of their own (exploratory){grown(payoff)}."
    ]


def grown(payoff: Payoff) -> str:
    """The gains of the ladder at its deepest networks, with the added runs."""
    parts = []
    for one in payoff.with_added.get("ladder", []):
        is_main = (one.reference, one.arm) not in BESIDES
        if is_main and one.budget == 1:
            deepest = max(one.gains["train_error"])
            gain = change(one.gains["train_error"][deepest])
            place = conditions(payoff.vary, one.order, rate(one))
            parts.append(
                f"{one.arm} against {one.reference} at {deepest} layers, {place}: "
                f"training error is {gain}"
            )
    return f". With them, {'; '.join(parts)}" if parts else ""


def speed_sentence(payoff: Payoff, main: list[Contrast]) -> list[str]:
    """How much sooner the deepest networks of each arm get started."""
    sentences = []
    for order in dict.fromkeys(one.order for one in main):
        parts = [faster(payoff, one) for one in main if one.order == order]
        place = conditions(payoff.vary, order)
        sentences.append(
            f"Speed, in steps until the training loss is below three quarters of that of guessing: "
            f"{'; '.join(parts)}{f' ({place})' * bool(place)}."
        )
    return sentences


def faster(payoff: Payoff, one: Contrast) -> str:
    """The speed-up of one arm."""
    deepest = max(one.speed)
    found = one.speed[deepest]
    arm, other = called(payoff.vary, one.arm), called(payoff.vary, one.reference)
    arm += f" of {deepest} layers"
    pairs = counted(found.saved.n, "pair")
    if found.ratio is None:
        never = f"{found.residual_never} against {found.plain_never} of {pairs} never got there"
        return f"{arm} against {other}: not told, as {never}"
    if found.saved.n == 1:
        return f"{arm} against {other}: {ratio(found)} times in the one pair, no interval"
    text = f"{ratio(found)} times as fast"
    if found.resolved:
        return f"{arm} are {text} as {other} ({ends(found)}, {pairs})"
    return f"whether {arm} are faster than {other} is not resolved ({text}, {ends(found)}, {pairs})"


def ratio(found: st.SpeedUp) -> str:
    """`3.0`, `at least 3.0` or `at most 3.0`."""
    bound = "at least " if found.at_least else "at most " if found.at_most else ""
    return f"{bound}{found.ratio:.1f}"


def ends(found: st.SpeedUp) -> str:
    """The ends of the interval that there are."""
    if found.high is None:
        return f"95% CI from {found.low:.1f} on"
    if found.low is None:
        return f"95% CI up to {found.high:.1f}"
    return f"95% CI {found.low:.1f} to {found.high:.1f}"


def stage_sentences(payoff: Payoff) -> list[str]:
    """Which stage gains by its shortcuts, over all settings of the others."""
    claims = payoff.stage_claims
    if not claims:
        return []
    sure = {
        stage: claim.effect
        for stage, claim in claims.items()
        if claim.status == "resolved" and claim.effect.mean > 0
    }
    head = leading(sure)
    if sure and max(effect.high for effect in sure.values()) < payoff.smallest_effect:
        size = f"{payoff.smallest_effect:g} points"
        head += f", but less than the smallest effect of interest, {size}"
    parts = [f"stage {stage + 1} {gain_of(claim)}" for stage, claim in claims.items()]
    every = bool(payoff.stages["train_error"].main)
    how = "mean over the other stages" if every else "cost of removing them"
    return [f"{head} (training error, {how}): {'; '.join(parts)}."]


def leading(sure: dict[int, st.Effect]) -> str:
    """Which stages surely gain, and whether one of them surely gains most."""
    if not sure:
        return "No single stage was shown to gain by its shortcuts"
    first, *others = sorted(sure, key=lambda stage: -sure[stage].mean)
    ahead = [st.paired_effect(np.subtract(sure[first].pairs, sure[one].pairs)) for one in others]
    if all(effect.resolved for effect in ahead):
        return f"Stage {first + 1} gains {'most ' if others else ''}by its shortcuts"
    names = listed([str(stage + 1) for stage in sorted(sure)])
    return f"Stages {names} gain by their shortcuts, and which of them gains most is not resolved"


def gain_of(claim: st.Claim) -> str:
    """What a stage's shortcuts give."""
    text = f"{signed(claim.effect.mean)} points ({interval(claim.effect)})"
    return text if claim.status == "resolved" else f"{text}, not resolved"


def order_sentences(payoff: Payoff, orders: list[Contrast]) -> list[str]:
    """What another activation order changes in the deepest networks of an arm."""
    sentences = []
    for one in orders:
        gains = one.gains["train_error"]
        deepest, effect = max(gains), gains[max(gains)]
        networks = f"{called(payoff.vary, one.order)} of {deepest} layers ({rate(one)})"
        arm, other = named(one.arm), named(one.reference)
        if effect.resolved:
            text = f"{arm} has a {change_of(effect)} than {other} in {networks}"
        else:
            found = f"gain {signed(effect.mean)}, {interval(effect)}"
            text = (
                f"whether {arm} or {other} has the lower training error is not resolvable here in "
                f"{networks} ({found})"
            )
        sentences.append(f"Activation order: {text}.")
    return sentences


def change_of(effect: st.Effect) -> str:
    """`training error lower by 1.2 points (…)`, to stand before `than`."""
    word, sign = ("lower", 1) if effect.mean > 0 else ("higher", -1)
    return f"{word} training error by {abs(effect.mean):.1f} points ({interval(effect, sign)})"


def variant_sentences(payoff: Payoff) -> list[str]:
    """What the arms gain with other blocks and at other widths."""
    sentences = []
    for name, rows in payoff.variants.items():
        shown = [row for row in rows if (row.contrast.reference, row.contrast.arm) not in BESIDES]
        for order in dict.fromkeys(row.contrast.order for row in shown):
            parts = [varied(row) for row in shown if row.contrast.order == order]
            sentences.append(f"With {variant(name)}, {named(order)}: {'; '.join(parts)}.")
    return sentences


def variant(name: str) -> str:
    """A variant of the ladder: `block bottleneck` or `width × 2`."""
    kind, _, what = name.partition(" ")
    return f"{what} blocks" if kind == "block" else f"all widths {what}"


def varied(row: Variant) -> str:
    """One arm in a variant of the ladder."""
    gains = row.contrast.gains["train_error"]
    deepest = max(gains)
    text = (
        f"{row.contrast.arm} against {row.contrast.reference} at {deepest} layers: training error "
        f"is {change(gains[deepest])}"
    )
    if row.change is None:
        return text
    found = f"{signed(row.change.mean)} points, {interval(row.change)}"
    word = "more" if row.change.mean > 0 else "less"
    if row.change.resolved:
        return f"{text}, {word} than in the ladder itself ({found})"
    return f"{text}, and a difference to the ladder itself is not resolved ({found})"


def ranking_sentences(payoff: Payoff) -> list[str]:
    """Whether the order of the arms is one of accuracy or of speed."""
    ladder = [twin for twin in payoff.twins if twin.comparison == "ladder"]
    epochs = whole_epochs(twin for twin in ladder if twin.role != "tune")
    budgets = listed([str(number) for number in epochs])
    return [
        f"Compared after {budgets} epochs, {place}: {MEANING[one.verdict]} ({one.reason})"
        f"{trends(payoff, place)}."
        for place, one in payoff.rankings.items()
    ]


def trends(payoff: Payoff, place: str) -> str:
    """By how much the gains of the arms change with the budget, where that is sure."""
    found: dict[str, None] = {}
    for one in payoff.ladder:
        known = payoff.budgets.get(f"{one.reference} → {one.arm}, {place}")
        is_main = (one.reference, one.arm) not in BESIDES
        if is_main and known and known.trend and known.trend.resolved:
            points = f"{signed(known.trend.mean)} points ({interval(known.trend)})"
            found[f"; the gain of {one.arm} in validation error changes by {points}"] = None
    return "".join(found)


def candidate_sentences(payoff: Payoff) -> list[str]:
    """What the best candidates of the search would lose without their shortcuts."""
    sentences = []
    for name, rows in payoff.candidates.items():
        shown = [one for one in rows if (one.reference, one.arm) not in BESIDES]
        roles = [one.role for one in shown]
        for one in shown:
            if one.role == ("own" if "own" in roles else "shared"):
                sentences.append(candidate_sentence(name[4:], one))
    return sentences


def candidate_sentence(rank: str, one: Contrast) -> str:
    """One arm of one of the best candidates."""
    (layers, gain), *_ = one.gains["train_error"].items()
    plain, arm = one.parameters[layers]
    extra = f" with {arm - plain:+,} parameters" if arm != plain else ""
    return (
        f"Best candidate {rank} ({layers} layers, {rate(one)}), {one.arm} against "
        f"{one.reference}{extra}: training error is {change(gain)}, validation error "
        f"{change(one.gains['val_error'][layers])}."
    )


def state_sentences(payoff: Payoff) -> list[str]:
    """How many runs of each arm failed to train."""
    failed = failures_by_arm(payoff.twins)
    if not failed:
        return []
    counts = "; ".join(f"{arm} {count}" for arm, count in failed.items())
    return [f"Runs that never started or diverged count with the error they had: {counts}."]
