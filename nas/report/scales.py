"""How objectives are shown on axes and in cells."""

from typing import NamedTuple

from nas.training.result import OBJECTIVES


class Scale(NamedTuple):
    """How an objective is shown: axis title, factor, logarithmic or not."""

    title: str
    factor: float = 1.0
    is_log: bool = False


def scale(objective: str) -> Scale:
    """How an objective is shown; by its bare name where it is not registered."""
    if objective not in OBJECTIVES:
        return Scale(objective)
    one = OBJECTIVES[objective]
    title = f"{one.label} ({one.unit})" if one.unit else one.label
    return Scale(title, one.factor, one.is_log)
