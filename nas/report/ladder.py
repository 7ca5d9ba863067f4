"""The finished twins with the rows of their trials, and which of them stand side by side."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from nas.payoff.analysis import Payoff, Twin
from nas.report.rows import Row
from nas.report.style import COLOURS


class Place(NamedTuple):
    """A place of the ladder: activation order, blocks in every stage, and layers."""

    order: str
    depth: int
    layers: int


@dataclass(frozen=True)
class Twins:
    """What the twins say, and their trials by number."""

    payoff: Payoff
    rows: dict[int, Row]

    @property
    def ladder(self) -> list[Twin]:
        """The runs of the ladder at the shared rate and the first budget."""
        ladder = [t for t in self.payoff.twins if t.comparison == "ladder" and t.role == "shared"]
        first = min((twin.budget for twin in ladder), default=1)
        return [twin for twin in ladder if twin.budget == first]

    def deepest(self) -> list[Place]:
        """The deepest networks of each order."""
        found: dict[str, Place] = {}
        for twin in self.ladder:
            if twin.order not in found or twin.depth > found[twin.order].depth:
                found[twin.order] = Place(twin.order, twin.depth, twin.layers)
        return list(found.values())

    def ends(self) -> list[Place]:
        """The deepest networks of each order, after the shallowest of the first order."""
        found = self.deepest()
        first = [twin for twin in self.ladder if twin.order == found[0].order]
        if not first:
            return found
        least = min(first, key=lambda twin: twin.depth)
        shallow = [Place(least.order, least.depth, least.layers)]
        return found if least.depth == found[0].depth else shallow + found

    def at(self, place: Place) -> dict[str, list[Row]]:
        """Arm -> its runs at one place, by seed."""
        arms: dict[str, list[Row]] = {}
        for twin in sorted(self.ladder, key=lambda twin: twin.seed):
            if (twin.order, twin.depth) == place[:2] and twin.trial in self.rows:
                arms.setdefault(twin.arm, []).append(self.rows[twin.trial])
        return {arm: arms[arm] for arm in sorted(arms, key=rank)}

    @property
    def epochs(self) -> str:
        """The budget at which the gains were measured."""
        numbers = sorted({t.epochs for t in self.ladder} or {t.epochs for t in self.payoff.twins})
        return f"after {' or '.join(map(str, numbers))} epochs"

    @property
    def methods(self) -> str:
        """The methods that gave the intervals."""
        groups = [
            *self.payoff.ladder,
            *(c for some in self.payoff.candidates.values() for c in some),
        ]
        effects = (
            effect for one in groups for gains in one.gains.values() for effect in gains.values()
        )
        return ", ".join(sorted({effect.method for effect in effects})) or "none"


def rank(arm: str) -> tuple[int, str]:
    """Shortcut kinds in the order of their colours, then other arms by name."""
    return (list(COLOURS).index(arm) if arm in COLOURS else len(COLOURS)), arm


def count_of(groups: Sequence[Sequence[Row]]) -> str:
    """How many runs there are in each group."""
    numbers = sorted({len(rows) for rows in groups})
    return " or ".join(map(str, numbers)) + (" run" if numbers == [1] else " runs")


def slug(text: str) -> str:
    """A text as an identifier."""
    return re.sub(r"[^A-Za-z0-9]+", "-", text).strip("-").lower()
