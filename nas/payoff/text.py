"""Numbers and arms in words, for the verdict."""

import math

from nas import statistics as st
from nas.common.text import counted
from nas.payoff.contrasts import Contrast
from nas.payoff.variants import AS_FOUND, CONTROL

#: the networks of some placements
PLACED = {
    "none": "plain networks",
    "all": "networks with all shortcuts",
    "every": "networks with every second shortcut",
    "first_half": "networks with shortcuts in their first half",
    "last_half": "networks with shortcuts in their last half",
}
MINUS = "\N{MINUS SIGN}"


def signed(value: float, digits: int = 1) -> str:
    """+1.2, −1.2 or 0.0."""
    text = f"{value:+.{digits}f}"
    text = text[1:] if float(text) == 0 else text
    return text.replace("-", MINUS)


def capital(text: str) -> str:
    """A text as the beginning of a sentence."""
    return text[:1].upper() + text[1:]


def named(order: str) -> str:
    """An activation order in a sentence: `pre-activation`."""
    return order.replace("_", "-")


def plain_number(value: float, digits: int = 1) -> str:
    """1.2, −1.2 or 0.0."""
    return signed(value, digits).removeprefix("+")


def listed(words: list[str]) -> str:
    """`a, b and c`."""
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]])) if words else ""


def pairs_of(effect: st.Effect, sign: int = 1) -> str:
    """Every pair."""
    return ", ".join(signed(sign * pair) for pair in effect.pairs)


def interval(effect: st.Effect, sign: int = 1) -> str:
    """The interval and the number of pairs."""
    pairs = counted(effect.n, "pair")
    if not math.isfinite(effect.low):
        return f"no interval from {pairs}"
    if effect.low == effect.high:
        return f"all {pairs} alike"
    low, high = sorted((sign * effect.low, sign * effect.high))
    name = "confidence sequence" if effect.method == st.EVERY_LOOK else "CI"
    return f"95% {name} {plain_number(low)} to {plain_number(high)}, {pairs}"


def change(effect: st.Effect) -> str:
    """A gain in words, `not resolved` where its interval crosses zero."""
    if effect.saturated:
        return f"saturated (0 in every run of both, {counted(effect.n, 'pair')})"
    if not effect.resolved:
        return f"not resolved (gain {signed(effect.mean)}, {interval(effect)})"
    word, sign = ("lower", 1) if effect.mean > 0 else ("higher", -1)
    return f"{word} by {abs(effect.mean):.1f} points ({interval(effect, sign)})"


def both(training: st.Effect, validation: st.Effect) -> str:
    """Training and validation gain in one phrase."""
    return f"training error is {change(training)}, validation error {change(validation)}"


def conditions(vary: str, order: str, *more: str) -> str:
    """Where arms are compared: the activation order, but where it is what they differ in."""
    return ", ".join([*([] if vary == "activation_order" else [named(order)]), *more])


def called(vary: str, arm: str) -> str:
    """The networks of an arm."""
    if arm == CONTROL:
        return "plain networks of as many parameters"
    if arm == AS_FOUND:
        return "networks as found"
    if vary == "shortcut":
        return "plain networks" if arm == "none" else f"networks with {arm} shortcuts"
    if vary == "transition":
        how = "no shortcut" if arm == "none" else arm
        return f"networks with {how} where the shape changes"
    if vary == "placement":
        return PLACED.get(arm, f"networks with shortcuts by {arm}")
    told = {
        "activation_order": f"{named(arm)} networks",
        "join": f"networks joined by {arm}",
        "initialisation": f"networks started by {arm}",
    }
    return told.get(vary, f"{arm} networks")


def rate(one: Contrast) -> str:
    """At which learning rate the arms stand."""
    if one.role == "own":
        return "own best learning rates"
    return f"learning rate {next(iter(one.rates.values()))[0]:.3g}"
