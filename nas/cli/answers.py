"""The commands that answer for people and for scripts: verdict."""

from typing import Annotated

import typer

from nas.cli.options import Storage, StudyName
from nas.cli.output import ANSWERS, say
from nas.common.paths import STORAGE

AsJSON = Annotated[bool, typer.Option("--json", help="Print JSON for a script.")]


def verdict(study: StudyName = None, storage: Storage = STORAGE, as_json: AsJSON = False) -> None:
    """Answer in a sentence whether shortcuts pay off in a study; the exit status says it too.

    The status is 0 where they pay off, 10 where there is no difference, 11 where it is undecided,
    and 12 where they cost.
    """
    from nas.report.finding import find, finding_json

    name, found = find(storage, study)
    say(finding_json(name, found) if as_json else found.sentence)
    raise typer.Exit(ANSWERS[found.answer])
