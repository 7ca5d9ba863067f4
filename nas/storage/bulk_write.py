"""What is known of a trial, written in one transaction: one by one, each takes as long as all."""

import json
from collections.abc import Mapping
from typing import Any

from optuna.exceptions import UpdateFinishedTrialError
from optuna.study import Study
from sqlalchemy import Connection, Engine, Table, delete, insert, select

from nas.storage.handles import storage_of
from nas.storage.retry_storage import log_of, retried
from nas.storage.tables import TRIAL_ATTRS, TRIALS, known_tables


def write(study: Study, trial_id: int, attributes: Mapping[str, Any]) -> None:
    """Set user attributes of a trial that runs; UpdateFinishedTrialError if it has ended."""
    storage = storage_of(study)
    retried(storage, write_once, log_of(storage))(study, trial_id, attributes)


def write_once(study: Study, trial_id: int, attributes: Mapping[str, Any]) -> None:
    """One try."""
    engine = known_tables(study)
    if engine is None:
        write_one_by_one(study, trial_id, attributes)
    else:
        write_at_once(engine, trial_id, attributes)


def write_at_once(engine: Engine, trial_id: int, attributes: Mapping[str, Any]) -> None:
    """All in one transaction, of which nothing is left if it fails."""
    with engine.begin() as connection:
        state = select(TRIALS.c.state).where(TRIALS.c.trial_id == trial_id).with_for_update()
        if connection.execute(state).scalar_one().is_finished():
            raise UpdateFinishedTrialError(f"trial {trial_id} has ended")
        replace(connection, TRIAL_ATTRS, trial_id, attributes)


def write_one_by_one(study: Study, trial_id: int, attributes: Mapping[str, Any]) -> None:
    """The same by Optuna's own calls."""
    storage = storage_of(study)
    for key, value in attributes.items():
        storage.set_trial_user_attr(trial_id, key, value)


def replace(connection: Connection, table: Table, owner: int, values: Mapping[str, Any]) -> None:
    """Write attributes of a trial in the place of those of the same names."""
    of = table.c[0]
    connection.execute(delete(table).where((of == owner) & table.c.key.in_(list(values))))
    rows = [
        {of.name: owner, "key": key, "value_json": json.dumps(value)}
        for key, value in values.items()
    ]
    connection.execute(insert(table), rows)
