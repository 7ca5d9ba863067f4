"""Studies of many finished trials, written without training and in few transactions."""

import json
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import optuna
from optuna.distributions import distribution_to_json
from optuna.study import Study
from optuna.trial import TrialState
from sqlalchemy import insert

from nas.model.cost import cost
from nas.payoff.queue import fresh_runs
from nas.payoff.runs import first_runs, planned_keys
from nas.payoff.study import open_twins
from nas.search.trial_results import result_attributes
from nas.space.schema import PayoffSection
from nas.space.space import SearchSpace
from nas.storage.handles import engine_of, storage_of, study_id_of
from nas.storage.tables import PARAMS, REPORTED, TRIAL_ATTRS, TRIALS, VALUES
from nas.training.candidate import Candidate
from nas.training.metrics import PROBE_STEPS
from nas.training.result import Result

#: trials written in one transaction
BATCH = 1000
START = datetime(2026, 1, 2)
Rows = dict[Any, list[dict[str, Any]]]


class Finished(NamedTuple):
    """A finished trial, with attributes beside those of every trial."""

    number: int
    candidate: Candidate
    result: Result
    params: dict[str, Any]
    distributions: dict[str, Any]
    attrs: dict[str, Any]


def fill(study: Study, space: SearchSpace, count: int) -> None:
    """Add finished trials of random candidates to an empty study."""
    write(study, drawn(space, count))


def drawn(space: SearchSpace, count: int) -> Iterator[Finished]:
    """Random candidates with the results they might have had."""
    sampler = optuna.samplers.RandomSampler(seed=0)
    for number in range(count):
        memory = optuna.create_study(sampler=sampler)  # asking a long one would take long
        trial = memory.ask()
        candidate = space.candidate(trial)
        result = result_of(candidate, number)
        yield Finished(number, candidate, result, trial.params, trial.distributions, {})


def fill_twins(search: Study, space: SearchSpace, depths: int, seeds: int) -> None:
    """Add a ladder of finished twins, with identity shortcuts and with none, beside a search."""
    settings = PayoffSection(
        arms=["identity", "none"],
        depths=list(range(1, depths + 1)),
        seeds=seeds,
        top=0,
        lr_factors=[1.0],
        stages=False,
    )
    study, plan, _ = open_twins(storage_of(search), search, space, settings)
    runs = fresh_runs(study, first_runs(plan), plan.first_seed, planned_keys(plan))
    write(study, trained(runs))


def trained(runs: Iterable[dict[str, Any]]) -> Iterator[Finished]:
    """The runs with the results they might have had."""
    read = cache(Candidate.from_json)
    for number, attrs in enumerate(runs):
        candidate = read(attrs["candidate"])
        result = replace(
            result_of(candidate, 3 * number),  # every third one would be pruned
            seed=attrs["seed"],
            initial_hash=f"{len(candidate.architecture.blocks())} blocks, seed {attrs['seed']}",
        )
        yield Finished(number, candidate, result, {}, {}, attrs)


