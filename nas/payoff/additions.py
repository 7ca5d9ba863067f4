"""What of the plan is missing, and what was added to it: neither may decide a primary comparison.

The plan is written before the first twin. A run asked for after one had finished, when somebody may
have seen how the twins compare, is marked as added: it counts in no number of the planned
comparisons, and is shown beside them together with those. A primary comparison is decided when all
its planned runs have ended. Both are the simplest rule under which looking at unfinished twins
cannot raise the share of false claims.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from nas import statistics as st
from nas.payoff.contrasts import Contrast, contrasts
from nas.payoff.records import Twin
from nas.payoff.runs import ArmKey, UniqueKey

K = TypeVar("K")


def primary_runs(primary: Mapping[str, Any]) -> set[UniqueKey]:
    """The runs of the planned primary comparisons; none where there is no plan."""
    return {
        (ArmKey("ladder", order, depth, arm, 1), role, seed, 0.0)
        for order, role, *arms in primary.get("comparisons", [])
        for arm in arms
        for depth in primary["depths"]
        for seed in range(primary["pairs"])
    }


def stage_runs(stages: Mapping[str, Any] | None) -> set[UniqueKey]:
    """The runs of the planned factorial over stages."""
    if not stages:
        return set()
    places = [ArmKey("stages", stages["order"], stages["depth"], arm, 1) for arm in stages["arms"]]
    return {(place, "shared", seed, 0.0) for place in places for seed in range(stages["pairs"])}


def missing_runs(planned: set[UniqueKey], ended: set[UniqueKey]) -> int:
    """How many planned runs have neither finished nor failed with an error."""
    return len(planned - ended)


def decided(claims: Mapping[K, st.Claim], missing: int) -> dict[K, st.Claim]:
    """The claims, none of which is resolved as long as planned runs are missing."""
    return {
        name: replace(claim, status="not resolved")
        if missing and claim.status == "resolved"
        else claim
        for name, claim in claims.items()
    }


def with_added(
    twins: Iterable[Twin], reference: Mapping[str, str | None], smallest_effect: float
) -> dict[str, list[Contrast]]:
    """Comparison -> the contrasts in which added runs take part, over planned and added ones;
    `reference` is that of each comparison.
    """
    every = list(twins)
    grown = {(t.comparison, t.order, t.role, t.budget, t.arm) for t in every if t.added}

    def has_grown(name: str, one: Contrast) -> bool:
        place = (name, one.order, one.role, one.budget)
        return bool({(*place, one.reference), (*place, one.arm)} & grown)

    return {
        name: [
            one
            for one in contrasts(every, name, reference.get(name), smallest_effect)
            if has_grown(name, one)
        ]
        for name in dict.fromkeys(place[0] for place in sorted(grown))
    }
