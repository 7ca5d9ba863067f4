"""The commands that look and train nothing: init, check, status, report, dashboard, schema."""

import shlex
import shutil
from pathlib import Path
from typing import Annotated

import typer

from nas.cli.options import DataDir, Device, Imports, Out, Settings, Space, Storage, StudyName
from nas.cli.output import import_modules, load_space, say
from nas.common.paths import DATA_DIR, OUT, STORAGE


def init(
    folder: Annotated[
        Path, typer.Argument(metavar="[DIR]", help="Where to put the folder `spaces`.")
    ] = Path(),
) -> None:
    """Write the bundled search spaces to DIR/spaces for editing; files that exist are kept.

    A JSON Schema is put beside them, by which editors complete and check keys.
    """
    from nas.space.json_schema import schema_text
    from nas.space.space import bundled_spaces

    target = folder / "spaces"
    target.mkdir(parents=True, exist_ok=True)
    written = 0
    for path in bundled_spaces().values():
        if not (target / path.name).exists():
            shutil.copyfile(path, target / path.name)
            written += 1
    (target / "schema.json").write_text(schema_text(), encoding="utf-8")
    say(f"Wrote {written} spaces and schema.json to {target}.")
    say(f"Next: nas check {shlex.quote(str(target / 'digits.yaml'))}")


def check(
    space: Space,
    settings: Settings = None,
    imports: Imports = None,
    cost: Annotated[
        bool, typer.Option("--cost", help="Add sizes, and the time of the search and of its twins.")
    ] = False,
    device: Device = "auto",
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Validate a space without training; print what is searched and how much there is.

    Every fault is told with its file, line and column. With --cost a few training steps are timed
    on this machine, on a GPU if that is the device.
    """
    from nas.data.survey import survey_lines
    from nas.space.errors import placed

    loaded = load_space(space, settings, imports)
    with placed(loaded.source, ("dataset", "path")):
        pictures = survey_lines(loaded.dataset, data_dir, loaded.largest_batch)
    rows = [(name, str(values)) for name, values in loaded.parameters().items()]
    width = max((len(name) for name, _ in rows), default=0)
    for name, values in rows:
        say(f"  {name:<{width}}  {values}")
    say(f"{loaded.summary()}.")
    for line in pictures:
        say(line)
    code = sorted(class_path for class_path, _ in loaded.code)
    if code:
        say(f"Searched, this space runs code: {', '.join(code)}. A check does not.")
    if cost:
        from nas.common.devices import device_of
        from nas.payoff.preview import cost_lines

        for line in cost_lines(loaded, data_dir, device_of(device)):
            say(line)


def status(study: StudyName = None, storage: Storage = STORAGE) -> None:
    """Say how far a study is, and what is best so far.

    The counts are those of the report, those of its random search and its twins among them.
    """
    from nas.report.status import status_lines

    for line in status_lines(storage, study):
        say(line)


def report(
    study: StudyName = None, imports: Imports = None, storage: Storage = STORAGE, out: Out = OUT
) -> None:
    """Write the report of a study as a web page, a table and Markdown.

    The files are report.html, report.md, trials.csv and payoff.json, in a folder of the study's
    name; the figures go into the dashboard too. A study that is not finished has a report as well.
    """
    import_modules(imports)
    from nas.report.build import write_report

    for path in write_report(storage, study, out):
        say(f"Wrote {path}")


def dashboard(
    study: StudyName = None,
    storage: Storage = STORAGE,
    host: Annotated[
        str, typer.Option(metavar="ADDRESS", help="Address to listen on.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=1, max=65535, metavar="N", help="Port to listen on.")
    ] = 8080,
    expose: Annotated[
        bool, typer.Option("--expose", help="Let others reach it: it has no password.")
    ] = False,
) -> None:
    """Open optuna-dashboard on a study.

    It runs until Ctrl-C, and answers on this machine alone unless --expose is given.
    """
    from nas.report.dashboard import serve

    serve(storage, study, host, port, expose=expose)


def schema(
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print a page of all keys to read, in its place.")
    ] = False,
    payoff: Annotated[
        bool, typer.Option("--payoff", help="Print that of payoff.json, in its place.")
    ] = False,
    imports: Imports = None,
) -> None:
    """Print the JSON Schema of a search space, for completion in editors.

    With --import the parts that a module registers are in it too.
    """
    import_modules(imports)
    if payoff:
        from nas.report.payoff_schema import schema_text as payoff_schema_text

        say(payoff_schema_text())
        return
    if markdown:
        from nas.space.reference import reference_text

        typer.echo(reference_text(), nl=False)
    else:
        from nas.space.json_schema import schema_text

        say(schema_text())
