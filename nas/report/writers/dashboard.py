"""Figures and verdict of a report in the Optuna dashboard."""

import html
import logging
from collections.abc import Sequence

import plotly.graph_objects as go
from optuna.exceptions import StorageInternalError
from sqlalchemy.exc import IntegrityError

from nas.common.errors import StudyError
from nas.report.data import StudyData
from nas.report.document import Drawing
from nas.report.style import counted
from nas.report.writers.markdown import MOST_SENTENCES, escaped, listing, quoted
from nas.report.writers.trial_notes import best_trial_notes
from nas.storage.dashboard import publish

#: pixels of a figure in the dashboard
PLOT_HEIGHT = 420


def try_to_publish(data: StudyData, drawings: Sequence[Drawing]) -> None:
    """Show figures, verdict, which is the study's note, and notes of the best trials in the Optuna
    dashboard; say so if the storage cannot be written to."""
    study = data.study
    try:
        figures = {drawing.name: _titled(drawing) for drawing in drawings}
        publish(study, figures, note(study.study_name, data.verdict), best_trial_notes(data))
    except (StorageInternalError, StudyError, IntegrityError) as error:  # the last: another report
        logging.getLogger("nas").warning(
            "the storage cannot be written to, so the dashboard shows no report: %s", error
        )


def _titled(drawing: Drawing) -> str:
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
