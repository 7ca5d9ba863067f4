"""Figures and verdict of a report in the Optuna dashboard."""

import html
import json
import logging
from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go
from optuna.exceptions import StorageInternalError
from optuna.storages._rdb import models
from optuna.study import Study
from optuna_dashboard._custom_plot_data import SYSTEM_ATTR_PLOT_DATA, split_plot_data
from optuna_dashboard._note import note_str_key_prefix, note_ver_key, split_body
from sqlalchemy import Engine, delete, insert, or_, select
from sqlalchemy.exc import IntegrityError

from nas.common.errors import StudyError
from nas.report.document import Drawing
from nas.report.style import counted
from nas.report.writers.markdown import MOST_SENTENCES, escaped, listing, quoted
from nas.storage.handles import engine_of, storage_of, study_id_of
from nas.storage.retry import with_retry

#: pixels of a figure in the dashboard
PLOT_HEIGHT = 420
FIGURES, NOTE, VERSION = (
    f"{SYSTEM_ATTR_PLOT_DATA}nas-",
    note_str_key_prefix(None),
    note_ver_key(None),
)


def try_to_publish(study: Study, drawings: Sequence[Drawing], verdict: Sequence[str]) -> None:
    """Publish where the storage can be written to; else say so and leave it."""
    try:
        publish(study, drawings, verdict)
    except (StorageInternalError, StudyError, IntegrityError) as error:  # the last: another report
        logging.getLogger("nas").warning(
            "the storage cannot be written to, so the dashboard shows no report: %s", error
        )


def publish(study: Study, drawings: Sequence[Drawing], verdict: Sequence[str]) -> None:
    """Show figures and verdict in the Optuna dashboard; the verdict is the study's note.

    `optuna_dashboard` saves each by reading the notes of all trials.
    """
    shown: dict[str, Any] = dict(split_body(note(study.study_name, verdict), None))
    for drawing in drawings:
        shown |= split_plot_data(titled(drawing), f"{FIGURES}{drawing.name}:")
    engine = engine_of(storage_of(study))
    if engine is None:
        write_one_by_one(study, shown)
    else:
        with_retry(write_at_once, timeout=0.0)(engine, study_id_of(study), shown)


def titled(drawing: Drawing) -> str:
    """A figure with its title, as JSON."""
    title = {"text": html.escape(drawing.title), "font": {"size": 14}}
    figure = go.Figure(drawing.figure)
    figure.update_layout(title=title, margin={"t": 80, "b": 20}, height=PLOT_HEIGHT)
    return str(figure.to_json())


def note(name: str, verdict: Sequence[str]) -> str:
    """The verdict in Markdown, long ones cut."""
    head, shown, more = verdict[0], verdict[1 : MOST_SENTENCES + 1], verdict[MOST_SENTENCES + 1 :]
    end = f"{quoted(f'nas report {name}')} writes the whole report"
    end += f", with {counted(len(more), 'more sentence')}." if more else "."
    return "\n\n".join(["## Verdict", f"**{escaped(head)}**", *listing(shown), end])


def write_at_once(engine: Engine, study_id: int, shown: Mapping[str, Any]) -> None:
    """Replace what an earlier report published; one try, nothing of it is left where it fails."""
    table = models.StudySystemAttributeModel.__table__
    own, version = table.c.study_id == study_id, table.c.key == VERSION
    old = or_(*(table.c.key.startswith(prefix, autoescape=True) for prefix in (FIGURES, NOTE)))
    with engine.begin() as connection:
        known = connection.execute(select(table.c.value_json).where(own & version)).scalar()
        connection.execute(delete(table).where(own & (old | version)))
        rows = [
            {"study_id": study_id, "key": key, "value_json": json.dumps(value)}
            for key, value in {**shown, VERSION: int(known or 0) + 1}.items()
        ]
        connection.execute(insert(table), rows)


def write_one_by_one(study: Study, shown: Mapping[str, Any]) -> None:
    """The same in memory, where what is old is left empty."""
    storage, study_id = storage_of(study), study_id_of(study)
    known = storage.get_study_system_attrs(study_id)
    old = {key: "" for key in known if key.startswith((FIGURES, NOTE))}
    for key, value in {**old, **shown, VERSION: known.get(VERSION, 0) + 1}.items():
        storage.set_study_system_attr(study_id, key, value)
