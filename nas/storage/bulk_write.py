"""What is known of a trial, written in one transaction: one by one, each takes as long as all."""

import json
from collections.abc import Mapping
from typing import Any

from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages._rdb import models
from optuna.study import Study
from sqlalchemy import Connection, delete, insert, select

from nas.storage.handles import engine_of, storage_of, study_id_of
from nas.storage.retry import with_retry


def write(study: Study, trial_id: int, attributes: Mapping[str, Any], note: str) -> None:
    """Set user attributes and note of a trial that runs, whatever the length of its study.

    `optuna_dashboard.save_note` reads the notes of all trials, twice.
    """
    from optuna_dashboard._note import note_str_key_prefix, note_ver_key, split_body

    parts = split_body(note, trial_id)
    # an earlier attempt may have left a note of one part more, which is to be empty
    noted = {f"{note_str_key_prefix(trial_id)}{len(parts)}": "", **parts}
    noted[note_ver_key(trial_id)] = 1
    with_retry(write_once)(study, trial_id, attributes, noted)


def write_once(
    study: Study, trial_id: int, attributes: Mapping[str, Any], noted: Mapping[str, Any]
) -> None:
    """One try; nothing of it is left where it fails."""
    engine = engine_of(storage_of(study))
    assert engine is not None, "trials run in databases"
    trial = models.TrialModel
    with engine.begin() as connection:
        state = select(trial.state).where(trial.trial_id == trial_id).with_for_update()
        if connection.execute(state).scalar_one().is_finished():
            raise UpdateFinishedTrialError(f"trial {trial_id} has ended")
        user, system = models.TrialUserAttributeModel, models.StudySystemAttributeModel
        replace(connection, user, "trial_id", trial_id, attributes)
        replace(connection, system, "study_id", study_id_of(study), noted)


def replace(
    connection: Connection, model: Any, owner: str, number: int, values: Mapping[str, Any]
) -> None:
    """Write attributes in the place of those of the same names."""
    table = model.__table__
    old = (table.c[owner] == number) & table.c.key.in_(list(values))
    connection.execute(delete(table).where(old))
    rows = [
        {owner: number, "key": key, "value_json": json.dumps(value)}
        for key, value in values.items()
    ]
    connection.execute(insert(table), rows)
