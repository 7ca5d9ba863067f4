"""Two studies and what their comparison found: what its report and a program read."""

from collections.abc import Sequence
from dataclasses import dataclass

from optuna.study import Study

from nas.tables.two_payoffs import GainDifference, compare_gains, gain_sentences
from nas.tables.two_studies import Difference, Trials, both, difference
from nas.tables.two_studies_text import sentences


@dataclass(frozen=True)
class Compared:
    """Two studies, what their comparison found, and the gains of their twins."""

    trials: tuple[Trials, Trials]
    found: Difference
    gains: Sequence[GainDifference]

    @property
    def verdict(self) -> list[str]:
        """What it says, a sentence each."""
        return [*sentences(self.found), *gain_sentences(self.gains)]


def compared(first: Study, second: Study, *, smallest_effect: float = 0.0) -> Compared:
    """The comparison of two studies, each with the twins in its own storage; TableError if they
    cannot be compared.
    """
    trials = both(first, second)
    found = difference(*trials, smallest_effect=smallest_effect)
    return Compared(trials, found, compare_gains(first, second))
