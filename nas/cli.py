"""The command line."""

import os
import re
import shlex
import shutil
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from nas.common.errors import SpaceError, UserError
from nas.common.paths import DATA_DIR, OUT, STORAGE
from nas.common.text import printable
from nas.search.options import RayCluster, WorkerOptions

app = typer.Typer(
    name="nas",
    help="Search network architectures and measure where residual connections pay off.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode=None,
)

#: exit statuses, besides 0
MENDABLE, ALL_FAILED, INTERRUPTED = 2, 3, 130

Space = Annotated[
    str, typer.Argument(metavar="SPACE", help="A YAML file, or the name of a bundled space.")
]
StudyName = Annotated[
    str | None, typer.Argument(metavar="[STUDY]", help="A study; the newest one if left out.")
]
Imports = Annotated[
    list[str] | None,
    typer.Option(
        "--import", metavar="MODULE", help="Import a module that registers parts of your own."
    ),
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", help="Change a key of the space, as in training.epochs=3."
    ),
]
Storage = Annotated[
    str,
    typer.Option(envvar="NAS_STORAGE", metavar="URL", help="Where studies are kept."),
]
DataDir = Annotated[
    Path,
    typer.Option(
        envvar="NAS_DATA_DIR", metavar="DIR", help="Where data sets are looked up and kept."
    ),
]
Out = Annotated[Path, typer.Option(metavar="DIR", help="Where weights and reports go.")]
Timeout = Annotated[
    str | None, typer.Option(metavar="TIME", help="Stop after this time: 90s, 20m, 2h.")
]
Workers = Annotated[
    int | None,
    typer.Option(
        min=0, help="Worker processes of this machine; default: one for each GPU, else each core."
    ),
]
WorkersPerGPU = Annotated[
    int, typer.Option(min=1, metavar="N", help="Workers that share a GPU, where there are some.")
]
Ray = Annotated[
    str | None,
    typer.Option(
        "--ray",
        metavar="[ADDRESS]",
        help="Have Ray place the workers: HOST:PORT of a cluster's head, auto for the cluster of "
        "this machine; without an address one is started here. Needs the extra `ray`.",
    ),
]
CPUsPerWorker = Annotated[
    float, typer.Option(min=0.01, metavar="N", help="Cores of each worker that Ray places.")
]
GPUsPerWorker = Annotated[
    float, typer.Option(min=0, metavar="N", help="GPUs of each such worker; 0.5 is half of one.")
]


class WithRay(typer.core.TyperCommand):
    """A command whose --ray may stand without an address."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the address in where none follows."""
        pairs = zip(args, [*args[1:], "-"], strict=False)
        bare = [word == "--ray" and after.startswith("-") for word, after in pairs]
        given = [f"{word}=local" if one else word for word, one in zip(args, bare, strict=True)]
        return super().parse_args(ctx, given)


Trust = Annotated[
    bool,
    typer.Option("--trust", help="Run the class_path of a study that was made elsewhere."),
]


def example(text: str) -> str:
    """The end of a help text."""
    return f"\b\nExample:\n  {text}"


def say(text: str) -> None:
    """A line on standard output."""
    typer.echo(printable(text))


def import_modules(imports: list[str] | None) -> None:
    """Import the plugins of the command line."""
    from nas.common.plugins import import_plugins

    import_plugins(imports or [])


def load_space(name: str, settings: list[str] | None, imports: list[str] | None) -> Any:
    """The space of a file or bundled name; says which was used where it is a bundled one."""
    from nas.space.space import SearchSpace, find

    path, bundled = find(name)
    if bundled:
        typer.echo(f"Using the bundled space {path.stem!r} ({path}).", err=True)
    return SearchSpace.load(name, settings or [], imports or [])


@app.command(epilog=example("nas init . && $EDITOR spaces/cifar.yaml"))
def init(
    folder: Annotated[
        Path, typer.Argument(metavar="[DIR]", help="Where to put the folder `spaces`.")
    ] = Path(),
) -> None:
    """Write the bundled search spaces to DIR/spaces for editing; files that exist are kept."""
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


