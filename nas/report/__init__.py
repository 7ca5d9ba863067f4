"""The report of a study: a page, Markdown and numbers, and figures in the Optuna dashboard."""

import html
import logging
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from nas.defaults import OUT, study_folder
from nas.errors import StudyError

if TYPE_CHECKING:
    from optuna.study import Study

    from nas.report.content import Drawing

__all__ = ["publish", "write_report"]

#: pixels of a figure in the dashboard
PLOT_HEIGHT = 420


def write_report(storage: str, study_name: str | None, out: str | Path = OUT) -> list[Path]:
    """Write the report of a study to `out/<study>/` and show it in the dashboard; what was written.

    StudyError where there is no such study. Without a name it is the newest one.
    """
    from nas.report.assembled import assemble
    from nas.report.content import drawings
    from nas.report.facts import gather

    facts = gather(storage, study_name)
    files, sections = assemble(facts)
    folder = study_folder(out, facts.name)
    folder.mkdir(parents=True, exist_ok=True)
    written = [write(folder / name, text) for name, text in files.items()]
    try_to_publish(facts.study, [one for one in drawings(sections) if one.published], facts.verdict)
    return written


def write(path: Path, text: str) -> Path:
    """Write a file in one go, so that nobody reads half of it; StudyError on a full disk."""
    part = path.with_name(path.name + ".part")
    try:
        part.write_text(text, encoding="utf-8")
        part.replace(path)
    except OSError as error:
        with suppress(OSError):
            part.unlink()
        raise StudyError(
            f"the report {path} cannot be written: {error.strerror}. Make room, or give another "
            "folder with --out DIR, and run `nas report`; the study itself is whole."
        ) from error
    return path


def try_to_publish(study: "Study", drawings: Sequence["Drawing"], verdict: Sequence[str]) -> None:
    """Publish where the storage can be written to; else say so and leave it."""
    from optuna.exceptions import StorageInternalError

    try:
        publish(study, drawings, verdict)
    except (StorageInternalError, StudyError) as error:
        logging.getLogger("nas").warning(
            "the storage cannot be written to, so the dashboard shows no report: %s", error
        )


def publish(study: "Study", drawings: Sequence["Drawing"], verdict: Sequence[str]) -> None:
    """Show figures and verdict in the Optuna dashboard; the verdict is the study's note."""
    import plotly.graph_objects as go
    from optuna_dashboard import save_plotly_graph_object

    from nas.notes import study_note
    from nas.report.markdown import MOST_SENTENCES, escaped, listing, quoted
    from nas.report.style import counted

    for drawing in drawings:
        title = {"text": html.escape(drawing.title), "font": {"size": 14}}
        figure = go.Figure(drawing.figure)
        figure.update_layout(title=title, margin={"t": 80, "b": 20}, height=PLOT_HEIGHT)
        save_plotly_graph_object(study, figure, graph_object_id=f"nas-{drawing.name}")
    head, shown, more = verdict[0], verdict[1 : MOST_SENTENCES + 1], verdict[MOST_SENTENCES + 1 :]
    end = f"{quoted(f'nas report {study.study_name}')} writes the whole report"
    end += f", with {counted(len(more), 'more sentence')}." if more else "."
    study_note(study, "\n\n".join(["## Verdict", f"**{escaped(head)}**", *listing(shown), end]))
