"""The incumbents of a search, by trial and by training time, also of random search beside it."""

from collections.abc import Sequence
from typing import NamedTuple

from nas.report.data import StudyData
from nas.report.trial_rows import Row


class Incumbents(NamedTuple):
    """Each trial that was the best so far, with the training seconds spent until its end."""

    numbers: list[int]
    values: list[float]
    seconds: list[float]


class SearchSummary(NamedTuple):
    """A search, with its best trials so far by number and in the order in which trials ended."""

    name: str
    num_trials: int
    by_number: Incumbents
    by_spending: Incumbents
    seconds: float

    @property
    def best(self) -> float | None:
        """The best value of the first objective; None where no trial was trained to its end."""
        return self.by_number.values[-1] if self.by_number.values else None


def searches(data: StudyData) -> list[SearchSummary]:
    """The search, and random search where it was run."""
    sampler = f" ({data.space.sampler})" if data.space else ""
    found = [_summary(f"the search{sampler}", data.rows, data.maximise[0])]
    if data.baseline:
        found.append(_summary("random search", data.baseline, data.maximise[0]))
    return found


def _summary(name: str, rows: list[Row], maximise: bool) -> SearchSummary:
    """One search."""
    not_ended = ("rejected", "running", "paused", "queued")
    counted_rows = [row for row in rows if row.outcome not in not_ended]
    return SearchSummary(
        name,
        len(counted_rows),
        incumbents(rows, maximise),
        incumbents(_by_time(rows), maximise),
        sum(map(training_seconds, rows)),
    )


def incumbents(rows: Sequence[Row], maximise: bool) -> Incumbents:
    """The incumbents by the first objective, in the order of the rows."""
    found, spent = Incumbents([], [], []), 0.0
    sign = 1 if maximise else -1
    for row in rows:
        spent += training_seconds(row)
        value = row.objective(0) if row.outcome == "trained" else None
        if value is not None and (not found.values or sign * value > sign * found.values[-1]):
            found.numbers.append(row.number)
            found.values.append(value)
            found.seconds.append(spent)
    return found


def _by_time(rows: Sequence[Row]) -> list[Row]:
    """The rows that ended, in that order."""
    ended = [row for row in rows if row.trial.datetime_complete]
    return sorted(ended, key=lambda row: (row.trial.datetime_complete, row.number))


def training_seconds(row: Row) -> float:
    """Training seconds of a trial; none for one that copied another's numbers."""
    return 0.0 if row.outcome == "repeated" else row.value("seconds") or 0.0
