"""Training the twins: an Optuna study beside the one of the search, run by the same workers."""

import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import BaseStorage
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState
from pydantic import ValidationError
from rich.console import Console

from nas.common.errors import StudyError
from nas.common.machine import visible_gpus
from nas.common.paths import DATA_DIR, OUT, study_folder
from nas.payoff.plan import Factors, Run, first_runs, further_runs, own_runs
from nas.payoff.variants import MOST_STAGES
from nas.search.allow_code import require_trust, vouch
from nas.search.best_trials import best_first
from nas.search.coordinator import KeepDue, Outcome, crew_of, num_workers, speaker, watch
from nas.search.pools.ray import RayCluster
from nas.search.progress import Progress, lasting_console
from nas.search.queue import num_wanted
from nas.search.study import TWINS, space_of
from nas.search.worker import Job
from nas.space.enumeration import Walker
from nas.space.schema import PayoffSection, current
from nas.space.space import SearchSpace
from nas.storage.handles import storage_of
from nas.storage.locks import locked
from nas.storage.open import open_storage
from nas.storage.retry import with_retry
from nas.training.candidate import Candidate


def payoff(
    study: Study,
    settings: PayoffSection,
    *,
    storage: str,
    timeout: float | None = None,
    workers: int | None = None,
    workers_per_gpu: int = 1,
    cluster: RayCluster | None = None,
    data_dir: str | Path = DATA_DIR,
    out: str | Path = OUT,
    trust: bool = False,
    console: Console | None = None,
) -> Outcome:
    """Train the twins of a study, or resume them, until all are done or `timeout` seconds are over.

    The comparison that is primary is written to the study of the twins before the first one runs.
    """
    console = console or lasting_console()
    backend = open_storage(storage, wait=speaker(console))
    require_trust(study, trust, speaker(console))
    space = space_of(study)
    base = base_candidates(study, space, settings)
    depths = settings.depths or default_depths(base[0])
    name = study.study_name + TWINS
    num_stages = len(base[0].architecture.stages)
    twins = twin_study(backend, name, study, settings, depths, num_stages)
    vouch(twins, base[0].dataset, trust, lambda said: None)
    job = Job(
        storage=storage,
        study=name,
        data_dir=Path(data_dir),
        out=study_folder(out, study.study_name),
        workers=num_workers(workers, space, workers_per_gpu),
        gpus=visible_gpus(),
    )
    deadline = time.monotonic() + timeout if timeout else math.inf
    phases: list[Callable[[], Iterable[Run]]] = [
        lambda: first_runs(base, settings, depths),
        lambda: own_runs(base, settings, depths, best_factors(twins, base)),
        lambda: further_runs(base, settings, depths),
    ]
    for phase in phases:
        outcome = run_all(job, backend, twins, phase(), deadline, console, cluster)
        if outcome.how != "finished":
            break
    return outcome


def settings_of(study: Study, given: dict[str, Any]) -> PayoffSection:
    """The payoff section of the study's space, with what was given on the command line on top."""
    section = space_of(study).section.payoff or PayoffSection()
    changes = {key: value for key, value in given.items() if value is not None}
    if isinstance(changes.get("depths"), str):
        changes["depths"] = [
            int(n) if n.strip().isdigit() else n for n in changes["depths"].split(",")
        ]
    try:
        return current(PayoffSection).model_validate(section.model_dump() | changes)
    except ValidationError as error:
        fault = error.errors()[0]
        key = str(fault["loc"][0])
        raise StudyError(f"--{key} {given[key]}: {fault['msg'].lower()}.") from error


def run_all(
    job: Job,
    storage: BaseStorage,
    twins: Study,
    runs: Iterable[Run],
    deadline: float,
    console: Console,
    cluster: RayCluster | None = None,
) -> Outcome:
    """Train the runs that are not in the study yet."""
    fresh = fresh_runs(twins, runs)
    total = len(twins.get_trials(deepcopy=False)) + len(fresh)
    progress = Progress(console, ["val_accuracy"], total)
    crew = crew_of(job, total, cluster, speaker(console))
    keep_due = supply(twins, fresh, 2 * max(1, job.workers))
    left = None if deadline == math.inf else max(1.0, deadline - time.monotonic())
    return Outcome(twins, watch(crew, storage, twins, progress, keep_due, left))


def supply(twins: Study, fresh: list[dict[str, Any]], ahead: int) -> KeepDue:
    """A function that keeps some of the fresh runs due; True when there was none left to add."""
    left = list(fresh)

    def add(number: int) -> None:
        with locked(storage_of(twins)) as hold:  # another process may add the same runs
            known = set(known_runs(twins))
            for attrs in left[:number]:
                hold()
                if (attrs["candidate_hash"], attrs["seed"]) not in known:
                    due = optuna.trial.create_trial(state=TrialState.WAITING, user_attrs=attrs)
                    twins.add_trial(due)
        del left[:number]

    def keep_due(trials: Sequence[FrozenTrial]) -> bool:
        if not left:
            return True
        if wanted := num_wanted(trials, ahead):
            with_retry(add)(wanted)
        return False

    return keep_due


def base_candidates(study: Study, space: SearchSpace, settings: PayoffSection) -> list[Candidate]:
    """The best candidates of the study, distinct; without any the first one of the space."""
    found: dict[str, Candidate] = {}
    for trial in best_first(study):
        candidate = Candidate.from_json(trial.user_attrs["candidate"], f"trial {trial.number}")
        found.setdefault(candidate.hash, candidate)
        if len(found) == max(1, settings.top):
            break
    first = Walker([], lambda name, values: [(values.items[0], 1)])
    return list(found.values()) or [space.candidate(first)]