@app.command(epilog=example("nas check cifar --cost"))
def check(
    space: Space,
    settings: Settings = None,
    imports: Imports = None,
    cost: Annotated[
        bool, typer.Option("--cost", help="Add sizes, and the time of the search and of its twins.")
    ] = False,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Validate a space without training; print what is searched and how much there is."""
    from nas.data.survey import survey_lines
    from nas.space.errors import placed

    loaded = load_space(space, settings, imports)
    with placed(loaded.source, ("dataset", "path")):
        pictures = survey_lines(loaded.dataset, data_dir, loaded.largest_batch)
    rows = [(name, str(values)) for name, values in loaded.parameters().items()]
    width = max((len(name) for name, _ in rows), default=0)
    for name, values in rows:
        say(f"  {name:<{width}}  {values}")
    count, exact = loaded.num_architectures()
    number = (
        "infinitely many"
        if count == float("inf")
        else f"{'' if exact else 'at least '}{count:,.0f}"
    )
    say(f"{loaded.name}: {len(rows)} searched parameters, {number} distinct architectures.")
    for line in pictures:
        say(line)
    if loaded.dataset.class_path:
        say(f"Searched, this space runs code: {loaded.dataset.class_path}. A check does not.")
    if cost:
        from nas.payoff.preview import preview
        from nas.space.estimate import estimate

        for line in [*estimate(loaded, data_dir), *preview(loaded, data_dir)]:
            say(line)


@app.command(cls=WithRay, epilog=example("nas search spaces/cifar.yaml --trials 6 --timeout 15m"))
def search(
    space: Space,
    trials: Annotated[
        int | None, typer.Option(min=1, help="Number of trials in the study.")
    ] = None,
    timeout: Timeout = None,
    workers: Workers = None,
    workers_per_gpu: WorkersPerGPU = 1,
    ray: Ray = None,
    cpus_per_worker: CPUsPerWorker = 1,
    gpus_per_worker: GPUsPerWorker = 0,
    storage: Storage = STORAGE,
    study: Annotated[
        str | None, typer.Option(help="Name of the study; default: the name of the space.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Seed of sampler, weights and batches.")
    ] = None,
    baseline: Annotated[
        str | None,
        typer.Option(help="random: run random search with as many trials, to compare."),
    ] = None,
    settings: Settings = None,
    imports: Imports = None,
    extend: Annotated[
        bool,
        typer.Option(
            "--extend", help="Where the space has changed, go on with the trials that still fit."
        ),
    ] = False,
    data_dir: DataDir = DATA_DIR,
    out: Out = OUT,
    trust: Trust = False,
) -> None:
    """Run the study of a space, or resume it where it stands."""
    from nas.search.run import search as run

    start = time.monotonic()
    given = {"search.seed": seed, "search.baseline": baseline}
    changes = [f"{key}={value}" for key, value in given.items() if value is not None]
    loaded = load_space(space, [*(settings or []), *changes], imports)
    seconds = seconds_of(timeout or loaded.search.timeout)
    options = WorkerOptions(
        storage=storage,
        workers=workers,
        workers_per_gpu=workers_per_gpu,
        cluster=cluster_of(ray, workers, cpus_per_worker, gpus_per_worker),
        data_dir=data_dir,
        out=out,
        trust=trust,
    )
    name = check_study_name(study)
    outcome = run(
        loaded, trials=trials, timeout=seconds, study=name, extend=extend, options=options
    )
    searched = outcome.study
    if loaded.search.baseline and outcome.how == "finished":
        from nas.search.baseline import run_baseline

        outcome = run_baseline(searched, loaded, options, timeout=remaining(seconds, start))
    if loaded.section.payoff and outcome.how == "finished":
        from nas.payoff.run import payoff as twins
        from nas.search.allow_code import code_of

        left, allowed = remaining(seconds, start), code_of(loaded.dataset)
        outcome = twins(searched, loaded.section.payoff, options, timeout=left, allowed=allowed)
    end(outcome, storage, out)


@app.command(epilog=example("nas worker cifar --storage postgresql://user@host/database"))
def worker(
    study: StudyName = None,
    workers: Workers = None,
    workers_per_gpu: WorkersPerGPU = 1,
    timeout: Timeout = None,
    imports: Imports = None,
    storage: Storage = STORAGE,
    data_dir: DataDir = DATA_DIR,
    out: Out = OUT,
    trust: Trust = False,
) -> None:
    """Join a study that was started elsewhere, and leave when it has no trials left to run."""
    import_modules(imports)
    from nas.search.attach import attach

    options = WorkerOptions(
        storage=storage,
        workers=workers,
        workers_per_gpu=workers_per_gpu,
        data_dir=data_dir,
        out=out,
        trust=trust,
    )
    outcome = attach(study, options, timeout=seconds_of(timeout))
    if outcome.how == "interrupted":
        raise typer.Exit(INTERRUPTED)


@app.command(epilog=example("nas status cifar"))
def status(study: StudyName = None, storage: Storage = STORAGE) -> None:
    """Say how far a study is, and what is best so far."""
    from nas.report.status import status_lines

    for line in status_lines(storage, study):
        say(line)


@app.command(epilog=example("nas report cifar"))
def report(
    study: StudyName = None, imports: Imports = None, storage: Storage = STORAGE, out: Out = OUT
) -> None:
    """Write the report of a study as a web page, a table and Markdown."""
    import_modules(imports)
    from nas.report.build import write_report

    for path in write_report(storage, study, out):
        say(f"Wrote {path}")


@app.command(epilog=example("nas dashboard cifar --port 8080"))
def dashboard(
    study: StudyName = None,
    storage: Storage = STORAGE,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 8080,
    expose: Annotated[
        bool, typer.Option("--expose", help="Let others reach it: it has no password.")
    ] = False,
) -> None:
    """Open optuna-dashboard on a study."""
    from nas.report.dashboard import serve

    serve(storage, study, host, port, expose=expose)


@app.command(epilog=example("nas export cifar --seeds 3 --output best.py"))
def export(
    study: StudyName = None,
    trial: Annotated[
        int | None, typer.Option(min=0, help="A trial; default: the best one.")
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Trainings the accuracy is measured over.")] = 3,
    no_train: Annotated[
        bool, typer.Option("--no-train", help="Take the weights the search found.")
    ] = False,
    output: Annotated[
        Path, typer.Option(metavar="FILE", help="The Python module to write.")
    ] = Path("best.py"),
    imports: Imports = None,
    storage: Storage = STORAGE,
    data_dir: DataDir = DATA_DIR,
    out: Out = OUT,
    trust: Trust = False,
) -> None:
    """Train the best architecture on training and validation split, and write it as a module."""
    from nas.export.retrain import export as run
    from nas.search.study import load_study
    from nas.storage.open import open_storage

    import_modules(imports)
    opened = load_study(open_storage(storage), study)
    run(
        opened,
        trial=trial,
        seeds=seeds,
        train=not no_train,
        output=output,
        data_dir=data_dir,
        out=out,
        trust=trust,
        say=say,
    )


@app.command(cls=WithRay, epilog=example("nas payoff cifar_small --seeds 6 --depths 1,3,5,9"))
def payoff(
    study: StudyName = None,
    top: Annotated[int | None, typer.Option(min=0, help="Best candidates to take.")] = None,
    seeds: Annotated[int | None, typer.Option(min=1, help="Pairs of each comparison.")] = None,
    depths: Annotated[
        str | None, typer.Option(metavar="N,N,…", help="Blocks in every stage.")
    ] = None,
    vary: Annotated[
        str | None, typer.Option(help="shortcut, transition, activation_order or block.")
    ] = None,
    timeout: Timeout = None,
    workers: Workers = None,
    workers_per_gpu: WorkersPerGPU = 1,
    ray: Ray = None,
    cpus_per_worker: CPUsPerWorker = 1,
    gpus_per_worker: GPUsPerWorker = 0,
    imports: Imports = None,
    storage: Storage = STORAGE,
    data_dir: DataDir = DATA_DIR,
    out: Out = OUT,
    trust: Trust = False,
) -> None:
    """Train twins that differ in one choice, or resume them, and say where shortcuts pay off."""
    from nas.payoff.run import payoff as run
    from nas.payoff.run import settings_of
    from nas.search.allow_code import allow_plugins
    from nas.search.study import load_study
    from nas.storage.open import open_storage

    import_modules(imports)
    opened = load_study(open_storage(storage), study)
    allow_plugins(opened, trust, say)
    settings = settings_of(opened, {"top": top, "seeds": seeds, "depths": depths, "vary": vary})
    options = WorkerOptions(
        storage=storage,
        workers=workers,
        workers_per_gpu=workers_per_gpu,
        cluster=cluster_of(ray, workers, cpus_per_worker, gpus_per_worker),
        data_dir=data_dir,
        out=out,
        trust=trust,
    )
    outcome = run(opened, settings, options, timeout=seconds_of(timeout))
    end(outcome, storage, out)


@app.command(epilog=example("nas schema > spaces/schema.json"))
def schema(
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print a page of all keys to read, in its place.")
    ] = False,
    imports: Imports = None,
) -> None:
    """Print the JSON Schema of a search space, for completion in editors."""
    import_modules(imports)
    if markdown:
        from nas.space.reference import reference_text

        typer.echo(reference_text(), nl=False)
    else:
        from nas.space.json_schema import schema_text

        say(schema_text())


def end(outcome: Any, storage: str, out: Path) -> None:
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


def cluster_of(
    address: str | None, workers: int | None, cpus: float, gpus: float
) -> RayCluster | None:
    """Where Ray places the workers and what each takes; None without --ray."""
    if address is None:
        return None
    return RayCluster(address=address, workers=workers, cpus=cpus, gpus=gpus)


def remaining(seconds: float | None, start: float) -> float | None:
    """Seconds left of a timeout, at least one."""
    return None if seconds is None else max(1.0, seconds - (time.monotonic() - start))


def seconds_of(text: str | None) -> float | None:
    """The seconds of a --timeout, if there is one."""
    from nas.common.text import seconds_of as parse

    try:
        return None if text is None else parse(text)
    except ValueError as error:
        raise SpaceError(f"--timeout {text}: {error}") from error


def check_study_name(name: str | None) -> str | None:
    """A study's name becomes a folder: letters, digits, dots, dashes and underscores."""
    if name is not None and not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", name):
        raise SpaceError(
            f"--study {name!r}: use letters, digits, dots, dashes and underscores, 64 at most."
        )
    return name


def main() -> None:
    """Run the command line; faults the user can mend are sentences and exit status 2."""
    try:
        app()
    except KeyboardInterrupt:
        typer.echo("Interrupted.", err=True)
        raise SystemExit(INTERRUPTED) from None
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    except UserError as error:
        typer.echo(printable(f"nas: {error}"), err=True)
        raise SystemExit(MENDABLE) from None
    except OSError as error:
        if error.filename is None:
            raise
        typer.echo(printable(f"nas: {error.filename}: {error.strerror}."), err=True)
        raise SystemExit(MENDABLE) from None
