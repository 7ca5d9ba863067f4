"""Attaching to a study that was started elsewhere, with workers of this machine."""

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from optuna.trial import FrozenTrial
from rich.console import Console

from nas.common.errors import StudyError
from nas.data.given import given_module
from nas.data.survey import prepare
from nas.search.allow_code import code_in_storage
from nas.search.beside import TWINS, study_beside
from nas.search.coordinator import Outcome, run_trials
from nas.search.options import WorkerOptions
from nas.search.progress import TWINS_PHASE, Progress, lasting_console
from nas.search.queue import Refill
from nas.search.run import run_study
from nas.search.session import Session
from nas.search.study import NUM_TRIALS, load_own_study, space_of
from nas.search.worker import WorkerSpec
from nas.storage.url import hidden

#: seconds between two looks at the study, as many machines may be attached
POLL = 2.0
#: seconds without a pending or running trial after which workers leave the twins of a study
IDLE_TIMEOUT = 60.0


def attach(
    name: str | None = None,
    options: WorkerOptions | None = None,
    *,
    timeout: float | None = None,
    console: Console | None = None,
) -> Outcome:
    """Run trials of a study from this machine, and of its twins, until none is left.

    This process fills the queue as well, so the one that started the study may be gone.
    """
    session = Session(options or WorkerOptions(), console or lasting_console())
    study = load_own_study(session.storage, name)
    name = study.study_name
    allowed = code_in_storage(study, session.options.trust, session.log)
    space = space_of(study)
    if NUM_TRIALS not in study.user_attrs:
        raise StudyError(
            f"study {name!r} does not say how many trials it is to have: "
            "resume it once with `nas search`."
        )
    prepare(space.dataset, Path(session.options.data_dir), space.largest_batch, session.log)
    given_module(space.dataset, None)  # nobody hands it over here
    spec = session.worker_spec(study, space, study, allowed)
    where = hidden(session.options.storage)
    session.log(f"Joined {name!r} in {where} with {spec.num_workers} workers.")
    deadline = None if timeout is None else time.monotonic() + timeout
    outcome = run_study(session, spec, study, space, timeout=timeout, poll=POLL)
    if outcome.how == "finished" and space.section.payoff:
        return _attach_to_twins(session, spec, outcome, deadline)
    return outcome


def _attach_to_twins(
    session: Session, spec: WorkerSpec, outcome: Outcome, deadline: float | None
) -> Outcome:
    """Run the twins that another process adds, until it adds none for a while."""
    start = time.monotonic()
    while (twins := study_beside(outcome.study, TWINS)) is None:
        if time.monotonic() > start + IDLE_TIMEOUT:
            return outcome
        time.sleep(POLL)
    allowed = code_in_storage(twins, session.options.trust, session.log, spec.allowed_code)
    spec = replace(spec, study=twins.study_name, allowed_code=allowed)
    left = None if deadline is None else max(1.0, deadline - time.monotonic())
    total = len(twins.get_trials(deepcopy=False))
    progress = Progress(session.console, [], total, phase=TWINS_PHASE)
    pool = session.pool(spec, spec.num_workers)
    return run_trials(twins, pool, progress, until_idle(), timeout=left, poll=POLL)


def until_idle() -> Refill:
    """A function that adds nothing, and is True after a while without pending or running trials."""
    last = time.monotonic()

    def is_idle(trials: Sequence[FrozenTrial]) -> bool:
        nonlocal last
        if not all(trial.state.is_finished() for trial in trials):
            last = time.monotonic()
        return time.monotonic() > last + IDLE_TIMEOUT

    return is_idle
