"""The sentence of the verdict on rival explanations: what of the gain each of them has."""

from collections.abc import Sequence

from nas.payoff.analysis import Payoff
from nas.payoff.rival_gains import RivalGains, name_of
from nas.payoff.text import called, interval, listed, named, plain_number

#: rival -> its networks in a sentence
NETWORKS = {
    "warmup": "plain networks with a warm-up",
    "initialisation": "plain networks with orthogonal weights at the start",
    "norm": "plain networks with another norm",
    "skip_init": "networks whose branches start at zero (SkipInit)",
    "fade": "networks whose shortcuts fade out in the last third",
}


def preferred_rivals(payoff: Payoff) -> list[RivalGains]:
    """Those at own learning rates; where these are not known, at the shared one."""
    roles = {one.role for one in payoff.rivals}
    return [one for one in payoff.rivals if one.role == ("own" if "own" in roles else "shared")]


def rival_sentences(payoff: Payoff) -> list[str]:
    """One sentence on all rivals; none where there are none."""
    rows = preferred_rivals(payoff)
    if not rows:
        return []
    first = max(rows, key=lambda one: one.whole["train_error"].n)
    whole = first.whole["train_error"]
    at = "own best learning rates" if first.role == "own" else f"learning rate {first.rates[0]:.3g}"
    return [
        f"Rival explanations, {first.layers} layers ({named(first.order)}, {at}): of "
        f"{plain_number(whole.mean)} points less training error ({interval(whole)}) that "
        f"{called(payoff.vary, first.shortcut)} have than plain ones, {told(rows)}."
    ]


def told(rows: Sequence[RivalGains]) -> str:
    """Each rival with what it has of the gain."""
    return listed([f"{networks(one)} have {has(one)}" for one in rows])


def networks(one: RivalGains) -> str:
    """The networks of a rival."""
    return NETWORKS[name_of(one.arm)]


def has(one: RivalGains) -> str:
    """What a rival has of the gain, and what that means."""
    effect = one.has["train_error"]
    return f"{plain_number(effect.mean)} ({interval(effect)}; {meaning(one)})"


def meaning(one: RivalGains) -> str:
    """What may be claimed of a rival."""
    if one.left_answer == "no difference":
        return "as much as shortcuts"
    if one.left_answer == "costs":
        return "more than shortcuts"
    some = {"pays": "a part", "costs": "worse than plain", "no difference": "none"}
    part = some.get(one.has_answer)
    if one.left_answer == "pays":
        return f"{part or 'whether any is undecided'}, shortcuts have surely more"
    return f"{part}, whether shortcuts have more is undecided" if part else "undecided"