def default_depths(candidate: Candidate) -> list[int]:
    """One, three, five and nine blocks in every stage, up to twice the candidate's own depth."""
    deepest = max(stage.depth for stage in candidate.architecture.stages)
    return [depth for depth in (1, 3, 5, 9, 18) if depth <= max(3, 2 * deepest)]


def twin_study(
    storage: BaseStorage,
    name: str,
    parent: Study,
    settings: PayoffSection,
    depths: list[int],
    num_stages: int,
) -> Study:
    """The study of the twins; StudyError where it was made with other settings."""
    study = optuna.create_study(
        study_name=name, storage=storage, direction="maximize", load_if_exists=True
    )
    fixed = {
        "vary": settings.vary,
        "smallest_effect": settings.smallest_effect,
        "primary": primary(settings, depths),
        "stage_family": stage_family(num_stages),
    }
    known = study.user_attrs.get("payoff")
    if known is None:
        for key in ("space", "space_file", "seed"):
            study.set_user_attr(key, parent.user_attrs.get(key))
        study.set_user_attr("twins_of", parent.study_name)
        study.set_user_attr("payoff", fixed)
    elif changed := ", ".join(key for key in known if known[key] != fixed[key]):
        raise StudyError(
            f"the twins of {parent.study_name!r} were begun with another {changed}; what is "
            "primary may not change after the first run. Use the old settings, or search under a "
            "new --study name."
        )
    return study


def stage_family(num_stages: int) -> str:
    """What is tested of the stages, told before the first twin is trained."""
    every = num_stages <= MOST_STAGES
    what = "main effect of" if every else "cost of removing"
    return f"{what} each stage's shortcuts on training error, Holm over stages"


def primary(settings: PayoffSection, depths: list[int]) -> dict[str, Any]:
    """The primary hypotheses, told before the first twin is trained."""
    reference = "none" if settings.vary in ("shortcut", "transition") else "the first arm"
    return {
        "estimand": f"difference in differences of training error, {reference} against the other "
        "arms, between the shallowest and the deepest network of the ladder, at one budget",
        "depths": [depths[0], depths[-1]],
        "orders": settings.activation_orders,
        "roles": ["shared"] + (["own"] if len(settings.lr_factors) > 1 else []),
        "correction": "Holm over orders, roles and arms",
    }


def fresh_runs(study: Study, runs: Iterable[Run]) -> list[dict[str, Any]]:
    """The attributes of the runs not in the study yet, in order.

    One training may serve several comparisons: its further places are noted at it.
    """
    known = known_runs(study)
    seed = study.user_attrs.get("seed")
    base_seed = seed if isinstance(seed, int) else 0
    fresh: dict[tuple[str, int], dict[str, Any]] = {}
    for run in runs:
        key = (run.candidate.hash, base_seed + run.cell.seed)
        cell = asdict(run.cell)
        if key in known:
            add_cell(study, known[key], cell)
        elif key in fresh:
            fresh[key]["cells"].append(cell)
        else:
            fresh[key] = {
                "candidate": run.candidate.to_json(),
                "candidate_hash": key[0],
                "seed": key[1],
                "cells": [cell],
                "arm": f"{run.cell.arm}, {run.cell.order}",
                "depth": run.cell.depth,
            }
    return list(fresh.values())


def known_runs(twins: Study) -> dict[tuple[str, int], FrozenTrial]:
    """The runs in the study; one that failed is to be run again when its cause is mended."""
    trials = twins.get_trials(deepcopy=False)
    return {run_key(trial): trial for trial in trials if trial.state != TrialState.FAIL}


def run_key(trial: FrozenTrial) -> tuple[str, int]:
    """What identifies a run: its candidate and its seed."""
    return trial.user_attrs.get("candidate_hash", ""), trial.user_attrs.get("seed", -1)


def add_cell(study: Study, trial: FrozenTrial, cell: dict[str, Any]) -> None:
    """Note another place in the comparison at a run that is known, finished or not."""
    extra = study.user_attrs.get(f"cells_{trial.number}", [])
    if cell not in trial.user_attrs["cells"] and cell not in extra:
        study.set_user_attr(f"cells_{trial.number}", [*extra, cell])


def cells_of(noted: Mapping[str, Any], trial: FrozenTrial) -> list[dict[str, Any]]:
    """All places of a run in the comparison; `noted` are the attributes of the study."""
    return trial.user_attrs.get("cells", []) + noted.get(f"cells_{trial.number}", [])


def best_factors(twins: Study, base: list[Candidate]) -> Factors:
    """The learning-rate factor with the best validation accuracy in the tuning."""
    named = {"ladder": base[0]} | {f"top {rank}": one for rank, one in enumerate(base, start=1)}
    tuned: dict[tuple[str, str, int, str], tuple[float, float]] = {}
    noted = twins.user_attrs
    for trial in twins.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)):
        for cell in cells_of(noted, trial):
            if cell["role"] == "tune":
                place = (cell["comparison"], cell["order"], cell["depth"], cell["arm"])
                found = (trial.user_attrs["val_accuracy"], cell["lr"])
                tuned[place] = max(tuned.get(place, found), found)
    return {
        place: lr / named[place[0]].training.optimizer.arguments["lr"]
        for place, (_, lr) in tuned.items()
    }
