"""A study as a Python program has it: its trials as a table, its best network, its verdict."""

from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from optuna.study import Study

from nas.common.errors import UserError
from nas.common.paths import OUT
from nas.search.allow_code import AllowedCode

if TYPE_CHECKING:
    import pandas

    from nas.model.network import Network


@dataclass(frozen=True)
class Outcome:
    """A study and how its run ended: `finished`, `timeout`, `interrupted`, or `loaded` if it was
    not run here.

    study: the Optuna study, of a search or of its twins. storage: the URL it is kept at. out: the
    folder of weights and reports.
    """

    study: Study
    how: str
    storage: str = field(repr=False)
    out: Path = field(default=OUT, repr=False)
    allowed: AllowedCode = field(default=frozenset(), repr=False)

    @property
    def verdict(self) -> str:
        """What the twins say about shortcuts, a sentence a line, as the report has it; without
        twins, that nothing is verified."""
        from nas.report.data import gather

        return "\n".join(gather(self.storage, self.study.study_name).verdict)

    def to_dataframe(self) -> "pandas.DataFrame":
        """One row for each trial, by number: how it ended, the objectives, accuracy (0 to 1),
        seconds, layers, parameters, the architecture and the drawn parameters (`param.…`), as in
        trials.csv. Needs pandas: `pip install nas[pandas]`; UserError without it.
        """
        try:
            import pandas
        except ImportError as error:
            raise UserError("a table needs pandas: pip install 'nas[pandas]'.") from error
        from nas.report.trial_rows import read_rows
        from nas.report.writers.tables import record
        from nas.search.study import objective_names
        from nas.storage.bulk_read import trials_of

        names = objective_names(self.study)
        rows = [record(row, names) for row in read_rows(trials_of(self.study))]
        return pandas.DataFrame(rows, columns=None if rows else ["number", "outcome"])

    def best_network(self, trial: int | None = None) -> "Network":
        """The network of the best trial, or of another one, with the weights the search left, ready
        to evaluate: normalised pictures (count, channels, height, width) in, logits (count,
        classes) out.

        Weights are kept of trials that were the best when they ended; ExportError for others.
        `nas.export` trains longer and writes a module that normalises by itself.
        """
        from nas.export.network import found_network

        return found_network(self.study, trial, self.out)

    def __repr__(self) -> str:
        from nas.report.status import counts_lines
        from nas.storage.bulk_read import trials_of

        counts = counts_lines(trials_of(self.study))[0].strip()
        return f"Outcome({self.study.study_name!r}, {self.how}: {counts})"

    def _repr_html_(self) -> str:
        """The same in a notebook, with the verdict under it."""
        return f"<p>{escape(repr(self))}</p><p>{escape(self.verdict)}</p>"
