"""Effects with their intervals as text."""

import math
from collections.abc import Sequence
from typing import Any

from nas.payoff.contrasts import Contrast
from nas.report.depth_sweep import ROLES
from nas.report.style import (
    number,
    signed,
)
from nas.statistics import (
    Effect,
)

#: pairs up to which each one is printed
PRINTED_PAIRS = 5
#: head of a column of pairs
PAIRS = "each pair, or p"
#: rows from which on a table is folded
MANY_ROWS = 8


def effect_cell(effect: Effect | None, digits: int = 1) -> str:
    """+1.2 [0.5, 1.9], and `not resolved` where the interval crosses zero."""
    if effect is None:
        return "–"
    mean, low, high = (signed(x, digits) for x in (effect.mean, effect.low, effect.high))
    if not (math.isfinite(effect.low) and math.isfinite(effect.high)):
        return f"{mean} (one pair, no interval)"
    if effect.saturated:
        return "0.0, saturated: no error in any run of both"
    return f"{mean} [{low}, {high}]" + ("" if effect.resolved else " not resolved")


def whiskers(
    effects: Sequence[Effect], colour: str, *, width: int = 3, most: float = math.inf
) -> dict[str, Any]:
    """The intervals of effects as plotly's error bars, cut at -most and most; none of a single
    pair.
    """
    ends = [
        (max(e.low, -most), min(e.high, most)) if e.n > 1 else (e.mean, e.mean) for e in effects
    ]
    return {
        "type": "data",
        "array": [high - e.mean for e, (_, high) in zip(effects, ends, strict=True)],
        "arrayminus": [e.mean - low for e, (low, _) in zip(effects, ends, strict=True)],
        "color": colour,
        "thickness": 1.5,
        "width": width,
    }


def pairs_cell(effect: Effect) -> str:
    """Every pair where there are five or fewer, else the exact p of both arms, and of the signs of
    the pairs.
    """
    if effect.n <= PRINTED_PAIRS:
        return ", ".join(signed(pair) for pair in effect.pairs)
    signs = f"sign-flip p = {number(effect.p_value)}"
    if effect.unpaired_p is None:
        return signs
    return f"permutation p = {number(effect.unpaired_p)}, {signs}"


def rate_cell(one: Contrast, layers: int) -> str:
    """At which learning rates the arms stand."""
    reference, arm = one.rates[layers]
    text = ROLES.get(one.role, one.role)
    against = "" if arm == reference else f" against {reference:.3g}"
    return f"{text}, {arm:.3g}{against}"


def effect_text(effect: Effect) -> str:
    """Mean, interval and number of pairs in one line."""
    if effect.n == 1:
        return f"{signed(effect.mean)}, no interval from one pair"
    open_end = "" if effect.resolved else ", not resolved"
    ends = f"[{signed(effect.low)}, {signed(effect.high)}]"
    return f"{signed(effect.mean)} {ends}, {effect.n} pairs{open_end}"


def cell_text(effect: Effect) -> str:
    """+1.2, or (+1.2) where it is not resolved."""
    return signed(effect.mean) if effect.resolved else f"({signed(effect.mean)})"
