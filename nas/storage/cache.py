"""Optuna's cache of trials, which reads what changed since the last time and nothing else.

Optuna's own reads every unfinished trial each time, those that rest at rungs too: a search of a
thousand spent its time with that.
"""

import copy
from collections.abc import Container, Sequence
from dataclasses import dataclass, field
from operator import attrgetter

from optuna.storages import RDBStorage
from optuna.storages._cached_storage import _CachedStorage
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import ColumnElement, Connection, String, cast, or_, select, true

from nas.storage.bulk_read import whole_trials
from nas.storage.few_trials import few_trials
from nas.storage.handles import trial_id_of
from nas.storage.tables import STUDIES, TRIAL_ATTRS, TRIALS, known_tables

#: databases that keep times to the microsecond; those of others may be equal by chance
EXACT = ("sqlite", "postgresql")
#: id, state and start of a trial
Stamp = tuple[int, str, str | None]
RUNNING, WAITING = TrialState.RUNNING.name, TrialState.WAITING.name


@dataclass
class Known:
    """What has been read of a study: the id of its newest trial, the stamps of the unfinished ones
    (id, state and start), the trials by id, and by number as a list."""

    newest: int = -1
    stamps: set[Stamp] = field(default_factory=set)
    trials: dict[int, FrozenTrial] = field(default_factory=dict)
    listed: list[FrozenTrial] = field(default_factory=list)


class ChangesCache(_CachedStorage):
    """Optuna's cache, with another way to read the trials of a study.

    Who takes a trial that waits sets its start anew, before all else that it writes: one whose
    state and start are the same has not changed. Running trials are read each time, finished ones
    once. A trial is the same object for as long as it does not change.
    """

    def __init__(self, backend: RDBStorage) -> None:
        super().__init__(backend)
        #: which user attributes are read, and whether some are not
        self.is_wanted: ColumnElement[bool] = true()
        self.is_partial = False
        self._known: dict[int, Known] = {}

    def leave_out(self, names: Sequence[str], beginning: str) -> None:
        """Read no user attributes of those names from now on, and none that begin like that."""
        key = TRIAL_ATTRS.c.key
        self.is_partial = True
        self.is_wanted = key.not_in(names) & ~key.startswith(beginning, autoescape=True)

    def get_all_trials(
        self,
        study_id: int,
        deepcopy: bool = True,
        states: Container[TrialState] | None = None,
    ) -> list[FrozenTrial]:
        """The trials of a study by number; KeyError if it is not there."""
        listed = self.listed(study_id)
        found = [trial for trial in listed if states is None or trial.state in states]
        return copy.deepcopy(found) if deepcopy else found

    def listed(self, study_id: int) -> Sequence[FrozenTrial]:
        """The same, as one object for as long as no trial changes."""
        engine = known_tables(self)
        if engine is None or engine.name not in EXACT:
            return super().get_all_trials(study_id, deepcopy=False)
        self.get_study_name_from_id(study_id)  # Optuna's cache makes a place for its trials
        with self._lock, engine.connect() as connection:
            known = self._known.setdefault(study_id, Known())
            self._read(connection, study_id, known)
            return known.listed

    def get_trial(self, trial_id: int) -> FrozenTrial:
        """A trial with all its attributes; KeyError if it is not there."""
        engine = known_tables(self)
        if engine is None or engine.name not in EXACT:
            if self.is_partial:
                return self._backend.get_trial(trial_id)
            return super().get_trial(trial_id)
        with self._lock:
            known = None if self.is_partial else self._get_cached_trial(trial_id)
        if known is not None:
            return known
        with engine.connect() as connection:
            found = few_trials(connection, [trial_id], true())
        if not found:
            raise KeyError(f"there is no trial {trial_id}")
        return found[0]

    def delete_study(self, study_id: int) -> None:
        """Delete a study; another one may get its id."""
        self._known.pop(study_id, None)
        super().delete_study(study_id)

    def _read(self, connection: Connection, study_id: int, known: Known) -> None:
        """Bring what is known up to date."""
        study = select(STUDIES.c.study_id).where(STUDIES.c.study_id == study_id)
        if connection.execute(study).first() is None:
            raise KeyError(f"there is no study {study_id}")
        stamps = stamps_of(connection, study_id, known.newest)
        changed = {stamp[0] for stamp in stamps ^ known.stamps}
        changed |= {stamp[0] for stamp in stamps if stamp[1] == RUNNING}
        if known.newest < 0:
            fresh = whole_trials(connection, TRIALS.c.study_id == study_id, self.is_wanted)
        else:
            fresh = few_trials(connection, sorted(changed), self.is_wanted)
        fresh = [one for one in fresh if known.trials.get(trial_id_of(one)) != one]
        if fresh:
            trials = known.trials | {trial_id_of(one): one for one in fresh}
            known.listed = sorted(trials.values(), key=attrgetter("number"))
            known.trials = trials
            self._add_trials_to_cache(study_id, fresh)
        known.newest = max((stamp[0] for stamp in stamps), default=known.newest)
        known.stamps = {stamp for stamp in stamps if stamp[1] in (RUNNING, WAITING)}


def stamps_of(connection: Connection, study_id: int, newest: int) -> set[Stamp]:
    """The stamps of trials that have not ended, and of those newer than known ones."""
    state, start = (cast(one, String) for one in (TRIALS.c.state, TRIALS.c.datetime_start))
    is_open = TRIALS.c.state.in_((TrialState.RUNNING, TrialState.WAITING))
    wanted = select(TRIALS.c.trial_id, state, start).where(TRIALS.c.study_id == study_id)
    found = connection.execute(wanted.where(or_(is_open, TRIALS.c.trial_id > newest)))
    assert found.cursor is not None
    return set(found.cursor.fetchall())  # rows of SQLAlchemy take five times as long
