"""The commands for the studies of a storage: list, show, delete."""

import sys
from typing import Annotated

import typer

from nas.cli.options import Out, Storage, StudyName
from nas.cli.output import say
from nas.common.errors import StudyError
from nas.common.paths import OUT, STORAGE


def list_studies(storage: Storage = STORAGE) -> None:
    """List the studies of a storage: name, trials, state and last change, the newest first.

    The random search and the twins of a study stand under it. Other commands take the newest study
    where none is named.
    """
    from nas.report.studies import study_lines

    for line in study_lines(storage):
        say(line)


def show(
    trial: Annotated[int, typer.Argument(min=0, metavar="TRIAL", help="The number of a trial.")],
    study: StudyName = None,
    storage: Storage = STORAGE,
) -> None:
    """Show a trial: its architecture, settings and numbers, and how to export it.

    Of a study of twins, as `nas list` names it, it shows a twin.
    """
    from nas.report.trial_text import trial_lines

    for line in trial_lines(storage, study, trial):
        say(line)


def delete(
    study: Annotated[str, typer.Argument(metavar="STUDY", help="The name of a study.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    storage: Storage = STORAGE,
    out: Out = OUT,
) -> None:
    """Delete a study with its twins, its random search, its weights and its report.

    It asks first. Of the folder of the study what nas wrote there is removed, and nothing else.
    """
    from nas.report.deletion import delete_study, deleted

    what = deleted(storage, study, out)
    for line in what.lines:
        say(line)
    if not yes and not _confirmed(study):
        say("Nothing was deleted.")
        return
    delete_study(storage, what)
    say(f"Deleted {study}.")


def _confirmed(study: str) -> bool:
    """What the user answers; StudyError where nobody can be asked."""
    if not sys.stdin.isatty():
        raise StudyError(f"nobody can be asked here: add --yes to delete {study!r}.")
    return typer.confirm("Delete all of this?")
