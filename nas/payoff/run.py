"""Training the twins: an Optuna study beside the one of the search, run by the same workers."""

import math
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from optuna.study import Study
from pydantic import ValidationError
from rich.console import Console

from nas.common.errors import StudyError
from nas.data.given import given_module
from nas.payoff.costs import Seconds, cost_line, power_line, trainings
from nas.payoff.forecast import forecast, seconds_of, trainings_left
from nas.payoff.looks import looks, without_ladder
from nas.payoff.own_rates import best_factors
from nas.payoff.plan import Plan, kept_plan, make_plan
from nas.payoff.queue import TwinSource, fresh_runs
from nas.payoff.runs import TwinRun, first_runs, further_runs, last_runs, own_runs, planned_keys
from nas.payoff.study import base_candidates, has_begun, open_twins
from nas.search.allow_code import AllowedCode, code_in_storage
from nas.search.beside import TWINS, study_beside
from nas.search.coordinator import Outcome, run_trials
from nas.search.options import WorkerOptions
from nas.search.progress import TWINS_PHASE, Progress, lasting_console
from nas.search.queue import TrialQueue
from nas.search.session import Session
from nas.search.study import space_of
from nas.search.trial_attributes import AFTER_TRAINING, MEASURED_SPLIT
from nas.search.worker import WorkerSpec
from nas.space.estimate import num_workers
from nas.space.schema import PayoffSection, current
from nas.training.candidate import Candidate

ALL_TRAINED = "All twins of the plan are trained: `nas report` shows them."


def payoff(
    study: Study,
    settings: PayoffSection,
    options: WorkerOptions,
    *,
    timeout: float | None = None,
    budget: float | None = None,
    data: Any = None,
    console: Console | None = None,
    allowed: AllowedCode = frozenset(),
) -> Outcome:
    """Train the twins of a study, or resume them, until all are done or `timeout` seconds are over.

    All that is compared is written to the study of the twins before the first one runs. What is
    asked for after one has finished is trained too, and marked. allowed: code that the user named
    in a file. budget: seconds beyond which a warning is said first.
    """
    session = Session(options, console or lasting_console())
    allowed = code_in_storage(study, options.trust, session.log, allowed)
    space = space_of(study)
    twins, plan, beyond = open_twins(session.storage, study, space, settings)
    allowed = code_in_storage(twins, options.trust, session.log, allowed)
    given = given_module(space.dataset, data)
    spec = session.worker_spec(twins, space, study, allowed, given)
    for line in forecast(plan, beyond, twins, study, spec.num_workers, budget):
        session.log(line)
    deadline = time.monotonic() + timeout if timeout else math.inf
    seconds = seconds_of(study, twins)
    for runs in phases(twins, plan, beyond):
        left = trainings_left(beyond, twins)
        outcome = run_all(session, spec, twins, runs, deadline, left, seconds)
        if outcome.how != "finished":
            break
    return outcome


def plan_lines(study: Study, settings: PayoffSection, workers: int | None) -> list[str]:
    """What would be trained and what it could resolve; nothing is written. workers: None for as
    many as the space says.
    """
    space = space_of(study)
    number = workers or num_workers(space)
    twins = study_beside(study, TWINS)
    kept = kept_plan(twins.user_attrs) if twins and has_begun(twins) else None
    if twins and kept:
        return forecast(kept, kept, twins, study, number) or [ALL_TRAINED]
    plan = make_plan(settings, base_candidates(study, space, settings.top))
    seconds = seconds_of(study)
    return [cost_line("Twins", plan, trainings(plan), seconds, number), power_line(plan)]


def phases(twins: Study, plan: Plan, beyond: Plan) -> Iterator[list[dict[str, Any]]]:
    """The runs that are not in the study yet, phase by phase: own learning rates can be told only
    when those that tune them have finished. What was asked for beyond the plan comes last.
    """
    seed = twins.user_attrs.get("seed")
    first_seed = (seed if isinstance(seed, int) else 0) + plan.first_seed
    planned = planned_keys(plan)
    for one in (plan, beyond) if beyond != plan else (plan,):
        for phase in phases_of(twins, one):
            yield measured_after(fresh_runs(twins, phase, first_seed, planned), plan)


def measured_after(runs: list[dict[str, Any]], plan: Plan) -> list[dict[str, Any]]:
    """The runs, with what is measured of each finished network; nothing of those that tune."""
    names, split = plan.settings.after_training, plan.settings.after_training_split
    asked = {AFTER_TRAINING: names} | ({MEASURED_SPLIT: split} if split != "validation" else {})
    return [
        run | asked if names and any(cell["role"] != "tune" for cell in run["cells"]) else run
        for run in runs
    ]


def phases_of(twins: Study, plan: Plan) -> Iterator[Iterable[TwinRun]]:
    """What is laid out at once."""
    others = plan
    if plan.is_sequential:
        yield from looks(twins, plan)
        others = without_ladder(plan)
    yield first_runs(others)
    yield own_runs(others, best_factors(twins, plan))
    yield further_runs(plan)
    yield last_runs(plan, best_factors(twins, plan))


def settings_of(study: Study, given: dict[str, Any]) -> PayoffSection:
    """What was asked for on the command line, on top of the payoff section of the study's space
    as long as no twin has finished.
    """
    changes = {key: value for key, value in given.items() if value is not None}
    if isinstance(changes.get("depths"), str):
        changes["depths"] = [
            int(n) if n.strip().isdigit() else n for n in changes["depths"].split(",")
        ]
    section = PayoffSection() if stands(study) else space_of(study).section.payoff
    known = section.model_dump(exclude_unset=True) if section else {}
    try:
        return current(PayoffSection).model_validate(known | changes)
    except ValidationError as error:
        fault = error.errors()[0]
        key = str(fault["loc"][0])
        raise StudyError(f"--{key} {given[key]}: {fault['msg'].lower()}.") from error


def stands(study: Study) -> bool:
    """Whether the plan of a study's twins may not be made anew."""
    twins = study_beside(study, TWINS)
    return twins is not None and has_begun(twins)


def run_all(
    session: Session,
    spec: WorkerSpec,
    twins: Study,
    fresh: list[dict[str, Any]],
    deadline: float,
    to_train: Sequence[Candidate],
    seconds: Seconds | None,
) -> Outcome:
    """Train runs that are not in the study yet; to_train: those of all phases to come, at most."""
    known = len(twins.get_trials(deepcopy=False))
    total = known + len(fresh)
    progress = Progress(
        session.console,
        [],
        known + max(len(fresh), len(to_train)),
        phase=TWINS_PHASE,
        expected=seconds_each(to_train, seconds, spec.num_workers),
    )
    queue = TrialQueue(twins, TwinSource(fresh), 2 * max(1, spec.num_workers))
    left = None if deadline == math.inf else max(1.0, deadline - time.monotonic())
    return run_trials(twins, session.pool(spec, total), progress, queue.refill, timeout=left)


def seconds_each(
    to_train: Sequence[Candidate], seconds: Seconds | None, workers: int
) -> float | None:
    """Seconds on the clock for each training, on the mean; None if nobody knows."""
    if seconds is None or not to_train or not workers:
        return None
    return sum(map(seconds, to_train)) / len(to_train) / min(workers, len(to_train))
