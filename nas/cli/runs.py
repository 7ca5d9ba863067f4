"""The commands that train: search, worker, payoff, export."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nas.cli.costs import say_cost, settings_for
from nas.cli.options import (
    Baseline,
    Budget,
    CPUsPerWorker,
    DataDir,
    Depths,
    Device,
    Extend,
    GPUsPerWorker,
    Imports,
    MaxPairs,
    MaxTime,
    NewStudyName,
    NumPairs,
    NumTrials,
    Out,
    PlanOnly,
    Ray,
    Seed,
    Settings,
    Space,
    Storage,
    StudyName,
    Timeout,
    Top,
    Trust,
    UntilWhen,
    Vary,
    Workers,
    WorkersPerGPU,
    check_study_name,
    cluster_of,
    seconds_of,
)
from nas.cli.output import INTERRUPTED, end, import_modules, load_space, say
from nas.common.paths import DATA_DIR, OUT, STORAGE
from nas.common.text import duration
from nas.common.text import seconds_of as parse_seconds
from nas.search.options import WorkerOptions

if TYPE_CHECKING:
    from nas.search.coordinator import Outcome
    from nas.space.space import SearchSpace


def search(
    space: Space,
    trials: NumTrials = None,
    timeout: Timeout = None,
    budget: Budget = None,
    workers: Workers = None,
    workers_per_gpu: WorkersPerGPU = None,
    device: Device = "auto",
    ray: Ray = None,
    cpus_per_worker: CPUsPerWorker = 1,
    gpus_per_worker: GPUsPerWorker = 0,
    storage: Storage = STORAGE,
    study: NewStudyName = None,
    seed: Seed = None,
    baseline: Baseline = None,
    settings: Settings = None,
    imports: Imports = None,
    extend: Extend = False,
    data_dir: DataDir = DATA_DIR,
    out: Out = OUT,
    trust: Trust = False,
) -> None:
    """Run the study of a space, or resume it where it stands.

    Candidates are drawn, trained by worker processes and kept in the storage; then come random
    search (--baseline) and the twins, if the space has a `payoff:` section, and the report. Ctrl-C
    ends it and loses nothing that finished: the same line resumes it.
    """
    given = {"search.seed": seed, "search.baseline": baseline and baseline.value}
    changes = [f"{key}={value}" for key, value in given.items() if value is not None]
    changes = [*(settings or []), *changes]
    options = WorkerOptions(
        storage=storage,
        workers=workers,
        workers_per_gpu=workers_per_gpu,
        device=device,
        cluster=cluster_of(ray, workers, cpus_per_worker, gpus_per_worker),
        data_dir=data_dir,
        out=out,
        trust=trust,
    )
    name, seconds = check_study_name(study), seconds_of(timeout)
    if budget:
        changes += settings_for(budget, space, changes, imports, options, name, trials)
    loaded = load_space(space, changes, imports)
    if not budget:
        say_cost(space, changes, imports, options, name, trials)
    outcome = _search_and_beside(loaded, options, trials, seconds or loaded.timeout, name, extend)
    end(outcome, storage, out)


def _search_and_beside(
    space: "SearchSpace",
    options: WorkerOptions,
    trials: int | None,
    timeout: float | None,
    study: str | None,
    extend: bool,
) -> "Outcome":
    """Run a search, then its random baseline and its twins if the space asks for them."""
    from nas.api.runs import beside
    from nas.search.run import search as run

    start = time.monotonic()
    outcome = run(
        space, trials=trials, timeout=timeout, study=study, extend=extend, options=options
    )
    took = time.monotonic() - start
    left = None if timeout is None else max(1.0, timeout - took)
    budget = space.search.budget
    room = parse_seconds(budget) - took if budget else None
    outcome = beside(outcome, space, options, timeout=left, budget=room)
    if budget and outcome.how == "finished":
        took = time.monotonic() - start
        say(f"Search and twins took {duration(took)} of a budget of {budget}.")
    return outcome


def worker(
    study: StudyName = None,
    workers: Workers = None,
    workers_per_gpu: WorkersPerGPU = None,
    device: Device = "auto",
    timeout: Timeout = None,
    imports: Imports = None,
    storage: Storage = STORAGE,
    data_dir: DataDir = DATA_DIR,
    out: Out = OUT,
    trust: Trust = False,
) -> None:
    """Join a study that was started elsewhere, and leave when it has no trials left to run.

    Any number of machines may join, given the same storage; the process that started the study may
    be gone. Trials of a worker that dies are run again by another one.
    """
    import_modules(imports)
    from nas.search.attach import attach

    options = WorkerOptions(
        storage=storage,
        workers=workers,
        workers_per_gpu=workers_per_gpu,
        device=device,
        data_dir=data_dir,
        out=out,
        trust=trust,
    )
    outcome = attach(study, options, timeout=seconds_of(timeout))
    if outcome.how == "interrupted":
        raise typer.Exit(INTERRUPTED)


def payoff(
    study: StudyName = None,
    top: Top = None,
    seeds: NumPairs = None,
    until: UntilWhen = None,
    max_seeds: MaxPairs = None,
    depths: Depths = None,
    vary: Vary = None,
    timeout: MaxTime = None,
    plan: PlanOnly = False,
    workers: Workers = None,
    workers_per_gpu: WorkersPerGPU = None,
    device: Device = "auto",
    ray: Ray = None,
    cpus_per_worker: CPUsPerWorker = 1,
    gpus_per_worker: GPUsPerWorker = 0,
    imports: Imports = None,
    storage: Storage = STORAGE,
    data_dir: DataDir = DATA_DIR,
    out: Out = OUT,
    trust: Trust = False,
) -> None:
    """Train twins that differ in one choice, or resume them, and say where shortcuts pay off.

    Twins have the same initial weights and see the same batches; they are compared seed by seed.
    What is left out stands in the `payoff:` section of the space. What is asked for after the first
    twin has finished is trained too, and shown apart.
    """
    from nas.payoff.run import payoff as run
    from nas.payoff.run import plan_lines, settings_of
    from nas.search.allow_code import allow_plugins
    from nas.search.study import load_own_study
    from nas.storage.open import open_storage

    import_modules(imports)
    opened = load_own_study(open_storage(storage), study)
    allow_plugins(opened, trust, say)
    settings = settings_of(
        opened,
        {
            "top": top,
            "seeds": seeds,
            "until": until and until.value,
            "max_seeds": max_seeds,
            "depths": depths,
            "vary": vary and vary.value,
        },
    )
    options = WorkerOptions(
        storage=storage,
        workers=workers,
        workers_per_gpu=workers_per_gpu,
        device=device,
        cluster=cluster_of(ray, workers, cpus_per_worker, gpus_per_worker),
        data_dir=data_dir,
        out=out,
        trust=trust,
    )
    if plan:
        for line in plan_lines(opened, settings, workers):
            say(line)
        return
    outcome = run(opened, settings, options, timeout=seconds_of(timeout))
    end(outcome, storage, out)


def export(
    study: StudyName = None,
    trial: Annotated[
        int | None, typer.Option(min=0, metavar="N", help="A trial; default: the best one.")
    ] = None,
    seeds: Annotated[
        int, typer.Option(min=1, metavar="N", help="Trainings the accuracy is measured over.")
    ] = 3,
    no_train: Annotated[
        bool, typer.Option("--no-train", help="Take the weights the search found.")
    ] = False,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="Train in another way, as in training.epochs=100."
        ),
    ] = None,
    formats: Annotated[
        list[str] | None,
        typer.Option("--format", metavar="FORMAT", help="Write it as onnx or torch_export too."),
    ] = None,
    output: Annotated[
        Path, typer.Option(metavar="FILE", help="The Python module to write.")
    ] = Path("best.py"),
    device: Device = "auto",
    imports: Imports = None,
    storage: Storage = STORAGE,
    data_dir: DataDir = DATA_DIR,
    out: Out = OUT,
    trust: Trust = False,
) -> None:
    """Train the best architecture on training and validation split, and write it as a module.

    Each seed is trained from new weights and tested once. The module needs nothing but torch; its
    weights, those of the first seed, are written beside it as .pt, and a model card as .md.
    """
    from nas.export.retrain import export as run
    from nas.search.study import load_own_study
    from nas.storage.open import open_storage

    import_modules(imports)
    opened = load_own_study(open_storage(storage), study)
    run(
        opened,
        trial=trial,
        seeds=seeds,
        train=not no_train,
        settings=settings or [],
        formats=formats or [],
        output=output,
        device=device,
        data_dir=data_dir,
        out=out,
        trust=trust,
        say=say,
    )
