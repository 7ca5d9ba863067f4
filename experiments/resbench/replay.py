"""The reports of the experiments told again from the table alone."""

from collections.abc import Iterator
from dataclasses import dataclass

from experiments.gallery import first_said
from experiments.resbench.table import plans, read, sources, stored
from nas.payoff.analysis import Payoff, compare
from nas.payoff.verdict import verdict


@dataclass(frozen=True)
class Replay:
    """An experiment told from the table. same_effects: whether every effect is that of the stored
    runs to the last bit; same_words: whether the first sentence is that of the stored report.
    """

    experiment: str
    runs: int
    told: str
    stored: str
    same_effects: bool

    @property
    def same_words(self) -> bool:
        """Whether the report says so."""
        return self.told == self.stored


def replayed() -> Iterator[Replay]:
    """Every experiment of the table."""
    twins, fixed = read(), plans()
    for experiment, path in sources():
        found = compare(twins[experiment], fixed[experiment])
        report = (path.parent / "report.md").read_text(encoding="utf-8")
        yield Replay(
            experiment=experiment,
            runs=len({one.trial for one in twins[experiment]}),
            told=verdict(found)[0],
            stored=first_said(report).replace("\\", ""),
            same_effects=effects(found) == effects(compare(*stored(path))),
        )


def effects(payoff: Payoff) -> str:
    """All that an analysis says, as text in which floats have all their digits."""
    shown = payoff.ladder, payoff.stages, payoff.claims, payoff.budgets, payoff.rivals
    return repr((*shown, payoff.with_added, payoff.tuned, payoff.crossover))
