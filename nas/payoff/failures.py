"""Runs that ended with an error."""

from collections.abc import Iterable, Mapping
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from nas.payoff.records import run_keys_of
from nas.payoff.runs import UniqueKey


def failed_keys(noted: Mapping[str, Any], trials: Iterable[FrozenTrial]) -> set[UniqueKey]:
    """The places of the runs that ended with an error."""
    return keys(noted, (trial for trial in trials if trial.state == TrialState.FAIL))


def lost_runs(noted: Mapping[str, Any], trials: Iterable[FrozenTrial]) -> int:
    """How many runs ended with an error and were not run again."""
    void = (TrialState.FAIL, TrialState.PRUNED)
    every = list(trials)
    there = keys(noted, (trial for trial in every if trial.state not in void))
    return sum(
        trial.state == TrialState.FAIL and not keys(noted, [trial]) <= there for trial in every
    )


def keys(noted: Mapping[str, Any], trials: Iterable[FrozenTrial]) -> set[UniqueKey]:
    """All places of some runs."""
    return {cell.key for trial in trials for cell in run_keys_of(noted, trial)}
