"""Pairs of a table -> effects with intervals, tests and answers."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from nas import statistics as st
from nas.tables.pairs import Matched, Pair, Question, match_pairs, mean
from nas.tables.read import DataTable

#: units from which on the mean of them is close to normal, and Student's interval is taken
MANY = 100


@dataclass(frozen=True)
class Comparison:
    """One arm against the reference in one group: `effect` is arm less reference over units,
    `num_pairs` the pairs in them, of which the arm is higher in `higher` and equal in `equal`;
    `hurdle` splits it by whether a run trains, pair by pair.
    """

    group: str
    arm: str
    reference: str
    effect: st.Effect
    answer: st.Answer
    num_pairs: int
    higher: int
    equal: int
    hurdle: st.Hurdle | None = None


@dataclass(frozen=True)
class Analysis:
    """All that a table says about what was varied."""

    source: str
    num_rows: int
    matched: Matched
    comparisons: list[Comparison]

    @property
    def question(self) -> Question:
        """What was asked."""
        return self.matched.question


def analyse(table: DataTable, asked: Question) -> Analysis:
    """Compare matched pairs of a table; TableError if what is asked cannot be answered from it."""
    matched = match_pairs(table, asked)
    several: dict[tuple[str, str], list[Pair]] = defaultdict(list)
    for pair in matched.pairs:
        several[pair.group, pair.arm].append(pair)
    names = [
        (group, arm) for group in matched.groups for arm in matched.arms if (group, arm) in several
    ]
    effects = {str(place): effect_of(several[name]) for place, name in enumerate(names)}
    answers = st.answers(effects, asked.smallest_effect)
    rows = [
        comparison(matched, several[name], effects[key], answers[key])
        for key, name in zip(effects, names, strict=True)
    ]
    return Analysis(table.source, table.num_rows, matched, rows)


def effect_of(pairs: Sequence[Pair]) -> st.Effect:
    """The mean over units of the pairs: arm less reference."""
    units: dict[str, list[Pair]] = defaultdict(list)
    for pair in pairs:
        units[pair.unit].append(pair)
    arm = [mean([pair.arm_value for pair in some]) for some in units.values()]
    reference = [mean([pair.reference_value for pair in some]) for some in units.values()]
    method = "Student t" if len(units) >= MANY else "auto"
    found = st.twin_effect(np.array(arm), np.array(reference), method=method)
    return replace(found, saturated=False)  # that is said of errors, and these may be anything


def comparison(
    matched: Matched, pairs: Sequence[Pair], effect: st.Effect, answer: st.Answer
) -> Comparison:
    """One row of the result."""
    return Comparison(
        group=pairs[0].group,
        arm=pairs[0].arm,
        reference=matched.reference,
        effect=effect,
        answer=answer,
        num_pairs=len(pairs),
        higher=sum(pair.difference > 0 for pair in pairs),
        equal=sum(pair.difference == 0 for pair in pairs),
        hurdle=hurdle_of(matched.question, pairs),
    )


def hurdle_of(asked: Question, pairs: Sequence[Pair]) -> st.Hurdle | None:
    """How often each side trains, and the difference if both do; None if that was not asked."""
    if asked.trains_above is None and asked.trains_below is None:
        return None

    def trains(value: float) -> bool:
        above = asked.trains_above is None or value > asked.trains_above
        return above and (asked.trains_below is None or value < asked.trains_below)

    arm, reference = [p.arm_value for p in pairs], [p.reference_value for p in pairs]
    return st.hurdle(
        arm,  # first, as a hurdle has the gain of errors: the first less the second
        reference,
        [trains(value) for value in reference],
        [trains(value) for value in arm],
        method="Student t" if len(pairs) >= MANY else "auto",
    )
