"""The studies of a storage by name, with a few of their attributes.

Optuna's own list comes with all attributes, the figures and notes of the dashboard too, and has no
study at all where one of them is damaged.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from optuna.storages import BaseStorage
from sqlalchemy import Engine, select

from nas.storage.handles import study_id_of
from nas.storage.readable import DAMAGE
from nas.storage.retry_storage import DamagedStudyError, log_of, retried
from nas.storage.tables import STUDIES, STUDY_ATTRS, known_tables


@dataclass(frozen=True)
class Entry:
    """A study in the list of a storage: its id, its name, and the attributes that were asked for;
    one that cannot be read is None."""

    id: int
    name: str
    attrs: Mapping[str, Any]


def entries_of(storage: BaseStorage, keys: Sequence[str]) -> list[Entry]:
    """Every study in the order in which they were made, with those attributes alone."""

    def read() -> list[Entry]:
        engine = known_tables(storage)
        return through_optuna(storage, keys) if engine is None else from_tables(engine, keys)

    return retried(storage, read, log_of(storage))()


def from_tables(engine: Engine, keys: Sequence[str]) -> list[Entry]:
    """The studies of a database."""
    found: dict[int, dict[str, Any]] = {}
    attrs = select(STUDY_ATTRS).where(STUDY_ATTRS.c.key.in_(keys))
    with engine.connect() as connection:
        names = connection.execute(select(STUDIES).order_by(STUDIES.c.study_id)).all()
        for number, key, text in connection.execute(attrs):
            found.setdefault(number, {})[key] = loaded(text)
    return [Entry(number, str(name), found.get(number, {})) for number, name in names]


def loaded(text: Any) -> Any:
    """A value that is stored as JSON; None if it is none."""
    try:
        return json.loads(text)
    except DAMAGE:
        return None


def through_optuna(storage: BaseStorage, keys: Sequence[str]) -> list[Entry]:
    """The same by Optuna's own call."""
    return [
        Entry(
            study_id_of(one),
            one.study_name,
            {key: value for key, value in one.user_attrs.items() if key in keys},
        )
        for one in sorted(storage.get_all_studies(), key=study_id_of)
    ]


def damage_of(storage: BaseStorage, study: Entry) -> str | None:
    """What is wrong with what a storage holds of a study besides its trials; None if nothing is."""
    try:
        storage.get_study_directions(study.id)
        storage.get_study_user_attrs(study.id)
        storage.get_study_system_attrs(study.id)
    except DamagedStudyError as error:
        return error.why
    return None
