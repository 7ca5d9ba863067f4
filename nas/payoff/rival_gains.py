"""What of the gain of shortcuts each of their rivals has, and what is left to shortcuts."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sized
from dataclasses import dataclass, replace
from typing import Any

from nas import statistics as st
from nas.payoff.records import OUTCOMES, Twin, largest
from nas.payoff.rivals import CHANGES, RIVALS
from nas.statistics import Word

#: arm -> its runs by seed
Runs = dict[str, dict[int, Twin]]


@dataclass(frozen=True)
class RivalGains:
    """A rival of the arm `shortcut`, over the seeds of which plain network, shortcut and rival have
    finished; gains by outcome, in points of errors. whole: of shortcuts over the plain network;
    has: of the rival over it; left: of shortcuts over the rival, so that whole = has + left in the
    mean. The answers are of training error, against the smallest effect, corrected by Holm over
    both questions and all rivals at that learning rate. trained: runs that train of the plain
    network, the shortcut and the rival; rates: their learning rates.
    """

    arm: str
    shortcut: str
    order: str
    role: str
    layers: int
    whole: dict[str, st.Effect]
    has: dict[str, st.Effect]
    left: dict[str, st.Effect]
    has_answer: Word
    left_answer: Word
    has_p: float
    left_p: float
    trained: tuple[int, int, int]
    rates: tuple[float, float, float]


def rival_gains(
    twins: Iterable[Twin], smallest_effect: float, planned: Mapping[str, Any] | None
) -> list[RivalGains]:
    """All rivals that have a seed in common with both networks. Nothing is decided before all that
    were planned have their pairs.
    """
    groups: dict[str, Runs] = defaultdict(lambda: defaultdict(dict))
    for one in twins:
        if one.comparison == RIVALS and one.role != "tune":
            groups[one.role][one.arm][one.seed] = one
    return [
        row for _, runs in sorted(groups.items()) for row in of_role(runs, smallest_effect, planned)
    ]


def of_role(
    runs: Runs, smallest_effect: float, planned: Mapping[str, Any] | None
) -> list[RivalGains]:
    """The rivals at one kind of learning rate."""
    shortcut = next((arm for arm in runs if arm != "none" and not is_rival(arm)), "")
    rows = {
        arm: [(runs["none"][seed], runs[shortcut][seed], runs[arm][seed]) for seed in seeds]
        for arm in sorted(filter(is_rival, runs), key=rank)
        if (seeds := common(runs, shortcut, arm))
    }
    effects = {
        arm: {"whole": gains(row, 0, 1), "has": gains(row, 0, 2), "left": gains(row, 2, 1)}
        for arm, row in rows.items()
    }
    asked = {
        f"{arm} {name}": some[name]["train_error"]
        for arm, some in effects.items()
        for name in ("has", "left")
    }
    answers = st.answers(asked, smallest_effect)
    if not is_whole(rows, planned):
        answers = {name: replace(one, answer="undecided") for name, one in answers.items()}
    return [
        rival(rows[arm], shortcut, some, answers[f"{arm} has"], answers[f"{arm} left"])
        for arm, some in effects.items()
    ]


def is_rival(arm: str) -> bool:
    """Whether an arm is one of the rivals, and neither of the networks that they stand beside."""
    return "," in arm


def name_of(arm: str) -> str:
    """The name of a rival, as in a space."""
    return arm.rpartition(", ")[2]


def rank(arm: str) -> int:
    """Rivals in the order of the table of their changes, others behind them."""
    names = list(CHANGES)
    return names.index(name_of(arm)) if name_of(arm) in names else len(names)


def is_whole(rows: Mapping[str, Sized], planned: Mapping[str, Any] | None) -> bool:
    """Whether every planned rival has all its pairs."""
    if planned is None:
        return False
    return all(len(rows.get(arm, ())) >= planned["pairs"] for arm in planned["arms"])


def common(runs: Runs, shortcut: str, arm: str) -> list[int]:
    """The seeds that plain network, shortcut and rival have."""
    sets = [set(runs[name]) if name in runs else set() for name in ("none", shortcut, arm)]
    return sorted(set.intersection(*sets))


def gains(rows: list[tuple[Twin, Twin, Twin]], worse: int, better: int) -> dict[str, st.Effect]:
    """Outcome -> the gain of one of the three runs over another."""
    return {
        outcome: st.twin_effect(
            [row[worse].outcomes[outcome] for row in rows],
            [row[better].outcomes[outcome] for row in rows],
            bounds=(-largest(outcome), largest(outcome)),
        )
        for outcome in OUTCOMES
    }


def rival(
    rows: list[tuple[Twin, Twin, Twin]],
    shortcut: str,
    effects: Mapping[str, dict[str, st.Effect]],
    has: st.Answer,
    left: st.Answer,
) -> RivalGains:
    """One rival with its answers."""
    plain, better, arm = rows[0]
    trained = tuple(sum(not row[index].failed for row in rows) for index in range(3))
    return RivalGains(
        arm=arm.arm,
        shortcut=shortcut,
        order=arm.order,
        role=arm.role,
        layers=better.layers,
        **effects,
        has_answer=has.answer,
        left_answer=left.answer,
        has_p=has.p_adjusted,
        left_p=left.p_adjusted,
        trained=(trained[0], trained[1], trained[2]),
        rates=(plain.lr, better.lr, arm.lr),
    )
