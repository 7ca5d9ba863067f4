"""The trials of a study, in a few plain queries and without what is not asked for.

Optuna makes an object of every attribute first: a gigabyte for 10,000 trials.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

from optuna.distributions import BaseDistribution, json_to_distribution
from optuna.storages._rdb import models
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import Connection, Select, select

from nas.storage.handles import engine_of, storage_of, study_id_of
from nas.storage.retry import with_retry

#: attributes that are the same in many trials
SHARED = {"candidate", "provenance", "diverged", "pruned", "seed", "layers", "parameters"}
#: rows fetched at once
BATCH = 1000
distribution = lru_cache(maxsize=4096)(json_to_distribution)
Parts = dict[int, dict[str, dict[Any, Any]]]
#: no attribute in brief
NOTHING: Mapping[str, Callable[[Any], Any]] = {}


def trials_of(
    study: Study,
    without: Sequence[str] = (),
    brief: Mapping[str, Callable[[Any], Any]] = NOTHING,
    only: Sequence[str] | None = None,
) -> list[FrozenTrial]:
    """All trials by number, less the attributes of samplers. Of the user attributes those not in
    `without`, or `only` some; of those in `brief` what its function keeps. What trials with values
    reported on the way is left out too. Of a study in memory everything.
    """
    engine = engine_of(storage_of(study))
    if engine is None:
        return study.get_trials(deepcopy=False)

    def read() -> list[FrozenTrial]:
        with engine.connect() as connection:
            found = parts(connection, study)
            key = models.TrialUserAttributeModel.__table__.c.key
            is_wanted = key.not_in(without) if only is None else key.in_(only)
            attributes(connection, study, is_wanted, brief, found)
            return list(frozen(connection, study_id_of(study), found))

    return with_retry(read, timeout=0.0)()


def frozen(connection: Connection, study_id: int, found: Parts) -> Iterator[FrozenTrial]:
    """The trials, with their parts."""
    trial = models.TrialModel.__table__.c
    wanted = select(
        trial.trial_id, trial.number, trial.state, trial.datetime_start, trial.datetime_complete
    )
    wanted = wanted.where(trial.study_id == study_id).order_by(trial.number)
    for trial_id, number, state, start, complete in connection.execute(wanted):
        own = found.pop(trial_id, {})
        values = own.get("values", {})
        yield FrozenTrial(
            number=number,
            state=state,
            value=None,
            values=[values[index] for index in sorted(values)] or None,
            datetime_start=start,
            datetime_complete=complete,
            params=own.get("params", {}),
            distributions=own.get("distributions", {}),
            user_attrs=own.get("attrs", {}),
            system_attrs={},
            intermediate_values=own.get("reported", {}),
            trial_id=trial_id,
        )


def parts(connection: Connection, study: Study) -> Parts:
    """Trial -> kind of part -> its parts, but for the user attributes."""
    found: Parts = defaultdict(lambda: defaultdict(dict))
    for row in rows(connection, study, models.TrialValueModel, "objective", "value", "value_type"):
        value = models.TrialValueModel.stored_repr_to_value(row[2], row[3])
        found[row[0]]["values"][row[1]] = value
    stored = models.TrialIntermediateValueModel
    columns = ("step", "intermediate_value", "intermediate_value_type")
    is_open = models.TrialModel.__table__.c.state != TrialState.COMPLETE
    for row in rows(connection, study, stored, *columns, where=is_open):
        value = stored.stored_repr_to_intermediate_value(row[2], row[3])
        found[row[0]]["reported"][row[1]] = value
    columns = ("param_name", "param_value", "distribution_json")
    for trial_id, name, value, text in rows(connection, study, models.TrialParamModel, *columns):
        one: BaseDistribution = distribution(text)
        found[trial_id]["distributions"][name] = one
        found[trial_id]["params"][name] = one.to_external_repr(value)
    return found


def attributes(
    connection: Connection,
    study: Study,
    is_wanted: Any,
    brief: Mapping[str, Callable[[Any], Any]],
    found: Parts,
) -> None:
    """Add the user attributes; equal ones are one object."""
    known: dict[str, Any] = {}
    model = models.TrialUserAttributeModel
    for trial_id, key, text in rows(connection, study, model, "key", "value_json", where=is_wanted):
        if key in SHARED:
            if text not in known:
                known[text] = json.loads(text)
            value = known[text]
        else:
            value = json.loads(text)
        found[trial_id]["attrs"][key] = brief[key](value) if key in brief else value


def rows(
    connection: Connection, study: Study, model: Any, *columns: str, where: Any = None
) -> Iterator[Any]:
    """Trial and columns of every row of a study in a table."""
    table, trial = model.__table__, models.TrialModel.__table__
    wanted: Select[Any] = select(table.c.trial_id, *(table.c[name] for name in columns))
    wanted = wanted.join(trial, trial.c.trial_id == table.c.trial_id)
    wanted = wanted.where(trial.c.study_id == study_id_of(study))
    if where is not None:
        wanted = wanted.where(where)
    yield from connection.execution_options(yield_per=BATCH).execute(wanted)
