"""What the commands print, load and end with."""

import shlex
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from nas.common.text import folded, printable

if TYPE_CHECKING:
    from nas.search.coordinator import Outcome
    from nas.space.space import SearchSpace

#: exit statuses, besides 0
MENDABLE, ALL_FAILED, INTERRUPTED = 2, 3, 130
#: those of an answer: none of them is that of a fault
ANSWERS = {"pays": 0, "no difference": 10, "undecided": 11, "costs": 12}


def say(text: str) -> None:
    """A line on standard output; in a terminal no wider than that."""
    text = printable(text)
    typer.echo(folded(text, shutil.get_terminal_size().columns) if sys.stdout.isatty() else text)


def import_modules(imports: list[str] | None) -> None:
    """Import the plugins of the command line."""
    from nas.common.plugins import import_plugins

    import_plugins(imports or [])


def load_space(name: str, settings: list[str] | None, imports: list[str] | None) -> "SearchSpace":
    """The space of a file or bundled name; says which was used where it is a bundled one."""
    from nas.space.space import SearchSpace, find

    path, bundled = find(name)
    if bundled:
        typer.echo(f"Using the bundled space {path.stem!r} ({path}).", err=True)
    return SearchSpace.load(name, settings or [], imports or [])


def end(outcome: "Outcome", storage: str, out: Path) -> None:
    """Say how a search or its twins ended, and write the report; status 130 after Ctrl-C, and 3 if
    every trial failed."""
    from nas.report.build import write_report
    from nas.report.status import all_failed, finished, searched

    for line in finished(outcome, storage, resume=resume_command(storage)):
        say(line)
    if outcome.how == "interrupted":
        raise typer.Exit(INTERRUPTED)
    for path in write_report(storage, searched(outcome), out):
        if path.suffix == ".html":
            say(f"Report: {path}")
    if all_failed(outcome):
        raise typer.Exit(ALL_FAILED)


def resume_command(storage: str) -> str:
    """The command line as it was given, without a password in it."""
    from nas.storage.url import hidden

    given = [argument.replace(storage, hidden(storage)) for argument in sys.argv[1:]]
    return shlex.join(["nas", *given])
