"""The studies of a storage in a table of text."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import optuna
from optuna.storages import BaseStorage
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from nas.common.errors import StudyError
from nas.search.study import BASELINE, NUM_TRIALS, TWINS, search_of
from nas.search.trial_attributes import REJECTED, counted
from nas.storage.bulk_read import trials_of
from nas.storage.handles import study_id_of
from nas.storage.open import open_storage
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
    entries = sorted(backend.get_all_studies(), key=study_id_of, reverse=True)
    attrs = {entry.study_name: entry.user_attrs for entry in entries}
    searches = [name for name, found in attrs.items() if search_of(found) not in attrs]
    for name in searches:
        yield line_of(optuna.load_study(study_name=name, storage=backend), name)
        for beside in (name + BASELINE, name + TWINS):
            if search_of(attrs.get(beside, {})) == name:
                study = optuna.load_study(study_name=beside, storage=backend)
                yield line_of(study, f"  {beside}")


def line_of(study: Study, name: str) -> Line:
    """A study in a line."""
    trials = counted(trials_of(study, only=(REJECTED,)))
    done = sum(trial.state.is_finished() for trial in trials)
    asked = study.user_attrs.get(NUM_TRIALS)
    total = max(asked, len(trials)) if isinstance(asked, int) else len(trials)
    return Line(name, f"{done}/{total}", state_of(trials, done < total), last_change(trials))


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
