"""Running a search: the study of a space is created or resumed, and its trials are run."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from optuna.study import Study
from optuna.trial import FrozenTrial
from rich.console import Console

from nas.common.main_guard import leave_if_importing_main
from nas.common.paths import checkpoint_file
from nas.data.given import given_module
from nas.data.survey import prepare
from nas.search.allow_code import code_in_file
from nas.search.beside import folder_name
from nas.search.coordinator import POLL, Outcome, run_trials
from nas.search.options import WorkerOptions
from nas.search.progress import Progress, lasting_console
from nas.search.pruners.trained import share_trained
from nas.search.queue import refill_of
from nas.search.session import Session
from nas.search.study import NUM_TRIALS, create_study
from nas.search.trial_attributes import RUNG
from nas.search.warm_start import warm_started
from nas.search.worker import WorkerSpec
from nas.space.estimate import PROCESSOR, estimate, num_workers
from nas.space.space import SearchSpace


def search(
    space: SearchSpace,
    *,
    trials: int | None = None,
    timeout: float | None = None,
    study: str | None = None,
    extend: bool = False,
    data: Any = None,
    console: Console | None = None,
    options: WorkerOptions | None = None,
    **changes: Any,
) -> Outcome:
    """Run or resume the study of a space until `trials` are done or `timeout` seconds are over.

    With `extend` a study whose space has changed is continued as another one, into which the trials
    that still fit are imported. Further keywords are those of WorkerOptions, as in `workers=2`.
    With no workers of its own, it fills the queue for workers elsewhere. `data` is a
    LightningDataModule, a torch Dataset, or a mapping of "train", "validation" and "test" to such,
    for a space with `dataset: {name: object, ...}`.

    StudyError and DataError are sentences for the user. Ctrl-C ends the search cleanly: trials in
    training are requeued.
    """
    leave_if_importing_main()
    options = replace(options or WorkerOptions(), **changes)
    session = Session(options, console or lasting_console(), create=True)
    name = study or space.name
    prepare(space.dataset, Path(options.data_dir), space.largest_batch, session.log)
    given = given_module(space.dataset, data)
    if extend:
        name = warm_started(session.storage, name, space)
    allowed = code_in_file(space, session.log)
    if space.watchers:  # before there is a study that cannot be run
        from nas.training.watching import check_classes  # loads Lightning

        check_classes(space.watchers)
    created = create_study(session.storage, name, space)
    spec = session.worker_spec(created, space, created, allowed, given)
    created.set_user_attr(NUM_TRIALS, trials or space.search.trials)
    return run_study(session, spec, created, space, timeout=timeout)


def run_study(
    session: Session,
    spec: WorkerSpec,
    study: Study,
    space: SearchSpace,
    *,
    timeout: float | None,
    poll: float = POLL,
) -> Outcome:
    """Run the trials of a search until there are as many as were asked for."""
    num_trials = study.user_attrs[NUM_TRIALS]
    progress = Progress(
        session.console,
        space.search.objectives,
        num_trials,
        phase="random search" if "baseline_of" in study.user_attrs else "search",
        expected=expected_seconds(session.console, spec, space),
    )
    fill = refill_of(study, space, num_trials, 2 * max(1, spec.num_workers))

    folder = folder_name(study)

    def refill(trials: Sequence[FrozenTrial]) -> bool:
        remove_left_checkpoints(spec.out, folder, trials)
        return fill(trials)

    pool = session.pool(spec, num_trials)
    return run_trials(study, pool, progress, refill, timeout=timeout, poll=poll)


def expected_seconds(console: Console, spec: WorkerSpec, space: SearchSpace) -> float | None:
    """Seconds on the clock for each trial by the estimate of `nas check --cost` and what the pruner
    leaves, for a terminal, where the time left is shown; None where steps of this processor say
    nothing."""
    if not console.is_terminal or spec.gpus or not spec.num_workers:
        return None
    with_workers = num_workers(space, PROCESSOR)
    found = estimate(space, spec.data_dir).seconds
    parallel = min(with_workers, space.search.trials)
    if found is None:
        return None
    trials = space.search.trials
    found *= share_trained(space.pruner.name, space.epochs, trials)
    return found / trials * parallel / min(spec.num_workers, trials)


def remove_left_checkpoints(folder: Path, study: str, trials: Sequence[FrozenTrial]) -> None:
    """Remove the checkpoints of trials that ended while they were paused."""
    kept = set((folder / "checkpoints").glob("*.pt"))
    for trial in trials if kept else ():
        if trial.state.is_finished() and RUNG in trial.user_attrs:
            left = checkpoint_file(folder, study, trial.number)
            if left in kept:
                left.unlink(missing_ok=True)
