"""Figures and verdict of a report in the Optuna dashboard."""

import html
import logging
from collections.abc import Mapping, Sequence

import plotly.graph_objects as go
from optuna.exceptions import StorageInternalError
from sqlalchemy.exc import IntegrityError

from nas.common.errors import StudyError
from nas.report.data import StudyData
from nas.report.document import Drawing
from nas.report.parameter_names import renamed
from nas.report.style import counted
from nas.report.writers.markdown import MOST_SENTENCES, escaped, listing, quoted
from nas.report.writers.trial_notes import best_trial_notes
from nas.search.beside import BASELINE, TWINS, study_beside
from nas.storage.dashboard import publish

#: the notes of the studies beside a search
BESIDE = {
    TWINS: "These are the **twins** of the search {0}: trainings that differ in one choice, in "
    "pairs. What they say stands in the note of {0}, with the figures.",
    BASELINE: "This is **random search** beside the search {0}, to compare with. The comparison "
    "stands in the report of {0}.",
}
#: pixels of a figure in the dashboard
PLOT_HEIGHT = 420


def try_to_publish(data: StudyData, drawings: Sequence[Drawing]) -> None:
    """Show figures, verdict, which is the study's note, and notes of the best trials in the Optuna
    dashboard; say so if the storage cannot be written to."""
    study = data.study
    try:
        figures = {drawing.name: _titled(drawing) for drawing in drawings}
        text = note(study.study_name, data.verdict, names_of(data))
        publish(study, figures, text, best_trial_notes(data))
        for ending, told in BESIDE.items():
            if beside := study_beside(study, ending):
                publish(beside, {}, told.format(quoted(study.study_name)), {})
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


def names_of(data: StudyData) -> dict[str, str]:
    """Parameter of the search -> what it is called, of those that the report calls otherwise."""
    return renamed(dict.fromkeys(name for row in data.rows for name in row.trial.params))


def note(name: str, verdict: Sequence[str], names: Mapping[str, str]) -> str:
    """The verdict in Markdown, long ones cut, and what parameters are called in it."""
    head, shown, more = verdict[0], verdict[1 : MOST_SENTENCES + 1], verdict[MOST_SENTENCES + 1 :]
    end = f"{quoted(f'nas report {name}')} writes the whole report"
    end += f", with {counted(len(more), 'more sentence')}." if more else "."
    lines = ["## Verdict", f"**{escaped(head)}**", *listing(shown), end]
    return "\n\n".join([*lines, *name_table(names)])


def name_table(names: Mapping[str, str]) -> list[str]:
    """Parameters as the dashboard names them, beside their names in verdict and report."""
    if not names:
        return []
    rows = [f"| {quoted(name)} | {escaped(text)} |" for name, text in names.items()]
    head = "Stages and blocks are numbered from 1 here and in the report, parameters from 0:"
    return ["## Names of parameters", head, "\n".join(["| parameter | is |", "|---|---|", *rows])]
