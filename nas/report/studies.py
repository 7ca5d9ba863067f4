"""The studies of a storage in a table of text."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import optuna
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

from nas.common.errors import StudyError
from nas.search.beside import BASELINE, TWINS, beside_among, search_among, studies_in
from nas.search.exhaustion import exhausted
from nas.search.study import NUM_TRIALS
from nas.search.trial_attributes import REJECTED, counted
from nas.storage.bulk_read import trials_of
from nas.storage.open import open_storage
from nas.storage.studies import Entry, damage_of
from nas.storage.url import hidden


@dataclass(frozen=True)
class Line:
    """A study in the list: what is under another one is indented."""

    name: str
    trials: str
    state: str
    changed: datetime | None

    def cells(self) -> tuple[str, str, str, str]:
        """As text."""
        when = f"{self.changed:%Y-%m-%d %H:%M}" if self.changed else "never"
        return self.name, self.trials, self.state, when


def study_lines(storage: str) -> list[str]:
    """Name, trials, state and last change of every study, the newest first."""
    backend = open_storage(storage)
    rows = [line.cells() for line in lines_of(backend)]
    if not rows:
        raise StudyError("there is no study here yet: start one with `nas search digits`.")
    table = [("study", "trials", "state", "last change"), *rows]
    widths = [max(len(row[column]) for row in table) for column in range(4)]
    text = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in table]
    return [f"studies in {hidden(storage)}, the newest first", *text]


def lines_of(backend: BaseStorage) -> Iterator[Line]:
    """The searches, the newest first, each followed by its random search and its twins."""
    entries = studies_in(backend)
    for entry in reversed(entries):
        if search_among(entries, entry) is None:
            yield line_of(backend, entry)
            for ending in (BASELINE, TWINS):
                if beside := beside_among(entries, entry, ending):
                    yield line_of(backend, beside, indent="  ")


def line_of(backend: BaseStorage, entry: Entry, indent: str = "") -> Line:
    """A study in a line."""
    name = indent + entry.name
    if damage_of(backend, entry) is not None:
        return Line(name, "?", "damaged", None)
    study = optuna.load_study(study_name=entry.name, storage=backend)
    trials = counted(trials_of(study, only=(REJECTED,)))
    done = sum(trial.state.is_finished() for trial in trials)
    total = max(asked_of(study.user_attrs), len(trials))
    return Line(name, f"{done}/{total}", state_of(trials, done < total), last_change(trials))


def asked_of(attrs: Mapping[str, Any]) -> int:
    """How many trials a study is to have; no more than it took to try every candidate."""
    asked, known = attrs.get(NUM_TRIALS), exhausted(attrs)
    if not isinstance(asked, int):
        return 0
    return min(asked, known[1]) if known else asked


def state_of(trials: Sequence[FrozenTrial], is_open: bool) -> str:
    """Whether a study runs, is finished, or can be resumed."""
    if any(trial.state == TrialState.RUNNING for trial in trials):
        return "running"
    if not trials:
        return "not begun"
    return "to resume" if is_open else "finished"


def last_change(trials: Sequence[FrozenTrial]) -> datetime | None:
    """When a trial last began or ended."""
    moments = [moment for t in trials for moment in (t.datetime_start, t.datetime_complete)]
    return max((moment for moment in moments if moment is not None), default=None)
