"""Two studies compared, as a Python program has it."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from optuna.study import Study

from nas.api.outcome import Outcome
from nas.api.studies import study_of
from nas.common.paths import OUT, STORAGE

if TYPE_CHECKING:
    from nas.tables.compared import Compared


@dataclass(frozen=True, repr=False)
class StudyComparison:
    """Whether the second study is better than the first.

    answer: `pays`, `costs`, `no difference` or `undecided`. mean, low, high: the second less the
    first in the objective, with its 95% interval. num_pairs: 0 where distributions are compared.
    """

    answer: str
    mean: float
    low: float
    high: float
    num_pairs: int
    verdict: str
    compared: "Compared" = field(repr=False)

    def report(self, out: str | Path = OUT) -> list[Path]:
        """Write the report into a folder in `out`, and return its files, the page first."""
        from nas.tables.two_studies_report import write_comparison

        return write_comparison(self.compared, Path(out))

    def __repr__(self) -> str:
        return f"StudyComparison({self.answer})\n  " + self.verdict.replace("\n", "\n  ")


def compare(
    first: Outcome | Study | str,
    second: Outcome | Study | str,
    *,
    smallest_effect: float = 0.0,
    storage: str = STORAGE,
) -> StudyComparison:
    """Is the second study better? As `nas compare`, without its report.

    first, second: outcomes, Optuna studies or names of one storage. smallest_effect: the smallest
    difference of interest, in the objective. storage: the URL, where a name is given. TableError
    if they cannot be compared, StudyError where there is none of a name.
    """
    from nas.tables.compared import compared

    one = compared(
        study_of(first, storage), study_of(second, storage), smallest_effect=smallest_effect
    )
    found = one.found
    return StudyComparison(
        answer=found.answer,
        mean=found.mean,
        low=found.low,
        high=found.high,
        num_pairs=found.num_pairs,
        verdict="\n".join(one.verdict),
        compared=one,
    )
