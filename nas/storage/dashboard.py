"""Notes and figures as optuna-dashboard keeps them: attributes of the study, cut into pieces.

Its own functions read the notes of all trials, twice, for each that is saved.
"""

import json
from collections.abc import Collection, Mapping
from typing import Any

from optuna.study import Study
from sqlalchemy import Engine, delete, insert, or_, select

from nas.storage.handles import storage_of, study_id_of
from nas.storage.retry import with_retry
from nas.storage.tables import STUDY_NOTES, known_tables

#: the longest value of an attribute that the dashboard writes
MOST_CHARACTERS = 2045
#: what the names of the attributes begin with: of the study's note, and of our figures in it
NOTE, FIGURES = "dashboard:note_str:", "dashboard:plot_data:nas-"
VERSION = "dashboard:note_ver"


def note_version(trial_id: int) -> str:
    """The attribute that a trial with a note has."""
    return f"dashboard:{trial_id}:note_ver"


def new_notes(notes: Mapping[int, str], noted: Collection[str]) -> dict[str, Any]:
    """The attributes of a study that are the notes of its trials, but for those that have one: a
    person may have written it.
    """
    found: dict[str, Any] = {}
    for trial_id, text in notes.items():
        if note_version(trial_id) not in noted:
            found |= pieces(text, f"dashboard:{trial_id}:note_str:") | {note_version(trial_id): 1}
    return found


def pieces(text: str, prefix: str) -> dict[str, str]:
    """A long text as several attributes."""
    starts = range(0, len(text), MOST_CHARACTERS)
    return {f"{prefix}{i}": text[at : at + MOST_CHARACTERS] for i, at in enumerate(starts)}


def publish(
    study: Study, figures: Mapping[str, str], note: str, trial_notes: Mapping[int, str]
) -> None:
    """Show figures (name -> Plotly's JSON) and a note with the study, in the place of those shown
    before, and notes of trials, by id, that have none. StudyError if the storage cannot be written
    to."""
    shown: dict[str, Any] = pieces(note, NOTE)
    for name, text in figures.items():
        shown |= pieces(text, f"{FIGURES}{name}:")

    def write() -> None:
        engine = known_tables(study)
        if engine is None:
            write_one_by_one(study, shown, trial_notes)
        else:
            write_at_once(engine, study_id_of(study), shown, trial_notes)

    with_retry(write, timeout=0.0)()


def write_at_once(
    engine: Engine, study_id: int, shown: Mapping[str, Any], trial_notes: Mapping[int, str]
) -> None:
    """All in one transaction, of which nothing is left if it fails."""
    key, value = STUDY_NOTES.c.key, STUDY_NOTES.c.value_json
    own, version = STUDY_NOTES.c.study_id == study_id, key == VERSION
    old = or_(*(key.startswith(prefix, autoescape=True) for prefix in (FIGURES, NOTE)))
    with engine.begin() as connection:
        known = connection.execute(select(value).where(own & version)).scalar()
        versions = key.in_(list(map(note_version, trial_notes)))
        noted = connection.execute(select(key).where(own & versions)).scalars().all()
        added = new_notes(trial_notes, noted)
        connection.execute(delete(STUDY_NOTES).where(own & (old | version)))
        rows = [
            {"study_id": study_id, "key": name, "value_json": json.dumps(text)}
            for name, text in {**shown, **added, VERSION: int(known or 0) + 1}.items()
        ]
        connection.execute(insert(STUDY_NOTES), rows)


def write_one_by_one(
    study: Study, shown: Mapping[str, Any], trial_notes: Mapping[int, str]
) -> None:
    """The same by Optuna's own calls, which leave what is old empty."""
    storage, study_id = storage_of(study), study_id_of(study)
    known = storage.get_study_system_attrs(study_id)
    old = {key: "" for key in known if key.startswith((FIGURES, NOTE))}
    new = {**shown, **new_notes(trial_notes, known), VERSION: known.get(VERSION, 0) + 1}
    for key, value in {**old, **new}.items():
        storage.set_study_system_attr(study_id, key, value)
