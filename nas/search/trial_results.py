"""What was measured of a trial, written to the storage, and how the trial ends."""

import json
import math
from dataclasses import asdict
from typing import Any

from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState

from nas.common.provenance import provenance
from nas.search.study import objective_names
from nas.search.trial_attributes import PAUSED, RUNG
from nas.storage.bulk_write import write
from nas.storage.handles import trial_id_of
from nas.training.candidate import Candidate
from nas.training.result import OBJECTIVES, Result


def write_result(
    trial: Trial, candidate: Candidate, result: Result, paused_at: int | None = None
) -> None:
    """Write all that was measured, before the trial ends or is paused at a rung."""
    pause = {PAUSED: True, RUNG: paused_at} if paused_at else {}
    write(trial.study, trial_id_of(trial), result_attributes(candidate, result) | pause)


def result_attributes(candidate: Candidate, result: Result) -> dict[str, Any]:
    """All that was measured, as attributes of a trial; a number that is not finite as None."""
    attributes: dict[str, Any] = {
        "candidate_hash": candidate.hash,
        "architecture_hash": candidate.architecture.hash,
        **_stored(result),
        "provenance": provenance(),
        "seed": result.seed,
        "layers": result.depth,
        "parameters": result.parameters,
        "multiply_adds": result.multiply_adds,
        "seconds": round(result.seconds, 2),
        "train_loss": result.final["train_loss"],
        "train_error": result.measures["train_error"],
        "val_accuracy": result.final["val_accuracy"],
        "diverged": result.diverged,
        "pruned": result.pruned,
    }
    return {
        key: None if isinstance(value, float) and not math.isfinite(value) else value
        for key, value in attributes.items()
    }


def _stored(result: Result) -> dict[str, str]:
    """The result as JSON texts, each short enough for every storage: probes apart, by step."""
    data = _rounded(asdict(result))
    probes = data.pop("probes")
    return {"result": json.dumps(data)} | {f"probes_{k}": json.dumps(v) for k, v in probes.items()}


def _rounded(value: Any) -> Any:
    """Numbers to five digits; what is not finite as null."""
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_rounded(item) for item in value]
    if isinstance(value, float):
        return float(f"{value:.5g}") if math.isfinite(value) else None
    return value


def end_trial(study: Study, trial: Trial, result: Result) -> None:
    """End a trial that this process runs with what was measured."""
    names = objective_names(study)
    values = [OBJECTIVES[name](result) for name in names]
    state = pruned_state(len(names)) if result.pruned else TrialState.COMPLETE
    tell(study, trial, state, values)


def pruned_state(num_objectives: int) -> TrialState:
    """The state of a pruned trial. Optuna has no pruned trials of several objectives: such a trial
    is complete, with the values it was pruned at and the attribute `pruned`."""
    return TrialState.PRUNED if num_objectives == 1 else TrialState.COMPLETE


def ending_of_paused(study: Study, trial: FrozenTrial) -> tuple[TrialState, list[float]]:
    """State and values with which a paused trial ends if it is not promoted any more."""
    names = objective_names(study)
    state = pruned_state(len(names))
    if state == TrialState.PRUNED and trial.last_step is not None:
        return state, [trial.intermediate_values[trial.last_step]]
    result = Result(**json.loads(trial.user_attrs["result"]))
    return state, [OBJECTIVES[name](result) for name in names]


def tell(study: Study, trial: Trial, state: TrialState, values: list[float]) -> None:
    """Tell Optuna how a trial ended; of a pruned one it takes the last value that was reported."""
    study.tell(trial, None if state == TrialState.PRUNED else values, state=state)
