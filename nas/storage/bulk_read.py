"""The trials of a study, in a few plain queries and without what is not asked for.

Optuna makes an object of every attribute first: a gigabyte for 10,000 trials.
"""

import copy
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from sys import intern
from typing import Any

from optuna.distributions import json_to_distribution
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import ColumnElement, Connection, Select, Table, select, true

from nas.common.errors import StudyError
from nas.storage.handles import study_id_of
from nas.storage.readable import DAMAGE, is_sound
from nas.storage.retry import with_retry
from nas.storage.tables import (
    NOT_FINITE,
    PARAMS,
    REPORTED,
    SYSTEM_ATTRS,
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
#: the value of a text that is the same in many trials, as one object
shared = lru_cache(maxsize=4096)(json.loads)
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
    of = TRIALS.c.study_id == study_id_of(study)
    key = TRIAL_ATTRS.c.key
    is_wanted = key.not_in(without) if only is None else key.in_(only)

    def read() -> list[FrozenTrial]:
        engine = known_tables(study)
        if engine is None:
            return through_optuna(study, without, brief, only)
        with engine.connect() as connection:
            listed = list(entries(connection, of))
            found = parts(connection, of, TRIALS.c.state != TrialState.COMPLETE)
            attributes(connection, of, TRIAL_ATTRS, found, is_wanted, brief)
            return [frozen(entry, found) for entry in listed]

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


def whole_trials(
    connection: Connection, of: ColumnElement[bool], is_wanted: ColumnElement[bool]
) -> list[FrozenTrial]:
    """Some trials by number as Optuna reads them, with the user attributes that are wanted. What is
    known of a trial is as new as its state, or newer."""
    listed = list(entries(connection, of))
    found = parts(connection, of, true())
    attributes(connection, of, TRIAL_ATTRS, found, is_wanted)
    attributes(connection, of, SYSTEM_ATTRS, found)
    return [frozen(entry, found) for entry in listed]


def entries(connection: Connection, of: ColumnElement[bool]) -> Iterator[Any]:
    """Id, number, state and times of trials."""
    columns = (TRIALS.c.trial_id, TRIALS.c.number, TRIALS.c.state)
    wanted = select(*columns, TRIALS.c.datetime_start, TRIALS.c.datetime_complete)
    yield from connection.execute(wanted.where(of).order_by(TRIALS.c.number))


def frozen(entry: Any, found: Parts) -> FrozenTrial:
    """A trial, with its parts."""
    trial_id, number, state, start, complete = entry
    own = found.pop(trial_id, {})
    values = own.get("values", {})
    return FrozenTrial(
        number=number,
        state=state,
        value=None,
        values=[values[index] for index in range(len(values))] or None,
        datetime_start=local(start),
        datetime_complete=local(complete),
        params=own.get("params", {}),
        distributions=own.get("distributions", {}),
        user_attrs=own.get(TRIAL_ATTRS.name, {}),
        system_attrs=own.get(SYSTEM_ATTRS.name, {}),
        intermediate_values=own.get("reported", {}),
        trial_id=trial_id,
    )


def local(stored: datetime | None) -> datetime | None:
    """A time of the database, which is in UTC, as Optuna tells it: by the clock of this machine."""
    return stored and stored.replace(tzinfo=UTC).astimezone().replace(tzinfo=None)


def parts(connection: Connection, of: ColumnElement[bool], reported: ColumnElement[bool]) -> Parts:
    """Trial -> kind of part -> its parts, but for the attributes; values on the way of those trials
    that are to be `reported`."""
    found = no_parts()
    add_values(found, rows(connection, of, VALUES))
    add_reported(found, rows(connection, of, REPORTED, reported))
    add_params(found, rows(connection, of, PARAMS, order=PARAMS.c.param_id))
    return found


def no_parts() -> Parts:
    """Nothing of any trial yet."""
    return defaultdict(lambda: defaultdict(dict))


def add_values(found: Parts, stored: Iterable[Any]) -> None:
    """Add rows of values."""
    for trial_id, objective, value, kind in stored:
        found[trial_id]["values"][objective] = number(value, kind)


def add_reported(found: Parts, stored: Iterable[Any]) -> None:
    """Add rows of values reported on the way."""
    for trial_id, step, value, kind in stored:
        found[trial_id]["reported"][step] = number(value, kind)


def add_params(found: Parts, stored: Iterable[Any]) -> None:
    """Add rows of parameters, in the order in which they were drawn."""
    for trial_id, name, value, text, _ in stored:
        one = distribution(text)
        found[trial_id]["distributions"][intern(name)] = one
        found[trial_id]["params"][intern(name)] = one.to_external_repr(value)


def number(value: float | None, kind: str) -> float:
    """A value as it is stored; ValueError where its kind says something else."""
    if (value is None) == (kind == "FINITE"):
        raise ValueError(f"a value is {value} and of the kind {kind}")
    return NOT_FINITE[kind] if value is None else value


def attributes(
    connection: Connection,
    of: ColumnElement[bool],
    table: Table,
    found: Parts,
    is_wanted: ColumnElement[bool] | None = None,
    brief: Brief = NOTHING,
) -> None:
    """Read and add the attributes of a table."""
    add_attributes(found, table, rows(connection, of, table, is_wanted), brief)


def add_attributes(
    found: Parts, table: Table, stored: Iterable[Any], brief: Brief = NOTHING
) -> None:
    """Add rows of attributes; equal ones that many trials have are one object."""
    for trial_id, key, text in stored:
        value = shared(text) if key in SHARED else json.loads(text)
        found[trial_id][table.name][intern(key)] = brief[key](value) if key in brief else value


def rows(
    connection: Connection,
    of: ColumnElement[bool],
    table: Table,
    where: ColumnElement[bool] | None = None,
    order: ColumnElement[Any] | None = None,
) -> Iterator[Any]:
    """Every row of some trials in a table."""
    wanted: Select[Any] = select(table).join(TRIALS, TRIALS.c.trial_id == table.c.trial_id)
    wanted = wanted.where(of) if where is None else wanted.where(of, where)
    yield from connection.execution_options(yield_per=BATCH).execute(wanted.order_by(order))
