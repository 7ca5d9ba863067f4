"""The runs of twins that are yet to be added to their study."""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from typing import Any

import optuna
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from nas.common.errors import StudyError
from nas.payoff.records import run_keys_of
from nas.payoff.runs import RunKey, TwinRun, UniqueKey

#: twins that count for nothing: failed with an error, or taken back with a plan
VOID = (TrialState.FAIL, TrialState.PRUNED)


class TwinSource:
    """The runs that are to be added to a study of twins, as the attributes of each."""

    def __init__(self, fresh: list[dict[str, Any]]) -> None:
        self._left = list(fresh)

    def remaining(self, trials: Sequence[FrozenTrial]) -> int:
        """See TrialSource."""
        return len(self._left)

    def add(
        self, study: Study, trials: Sequence[FrozenTrial], count: int, hold: Callable[[], object]
    ) -> None:
        """See TrialSource; another process may have added the same runs."""
        known = set(known_runs(study))
        for attrs in self._left[:count]:
            hold()
            if (attrs["candidate_hash"], attrs["seed"]) not in known:
                waiting = optuna.trial.create_trial(state=TrialState.WAITING, user_attrs=attrs)
                study.add_trial(waiting)
        del self._left[:count]


def fresh_runs(
    study: Study, runs: Iterable[TwinRun], first_seed: int, planned: Collection[UniqueKey]
) -> list[dict[str, Any]]:
    """The attributes of the runs not in the study yet, in order; first_seed: that of pair 0. Those
    whose key is not planned are marked as added.

    One training may serve several comparisons: its further places are noted at it.
    """
    known, taken = known_runs(study), taken_places(study)
    fresh: dict[tuple[str, int], dict[str, Any]] = {}
    for run in runs:
        cell = replace(run.cell, added=run.cell.key not in planned)
        key = (run.candidate.hash, first_seed + cell.seed)
        if taken.setdefault(cell.key, key[0]) != key[0]:
            raise another_candidate(study, cell)
        if key in known:
            add_cell(study, known[key], cell)
        elif key in fresh:
            fresh[key]["cells"].append(cell.stored())
        else:
            fresh[key] = {
                "candidate": run.candidate.to_json(),
                "candidate_hash": key[0],
                "seed": key[1],
                "cells": [cell.stored()],
                "arm": f"{cell.arm}, {cell.order}",
                "depth": cell.depth,
            }
    return list(fresh.values())


def known_runs(twins: Study) -> dict[tuple[str, int], FrozenTrial]:
    """The runs in the study; one that failed is to be run again when its cause is mended."""
    return {run_key(trial): trial for trial in valid_trials(twins)}


def valid_trials(twins: Study) -> list[FrozenTrial]:
    """Those that are not void."""
    return [trial for trial in twins.get_trials(deepcopy=False) if trial.state not in VOID]


def run_key(trial: FrozenTrial) -> tuple[str, int]:
    """What identifies a run: its candidate and its seed."""
    return trial.user_attrs.get("candidate_hash", ""), trial.user_attrs.get("seed", -1)


def taken_places(study: Study) -> dict[UniqueKey, str]:
    """What one run alone may have -> the hash of the candidate that has it."""
    noted = study.user_attrs
    return {
        cell.key: run_key(trial)[0]
        for trial in valid_trials(study)
        for cell in run_keys_of(noted, trial)
    }


def another_candidate(study: Study, cell: RunKey) -> StudyError:
    """What is wrong where the best candidates of a search have changed under its twins."""
    return StudyError(
        f"the twins of {study.user_attrs.get('twins_of')!r} were begun from another candidate: "
        f"{cell.arm} of {cell.comparison!r} is there already, as another network. Search under a "
        "new --study name to compare the twins of the new best candidates."
    )


def add_cell(study: Study, trial: FrozenTrial, cell: RunKey) -> None:
    """Note another place in the comparison at a run that is known, finished or not."""
    if cell.key not in {known.key for known in run_keys_of(study.user_attrs, trial)}:
        extra = study.user_attrs.get(f"cells_{trial.number}", [])
        study.set_user_attr(f"cells_{trial.number}", [*extra, cell.stored()])
