"""Trials as rows of the report. Whatever a trial of an older version lacks is None here."""

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

from optuna.trial import FrozenTrial, TrialState

from nas.common.registry import base_name
from nas.model.architecture import Architecture
from nas.search.trial_attributes import is_paused
from nas.training.candidate import Candidate
from nas.training.metrics.run import in_steps_made, trains

#: how a trial can end or stand, in the order of tables
OUTCOMES = ("trained", "pruned", "repeated", "rejected", "failed", "running", "paused", "queued")
MIXED = "mixed"
DECODER = json.JSONDecoder()


@dataclass(frozen=True)
class Row:
    """One trial."""

    trial: FrozenTrial
    outcome: str

    @property
    def number(self) -> int:
        """The number of the trial."""
        return self.trial.number

    @property
    def was_evaluated(self) -> bool:
        """Whether this trial trained a candidate of its own, to the end or not."""
        return self.outcome in ("trained", "pruned")

    @cached_property
    def candidate(self) -> Candidate | None:
        """The candidate, where it can be read."""
        return candidate(self.text)

    @property
    def text(self) -> str:
        """The candidate as it is stored."""
        return str(self.trial.user_attrs.get("candidate", ""))

    @property
    def architecture(self) -> Architecture | None:
        """The architecture, where it can be read."""
        return self.candidate.architecture if self.candidate else None

    @property
    def result(self) -> dict[str, Any]:
        """What the training of a twin gave; empty where it cannot be read."""
        return mapping(self.trial.user_attrs.get("result"))

    @property
    def curve(self) -> list[dict[str, Any]]:
        """One record for each epoch of a twin."""
        return _curve_in(self.result)

    @property
    def measures(self) -> dict[str, Any]:
        """Measures of the run by name."""
        return self.brief.measures

    @property
    def epochs(self) -> int:
        """How many epochs were trained."""
        return self.brief.epochs

    @cached_property
    def brief(self) -> "Brief":
        """What the training gave in brief."""
        stored = self.trial.user_attrs.get("result")
        return stored if isinstance(stored, Brief) else brief(stored)

    def probes(self, step: str) -> dict[str, Any]:
        """Measure -> value at a step of training."""
        return mapping(self.trial.user_attrs.get(f"probes_{step}"))

    def value(self, name: str) -> float | None:
        """A finite number among the attributes."""
        return finite_number(self.trial.user_attrs.get(name))

    @property
    def val_error(self) -> float | None:
        """Validation error in points."""
        accuracy = self.value("val_accuracy")
        return None if accuracy is None else 100 * (1 - accuracy)

    @property
    def train_error(self) -> float | None:
        """Training error in points."""
        error = self.value("train_error")
        return None if error is None else 100 * error

    def objective(self, index: int) -> float | None:
        """A finite objective; of a pruned trial the first one as last reported."""
        if self.trial.values and index < len(self.trial.values):
            return finite_number(self.trial.values[index])
        reported = self.trial.intermediate_values
        return finite_number(reported[max(reported)]) if reported and index == 0 else None

    @cached_property
    def shortcut(self) -> str | None:
        """The kind of shortcut of all stages, or `mixed`."""
        return None if self.architecture is None else _kind_of(self.architecture)

    @property
    def trains(self) -> bool:
        """Whether it is more than guessing, as far as is known."""
        return not self.trial.user_attrs.get("diverged") and trains(self.measures)


class Brief(NamedTuple):
    """What is shown of a result in a search: all results of a long one would fill the memory."""

    measures: dict[str, Any]
    epochs: int


def brief(text: Any) -> Brief:
    """A stored result in brief."""
    found = _member(text, "measures")
    measures = found if isinstance(found, dict) else {}
    if _member(text, "steps") is None:
        measures = in_steps_made(measures)
    return Brief(measures, len(_curve_in({"curve": _member(text, "curve")})))


def _member(text: Any, key: str) -> Any:
    """A value of a stored JSON object, found without reading the others, which take most of the
    time; None where it cannot be read.
    """
    _, found, rest = str(text).partition(f'"{key}": ')
    try:
        return DECODER.raw_decode(rest)[0] if found else None
    except ValueError:
        return None


def _curve_in(result: dict[str, Any]) -> list[dict[str, Any]]:
    """The records of the epochs; none where they cannot be read."""
    curve = result.get("curve")
    return (
        [record for record in curve if isinstance(record, dict)] if isinstance(curve, list) else []
    )


def read_rows(trials: Iterable[FrozenTrial]) -> list[Row]:
    """The rows of a study, by number."""
    return sorted((Row(trial, outcome(trial)) for trial in trials), key=lambda row: row.number)


def outcome(trial: FrozenTrial) -> str:
    """How a trial ended or stands; one of OUTCOMES."""
    attrs = trial.user_attrs
    if not trial.state.is_finished():
        if trial.state == TrialState.RUNNING:
            return "running"
        return "paused" if is_paused(trial) else "queued"
    if trial.state == TrialState.FAIL:
        return "failed"
    if "rejected" in attrs:
        return "rejected"
    if "reused_from" in attrs:
        return "repeated"
    return "pruned" if trial.state == TrialState.PRUNED or attrs.get("pruned") else "trained"


@lru_cache(maxsize=65536)
def candidate(text: str) -> Candidate | None:
    """A candidate from its JSON; None where another version wrote it otherwise."""
    try:
        return Candidate.read(text)
    except (ValueError, TypeError, KeyError, AttributeError, AssertionError, RecursionError):
        return None


def _kind_of(architecture: Architecture) -> str:
    """The kind of shortcut that all stages have, or `mixed`."""
    kinds = {
        MIXED if stage.shortcuts else base_name(stage.shortcut) for stage in architecture.stages
    }
    return kinds.pop() if len(kinds) == 1 else MIXED


def mapping(text: Any) -> dict[str, Any]:
    """A JSON object; empty where the text is none."""
    try:
        data = json.loads(text)
    except (TypeError, ValueError, RecursionError):
        return {}
    return data if isinstance(data, dict) else {}


def finite_number(value: Any) -> float | None:
    """The value where it is a finite number."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and math.isfinite(value) else None
