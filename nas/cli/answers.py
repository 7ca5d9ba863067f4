"""The commands that answer for people and for scripts: verdict, compare, analyse."""

from typing import Annotated

import typer

from nas.cli.options import Out, Storage, StudyName
from nas.cli.output import ANSWERS, say
from nas.common.paths import OUT, STORAGE

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


def compare(
    first: Annotated[str, typer.Argument(metavar="STUDY", help="What the other is compared with.")],
    second: Annotated[str, typer.Argument(metavar="STUDY", help="Is this one better?")],
    smallest_effect: Annotated[
        float, typer.Option(min=0, help="The smallest difference of interest.")
    ] = 0.0,
    storage: Storage = STORAGE,
    out: Out = OUT,
    as_json: AsJSON = False,
) -> None:
    """Compare two studies: is the second better? The exit status says it too.

    Trials of one candidate and one seed are compared as pairs, and else what was drawn at random
    as two distributions. The statuses are those of `nas verdict`. A report is written, unless
    --json is given.
    """
    from nas.search.study import load_study
    from nas.storage.open import open_storage
    from nas.tables.compared import compared
    from nas.tables.two_studies_text import as_text

    backend = open_storage(storage)
    studies = load_study(backend, first), load_study(backend, second)
    one = compared(*studies, smallest_effect=smallest_effect)
    status = ANSWERS[one.found.answer]
    if as_json:
        say(as_text(one.found, one.gains))
        raise typer.Exit(status)
    from nas.tables.two_studies_report import write_comparison

    page, *_ = write_comparison(one, out)
    for line in (*one.verdict, f"Report: {page}"):
        say(line)
    raise typer.Exit(status)


def column(text: str) -> typer.models.OptionInfo:
    """An option that takes the name of a column."""
    option: typer.models.OptionInfo = typer.Option(metavar="COLUMN", help=text)
    return option


def analyse(
    table: Annotated[
        str,
        typer.Argument(
            metavar="TABLE",
            help="CSV (.gz, .xz, .bz2), Parquet, or the URL of a storage with Optuna studies.",
        ),
    ],
    vary: Annotated[str, column("What is compared: two values or a few.")],
    value: Annotated[str, column("What it is compared in: numbers.")],
    match: Annotated[
        str | None,
        typer.Option(
            metavar="COL,COL,…",
            help="What both rows of a pair agree in; default: all columns without another part.",
        ),
    ] = None,
    seed: Annotated[str | None, column("Repetitions: rows of one seed are paired.")] = None,
    cluster: Annotated[
        str | None, column("What belongs together: means of clusters are the units.")
    ] = None,
    by: Annotated[str | None, column("Compare within each of its values.")] = None,
    reference: Annotated[
        str | None,
        typer.Option(
            metavar="VALUE",
            help="What the others stand against; default: none, false or 0, else the first.",
        ),
    ] = None,
    smallest_effect: Annotated[
        float, typer.Option(min=0, help="The smallest difference of interest.")
    ] = 0.0,
    trains_above: Annotated[
        float | None, typer.Option(help="A run trains if its value is above this.")
    ] = None,
    trains_below: Annotated[
        float | None, typer.Option(help="A run trains if its value is below this.")
    ] = None,
    study: Annotated[str | None, typer.Option(help="The study of a storage.")] = None,
    out: Out = OUT,
) -> None:
    """Compare matched pairs in anybody's table, and write a report.

    Rows that agree in the columns of --match are a pair or a set; the gain of each value over the
    reference is told with its interval. The report goes into a folder of the table's name.
    """
    from nas.tables.analysis import analyse as analyse_table
    from nas.tables.pairs import Question
    from nas.tables.read import read_table
    from nas.tables.report import write_analysis
    from nas.tables.text import verdict as sentences

    asked = Question(
        vary=vary,
        value=value,
        match=None if match is None else tuple(filter(None, map(str.strip, match.split(",")))),
        seed=seed,
        cluster=cluster,
        by=by,
        reference=reference,
        smallest_effect=smallest_effect,
        trains_above=trains_above,
        trains_below=trains_below,
    )
    read = read_table(table, study)
    found = analyse_table(read, asked)
    for line in sentences(found):
        say(line)
    for path in write_analysis(found, read.name, out):
        if path.suffix == ".html":
            say(f"Report: {path}")
