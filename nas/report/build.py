"""The report of a study: a page, Markdown and numbers, and figures in the Optuna dashboard."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nas.common.errors import StudyError
from nas.common.files import write_text
from nas.common.paths import OUT, study_folder

__all__ = ["write_report"]


def write_report(storage: str, study_name: str | None, out: str | Path = OUT) -> list[Path]:
    """Write the report of a study to its folder and show it in the dashboard; what was written.

    StudyError where there is no such study. Without a name it is the newest one.
    """
    from nas.report.assemble import assemble
    from nas.report.data import gather
    from nas.report.document import drawings
    from nas.report.writers.dashboard import try_to_publish
    from nas.search.beside import folder_name

    with _uncollected():
        data = gather(storage, study_name)
        files, sections = assemble(data)
        folder = study_folder(out, folder_name(data.study))
        folder.mkdir(parents=True, exist_ok=True)
        written = [write(folder / name, text) for name, text in files.items()]
        shown = [one for one in drawings(sections) if one.published]
        try_to_publish(data, shown)
    return written


@contextmanager
def _uncollected() -> Iterator[None]:
    """Python looks for no garbage: all that is read stays until the end, and every look at it
    would go over all of it.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def write(path: Path, text: str) -> Path:
    """Write a file as a whole or not at all; StudyError on a full disk."""
    try:
        write_text(path, text)
    except OSError as error:
        raise StudyError(
            f"the report {path} cannot be written: {error.strerror}. Make room, or give another "
            "folder with --out DIR, and run `nas report`; the study itself is whole."
        ) from error
    return path
