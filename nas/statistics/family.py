"""Several hypotheses at once: Holm's correction of those named beforehand."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from nas.statistics.paired import Effect, decision_p

Status = Literal["resolved", "not resolved", "exploratory"]


@dataclass(frozen=True)
class Claim:
    """What may be said of one effect against zero; exploratory ones carry no corrected p and claim
    nothing. Against the smallest effect of interest it is the `Answer` that tells.
    """

    name: str
    effect: Effect
    status: Status
    p_adjusted: float | None = None
    test: str | None = None


def holm(p_values: Iterable[float]) -> list[float]:
    """Adjusted p: the running maximum of (m - rank) p over ascending p, at most 1 (Holm, 1979)."""
    p = np.asarray(list(p_values), dtype=float)
    order = np.argsort(p, kind="stable")
    scaled = np.minimum((len(p) - np.arange(len(p))) * p[order], 1.0)
    adjusted = np.empty_like(p)
    adjusted[order] = np.maximum.accumulate(scaled)
    return [float(value) for value in adjusted]


def family(
    primary: Mapping[str, Effect],
    exploratory: Mapping[str, Effect] | None = None,
    *,
    alpha: float = 0.05,
    planned: int = 0,
) -> dict[str, Claim]:
    """Claims of the effects. A primary one is resolved if Holm's p is at most alpha and its
    interval leaves zero out (both must pass, as in arXiv:2511.19794); everything else is
    exploratory. See `decision_p` for the p that is corrected. Primary comparisons that were planned
    and have no pair count in the correction, each with a p of 1.
    """
    tested = [decision_p(effect) for effect in primary.values()]
    without_pair = [1.0] * (planned - len(tested))
    adjusted = holm([*(p for p, _ in tested), *without_pair])[: len(tested)]
    claims = {
        name: Claim(
            name, effect, "resolved" if p <= alpha and effect.resolved else "not resolved", p, test
        )
        for (name, effect), p, (_, test) in zip(primary.items(), adjusted, tested, strict=True)
    }
    others = {
        name: Claim(name, effect, "exploratory") for name, effect in (exploratory or {}).items()
    }
    if both := claims.keys() & others.keys():
        raise ValueError(f"{sorted(both)} cannot be primary and exploratory at once.")
    return claims | others
