"""A gain in two parts: does a network train at all, and by how much is it better if both twins do?

A network that does not start is another outcome than one that is a little worse: their mean says
how often that happened as much as by how much.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from nas.statistics.paired import Effect, twin_effect
from nas.statistics.rates import StabilityGain, stability_gain


@dataclass(frozen=True)
class Hurdle:
    """`trains`: failure rate of the reference less that of the arm, both with their Wilson
    intervals; `gain`: the effect among the pairs of which both runs train, None if there are none.
    `is_ceiling`: no run of the reference trains, so the gain over all pairs is the error of
    guessing less the arm's, the most there can be.
    """

    trains: StabilityGain
    gain: Effect | None
    is_ceiling: bool


def hurdle(
    reference: ArrayLike,
    arm: ArrayLike,
    reference_trains: Iterable[bool],
    arm_trains: Iterable[bool],
    **options: Any,
) -> Hurdle:
    """The two parts of a gain, from one error and one "trains" of each arm for each seed; `options`
    are those of `paired_effect`.
    """
    first, second = list(map(bool, reference_trains)), list(map(bool, arm_trains))
    both = np.logical_and(first, second)
    worse, better = np.asarray(reference, dtype=float)[both], np.asarray(arm, dtype=float)[both]
    return Hurdle(
        trains=stability_gain([not one for one in first], [not one for one in second]),
        gain=twin_effect(worse, better, **options) if both.any() else None,
        is_ceiling=not any(first),
    )
