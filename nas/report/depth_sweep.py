"""The finished twins with the rows of their trials, and which of them stand side by side."""

import re
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from nas.model.architecture import Architecture
from nas.payoff.analysis import Payoff
from nas.payoff.contrasts import Contrast
from nas.payoff.records import Twin, whole_epochs
from nas.payoff.variants import CONTROL
from nas.report.style import COLOURS, MOST_SINGLE, colours
from nas.report.trial_rows import Row

#: how the learning rate of a comparison is told
ROLES = {"shared": "shared rate", "own": "own best rate"}


#: depths from which on what lies between them is drawn
FEWEST_IN_A_BAND = 3


class DepthPoint(NamedTuple):
    """A place of the ladder: activation order, blocks in every stage, and layers."""

    order: str
    depth: int
    layers: int


@dataclass(frozen=True)
class Twins:
    """What the twins say, and their trials by number."""

    payoff: Payoff
    rows: dict[int, Row]

    @cached_property
    def loss_unit(self) -> str:
        """The unit of training losses: nats of classes, the mean square of numbers."""
        known = self.architecture
        return "mean square" if known is not None and known.predicts_number else "nats"

    @property
    def is_of_rows(self) -> bool:
        """Whether the twins see rows of a table."""
        return self.architecture is not None and self.architecture.is_of_rows

    @cached_property
    def architecture(self) -> Architecture | None:
        """One of the twins', as all see the same data; None if none can be read."""
        return next((one for row in self.rows.values() if (one := row.architecture)), None)

    @cached_property
    def ladder(self) -> list[Twin]:
        """The runs of the ladder at the shared rate and the first budget."""
        ladder = [t for t in self.payoff.twins if t.comparison == "ladder" and t.role == "shared"]
        first = min((twin.budget for twin in ladder), default=1)
        return [twin for twin in ladder if twin.budget == first]

    @cached_property
    def colours(self) -> dict[str, str]:
        """Arm -> its colour in every figure and table, those of the ladder first."""
        compared = {arm for one in self.payoff.ladder for arm in (one.arm, one.reference)}
        others = {twin.arm for twin in self.payoff.twins} - compared
        return colours([*sorted(compared), *sorted(others)])

    @cached_property
    def places(self) -> list[DepthPoint]:
        """Where arms can be compared, shallow ones first."""
        arms: dict[DepthPoint, set[str]] = {}
        for twin in sorted(self.ladder, key=lambda twin: (twin.order, twin.depth, twin.seed)):
            place = DepthPoint(twin.order, twin.depth, twin.layers)
            known = next((one for one in arms if one[:2] == place[:2]), place)
            arms.setdefault(known, set()).add(twin.arm)
        return [place for place, names in arms.items() if len(names) > 1]

    def deepest(self) -> list[DepthPoint]:
        """The deepest place of each order."""
        return list({place.order: place for place in self.places}.values())

    def ends(self) -> list[DepthPoint]:
        """The shallowest place of the first order, and the deepest of each."""
        return list(dict.fromkeys([*self.places[:1], *self.deepest()]))

    def at(self, place: DepthPoint) -> dict[str, list[Row]]:
        """Arm -> its runs at one place, by seed."""
        arms: dict[str, list[Row]] = {}
        for twin in sorted(self.ladder, key=lambda twin: twin.seed):
            if (twin.order, twin.depth) == place[:2] and twin.trial in self.rows:
                arms.setdefault(twin.arm, []).append(self.rows[twin.trial])
        return {arm: arms[arm] for arm in sorted(arms, key=_rank)}

    def titled(self, what: str, order: str, role: str = "") -> str:
        """A title with its activation order, but where arms differ in it, and learning rate."""
        varied = self.payoff.vary == "activation_order"
        return ", ".join(filter(None, [what, "" if varied else order, ROLES.get(role, role)]))

    def lines(self, average: str) -> str:
        """What thin and thick lines are."""
        groups = [rows for place in self.ends() for rows in self.at(place).values()]
        numbers = sorted({len(rows) for rows in groups})
        if numbers == [1]:
            return "One run of each arm."
        many = f" (of many an even selection, {MOST_SINGLE} at most)"
        thin = f"one run{many if max(numbers, default=0) > MOST_SINGLE else ''}"
        return f"Thin: {thin}; thick: the {average} of {' or '.join(map(str, numbers))} runs."

    def differing(self) -> str:
        """In which parts of code, libraries or machine the finished twins differ."""
        found: dict[str, set[str]] = {}
        for number in {twin.trial for twin in self.payoff.twins} & self.rows.keys():
            provenance = self.rows[number].trial.user_attrs.get("provenance")
            for key, value in provenance.items() if isinstance(provenance, dict) else ():
                found.setdefault(str(key).replace("_", " "), set()).add(str(value))
        return ", ".join(key for key, values in found.items() if len(values) > 1)

    @property
    def epochs(self) -> str:
        """The budget at which the gains were measured."""
        numbers = whole_epochs(self.ladder or self.payoff.twins)
        words = "epoch" if numbers == [1] else "epochs"
        return f"after {' or '.join(map(str, numbers))} {words}"

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
        names = {effect.method for effect in effects if effect.low < effect.high and effect.n > 1}
        return ", ".join(sorted(names)) or "no method, as there is one pair only"


def main_contrasts(payoff: Payoff) -> list[Contrast]:
    """The arms of the ladder against the plain network (or the first arm), at the first budget."""
    budgets = [one.budget for one in payoff.ladder]
    wanted = [
        one for one in payoff.ladder if one.budget == min(budgets) and one.reference != CONTROL
    ]
    references = [one.reference for one in wanted]
    reference = "none" if "none" in references else references[0] if references else ""
    return [one for one in wanted if one.reference == reference]


def _rank(arm: str) -> tuple[int, str]:
    """Shortcut kinds in the order of their colours, then other arms by name."""
    return (list(COLOURS).index(arm) if arm in COLOURS else len(COLOURS)), arm


def slug(text: str) -> str:
    """A text as an identifier."""
    return re.sub(r"[^A-Za-z0-9]+", "-", text).strip("-").lower()