def result_of(candidate: Candidate, seed: int) -> Result:
    """A result such as a training leaves it, every third one pruned half way."""
    rng = np.random.default_rng(seed)
    spent, epochs = cost(candidate.architecture), candidate.training.epochs
    length = max(1, epochs // 2) if seed % 3 == 1 else epochs
    plain = np.mean([stage.shortcut == "none" for stage in candidate.architecture.stages])
    error = float(np.clip(0.2 + 0.1 * plain + 0.05 * rng.normal(), 0.02, 0.9))
    curve = [curve_record(error, epoch, rng) for epoch in range(length)]
    return Result(
        curve=curve,
        parameters=spent.parameters,
        multiply_adds=spent.multiply_adds,
        depth=spent.depth,
        memory=10**8,
        seed=0,
        seconds=12.3,
        pruned=length < epochs,
        initial_hash=candidate.hash,
        losses=[[step, 2.3 * math.exp(-step / 90) + rng.random()] for step in range(0, 400, 2)],
        measures={
            "train_error": 0.8 * error,
            "loss_area": 0.3 + 3 * error,
            **{f"steps_to_{share}": 100 - share for share in (90, 75, 50, 25)},
            "started": True,
            "diverged": False,
            "generalisation_gap": 0.2 * error,
        },
        probes={str(s): probes(candidate, rng) for s in (*PROBE_STEPS, "end")},
    )


def curve_record(error: float, epoch: int, rng: np.random.Generator) -> dict[str, float]:
    """One epoch."""
    accuracy = 1 - error - 0.5 * math.exp(-1 - epoch) + 0.01 * rng.random()
    return {
        "epoch": float(epoch + 1),
        "train_loss": 2.3 * math.exp(-epoch) + 3 * error,
        "train_accuracy": accuracy,
        "val_loss": 2.3 * math.exp(-epoch) + 4 * error,
        "val_accuracy": accuracy,
    }


def probes(candidate: Candidate, rng: np.random.Generator) -> dict[str, Any]:
    """The readings of one step."""
    blocks = len(candidate.architecture.blocks())
    return {
        "gradient_norm": rng.random(blocks).tolist(),
        "relative_gradient_norm": rng.random(blocks).tolist(),
        "branch_response": rng.random(blocks).tolist(),
        "gradient_ratio": rng.random(),
        "gradient_slope": rng.random(),
        "gradient_cosine": rng.random(),
        "jacobian_norm": rng.random(),
        "jacobian_condition": rng.random(),
    }


def write(study: Study, trials: Iterable[Finished]) -> None:
    """Write finished trials straight into the tables of an empty database."""
    storage: Any = storage_of(study)
    first = first_free(storage)
    rows: Rows = defaultdict(list)
    for one in trials:
        trial_rows(rows, study_id_of(study), first, one)
        if len(rows[TRIALS]) == BATCH:
            flush(storage, rows)
    flush(storage, rows)


def first_free(storage: Any) -> int:
    """The first trial id that no study uses."""
    studies = storage.get_all_studies()
    return 1 + sum(len(storage.get_all_trials(study_id_of(one), deepcopy=False)) for one in studies)


def flush(storage: Any, rows: Rows) -> None:
    """Write the rows collected so far."""
    engine = engine_of(storage)
    assert engine is not None
    with engine.begin() as connection:
        for table, several in rows.items():
            if several:
                connection.execute(insert(table), several)
    rows.clear()


def trial_rows(rows: Rows, study_id: int, first: int, one: Finished) -> None:
    """The rows of one trial in every table."""
    number, candidate, result, params, distributions, more = one
    trial_id = first + number
    is_pruned = result.pruned
    begun = START + timedelta(seconds=13 * number)
    rows[TRIALS].append(
        {
            "trial_id": trial_id,
            "number": number,
            "study_id": study_id,
            "state": TrialState.PRUNED if is_pruned else TrialState.COMPLETE,
            "datetime_start": begun,
            "datetime_complete": begun + timedelta(seconds=12),
        }
    )
    for name, value in params.items():
        rows[PARAMS].append(
            {
                "trial_id": trial_id,
                "param_name": name,
                "param_value": distributions[name].to_internal_repr(value),
                "distribution_json": distribution_to_json(distributions[name]),
            }
        )
    attrs = {"candidate": candidate.to_json(), "worker": "host:1:1"}
    attrs |= result_attributes(candidate, result) | more
    rows[TRIAL_ATTRS] += [
        {"trial_id": trial_id, "key": key, "value_json": json.dumps(value)}
        for key, value in attrs.items()
    ]
    curve = [record["val_accuracy"] for record in result.curve]
    rows[REPORTED] += [
        {
            "trial_id": trial_id,
            "step": step,
            "intermediate_value": value,
            "intermediate_value_type": "FINITE",
        }
        for step, value in enumerate(curve, start=1)
    ]
    rows[VALUES].append(
        {
            "trial_id": trial_id,
            "objective": 0,
            "value": curve[-1],
            "value_type": "FINITE",
        }
    )
