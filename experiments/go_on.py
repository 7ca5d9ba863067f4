"""Go on with the twins of a committed payoff.json: SPACE PAYOFF.JSON STORAGE.

    nas search experiments/digits_twins/digits_twins.yaml --timeout 30s
    python -m experiments.go_on experiments/digits_twins/results/payoff.json sqlite:///runs/nas.db
    nas search experiments/digits_twins/digits_twins.yaml

The study of the search must be there, with its trial, and no twin in training. Its twins get every
run of the file that they lack, with the numbers that are compared. Such a file has no curves and no
readings of probes: figures of them show the runs alone that are trained from here on.
"""

import json
import sys
from dataclasses import fields
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Any

import optuna
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from experiments.again import twin
from nas.payoff.plan import Plan, kept_plan
from nas.payoff.queue import known_runs
from nas.payoff.records import Twin
from nas.payoff.runs import RunKey, UniqueKey, every_run
from nas.payoff.study import withdraw
from nas.search.beside import TWINS, study_beside
from nas.search.study import load_study
from nas.storage.open import open_storage
from nas.training.candidate import Candidate


def candidates(plan: Plan) -> dict[tuple[UniqueKey, float], Candidate]:
    """What a run of the plan alone may have, and its learning rate -> its candidate."""
    return {
        (run.cell.key, run.cell.lr): run.candidate
        for factor in plan.settings.lr_factors
        for run in every_run(plan, factor)
    }


def cell(row: Twin) -> RunKey:
    """Its place alone."""
    return RunKey(**{field.name: getattr(row, field.name) for field in fields(RunKey)})


def finished(rows: list[Twin], candidate: Candidate, seed: int) -> FrozenTrial:
    """The rows of one training as a finished trial."""
    first = rows[0]
    result = {
        "curve": [{}] * first.epochs,
        "losses": [],
        "steps": first.steps,
        "initial_hash": first.initial_hash,
        "seconds": first.seconds,
        "measures": {
            "train_error": first.outcomes["train_error"] / 100,
            "loss_area": first.outcomes["loss_area"],
            "steps_to_75": first.steps_to,
            "started": not first.failed,
        },
    }
    accuracy = 1 - first.outcomes["val_error"] / 100
    attrs: dict[str, Any] = {
        "candidate": candidate.to_json(),
        "candidate_hash": candidate.hash,
        "seed": seed,
        "cells": [cell(row).stored() for row in rows],
        "arm": f"{first.arm}, {first.order}",
        "depth": first.depth,
        "layers": first.layers,
        "parameters": first.parameters,
        "val_accuracy": accuracy,
        "result": json.dumps(result),
    }
    return optuna.trial.create_trial(state=TrialState.COMPLETE, value=accuracy, user_attrs=attrs)


def fill(twins: Study, rows: list[Twin]) -> int:
    """Add the runs that are not there; how many."""
    plan = kept_plan(twins.user_attrs)
    if plan is None:
        raise SystemExit(f"{twins.study_name} has no plan: run `nas search` with its space first.")
    first_seed = twins.user_attrs["seed"] + plan.first_seed
    withdraw(twins)
    known, by_key, added = known_runs(twins), candidates(plan), 0
    for _, some in groupby(sorted(rows, key=attrgetter("trial")), attrgetter("trial")):
        run = list(some)
        candidate, seed = by_key[run[0].key, run[0].lr], first_seed + run[0].seed
        if (candidate.hash, seed) not in known:
            twins.add_trial(finished(run, candidate, seed))
            added += 1
    return added


def main() -> None:
    """Fill the study."""
    found = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    search = load_study(open_storage(sys.argv[2]), found["study"])
    twins = study_beside(search, TWINS)
    if twins is None:
        raise SystemExit(
            f"{search.study_name} has no twins: run `nas search` with its space first."
        )
    rows = [twin(row) for row in found["twins"]["twins"]]
    print(f"{fill(twins, rows)} trainings added to {twins.study_name}")


if __name__ == "__main__":
    main()
