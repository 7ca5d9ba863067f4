"""The trials of a study, in a few plain queries and without what is not asked for.

Optuna makes an object of every attribute first: a gigabyte for 10,000 trials.
"""

import copy
import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from optuna.distributions import json_to_distribution
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import ColumnElement, Connection, Select, Table, select

from nas.common.errors import StudyError
from nas.storage.handles import study_id_of
from nas.storage.readable import DAMAGE, is_sound
from nas.storage.retry import with_retry
from nas.storage.tables import (
    NOT_FINITE,
    PARAMS,
    REPORTED,
    TRIAL_ATTRS,
    TRIALS,
    VALUES,
    known_tables,
)

#: attributes that are the same in many trials
SHARED = {"candidate", "provenance", "diverged", "pruned", "seed", "layers", "parameters"}
#: rows fetched at once
BATCH = 1000
distribution = lru_cache(maxsize=4096)(json_to_distribution)
Parts = dict[int, dict[str, dict[Any, Any]]]
Brief = Mapping[str, Callable[[Any], Any]]
#: no attribute in brief
NOTHING: Brief = {}


def trials_of(
    study: Study,
    without: Sequence[str] = (),
    brief: Brief = NOTHING,
    only: Sequence[str] | None = None,
) -> list[FrozenTrial]:
    """All trials by number, less the attributes of samplers. Of the user attributes those not in
    `without`, or `only` some; of those in `brief` what its function keeps. What trials with values
    reported on the way is left out too. Of a study in memory everything.
    """

    def read() -> list[FrozenTrial]:
        engine = known_tables(study)
        if engine is None:
            return through_optuna(study, without, brief, only)
        with engine.connect() as connection:
            found = parts(connection, study)
            key = TRIAL_ATTRS.c.key
            is_wanted = key.not_in(without) if only is None else key.in_(only)
            attributes(connection, study, is_wanted, brief, found)
            return list(frozen(connection, study, found))

    try:
        trials = with_retry(read, timeout=0.0)()
    except StudyError:
        raise
    except DAMAGE:
        return through_optuna(study, without, brief, only)
    sound = all(map(is_sound, trials))
    return trials if sound else through_optuna(study, without, brief, only)


def through_optuna(
    study: Study, without: Sequence[str], brief: Brief, only: Sequence[str] | None
) -> list[FrozenTrial]:
    """The same by Optuna's own call."""
    found = []
    for trial in study.get_trials(deepcopy=False):
        attrs = {
            key: brief[key](value) if key in brief else value
            for key, value in trial.user_attrs.items()
            if (key not in without if only is None else key in only)
        }
        found.append(copy.copy(trial))
        found[-1].user_attrs = attrs
    return found


def frozen(connection: Connection, study: Study, found: Parts) -> Iterator[FrozenTrial]:
    """The trials, with their parts."""
    columns = (TRIALS.c.trial_id, TRIALS.c.number, TRIALS.c.state)
    wanted = select(*columns, TRIALS.c.datetime_start, TRIALS.c.datetime_complete)
    wanted = wanted.where(TRIALS.c.study_id == study_id_of(study)).order_by(TRIALS.c.number)
    for trial_id, number, state, start, complete in connection.execute(wanted):
        own = found.pop(trial_id, {})
        values = own.get("values", {})
        yield FrozenTrial(
            number=number,
            state=state,
            value=None,
            values=[values[index] for index in sorted(values)] or None,
            datetime_start=local(start),
            datetime_complete=local(complete),
            params=own.get("params", {}),
            distributions=own.get("distributions", {}),
            user_attrs=own.get("attrs", {}),
            system_attrs={},
            intermediate_values=own.get("reported", {}),
            trial_id=trial_id,
        )


def local(stored: datetime | None) -> datetime | None:
    """A time of the database, which is in UTC, as Optuna tells it: by the clock of this machine."""
    return stored and stored.replace(tzinfo=UTC).astimezone().replace(tzinfo=None)


def parts(connection: Connection, study: Study) -> Parts:
    """Trial -> kind of part -> its parts, but for the user attributes."""
    found: Parts = defaultdict(lambda: defaultdict(dict))
    for trial_id, objective, value, kind in rows(connection, study, VALUES):
        found[trial_id]["values"][objective] = NOT_FINITE.get(kind, value)
    is_open = TRIALS.c.state != TrialState.COMPLETE
    for trial_id, step, value, kind in rows(connection, study, REPORTED, where=is_open):
        found[trial_id]["reported"][step] = NOT_FINITE.get(kind, value)
    for trial_id, name, value, text in rows(connection, study, PARAMS):
        one = distribution(text)
        found[trial_id]["distributions"][name] = one
        found[trial_id]["params"][name] = one.to_external_repr(value)
    return found


def attributes(
    connection: Connection, study: Study, is_wanted: ColumnElement[bool], brief: Brief, found: Parts
) -> None:
    """Add the user attributes; equal ones are one object."""
    known: dict[str, Any] = {}
    for trial_id, key, text in rows(connection, study, TRIAL_ATTRS, where=is_wanted):
        if key in SHARED:
            if text not in known:
                known[text] = json.loads(text)
            value = known[text]
        else:
            value = json.loads(text)
        found[trial_id]["attrs"][key] = brief[key](value) if key in brief else value


def rows(
    connection: Connection, study: Study, table: Table, where: ColumnElement[bool] | None = None
) -> Iterator[Any]:
    """Every row of a study in a table of trials."""
    wanted: Select[Any] = select(table).join(TRIALS, TRIALS.c.trial_id == table.c.trial_id)
    wanted = wanted.where(TRIALS.c.study_id == study_id_of(study))
    if where is not None:
        wanted = wanted.where(where)
    yield from connection.execution_options(yield_per=BATCH).execute(wanted)
