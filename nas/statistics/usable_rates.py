"""Over how wide a range of learning rates a network trains about as well as at its best one
(compare Wortsman et al. 2023, arXiv:2309.14322).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

#: how far from its best, in points of error, a network trains about as well
DISTANCE = 5.0
#: rates from which on a range is told in a sentence
FEWEST_RATES = 5


@dataclass(frozen=True)
class UsableRates:
    """The rates beside each other, with the best one among them, at which every run trains with an
    error within `DISTANCE` points of the least. width: from the lowest to the highest, in factors
    of ten; open_low, open_high: whether these are the ends of what was tried, so that the range may
    go on.
    """

    low: float
    high: float
    width: float
    usable: int
    tried: int
    open_low: bool
    open_high: bool


def usable_rates(
    errors: Mapping[float, float], trains: Mapping[float, bool], *, distance: float = DISTANCE
) -> UsableRates | None:
    """The range of rates; None if at no rate every run trains. errors: mean error at each rate, in
    points; trains: whether every run at it does.
    """
    rates = sorted(errors)
    known = [rate for rate in rates if trains[rate]]
    if not known:
        return None
    best = min(known, key=lambda rate: errors[rate])
    good = [trains[rate] and errors[rate] <= errors[best] + distance for rate in rates]
    first = last = rates.index(best)
    while first > 0 and good[first - 1]:
        first -= 1
    while last < len(rates) - 1 and good[last + 1]:
        last += 1
    return UsableRates(
        low=rates[first],
        high=rates[last],
        width=math.log10(rates[last] / rates[first]),
        usable=last - first + 1,
        tried=len(rates),
        open_low=first == 0,
        open_high=last == len(rates) - 1,
    )
