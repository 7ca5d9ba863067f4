"""One trial from claim to end: draw the candidate, train it, write down what was measured."""

import contextlib
import json
import math
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import BaseStorage
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState

from nas.common.errors import Remark, StudyError, UserError, first_line
from nas.common.machine import provenance
from nas.common.paths import checkpoint_file
from nas.common.processes import this_worker
from nas.data.catalog import Dataset
from nas.search.asha import LOSSES, RUNG, SPARED, Halving, halving_of
from nas.search.failures import fail_with
from nas.search.lease import PAUSED, is_ours, release
from nas.search.study import (
    DONE,
    for_trial,
    is_among_best,
    learned_objective,
    pruned_ending,
    should_prune,
)
from nas.search.trial_notes import trial_text, untrained_text
from nas.space.space import SearchSpace
from nas.storage.bulk_write import write
from nas.storage.handles import storage_of, trial_id_of
from nas.training.candidate import Candidate
from nas.training.lightning import StoppedError, Trained, train
from nas.training.metrics import PROBE_MEASURES
from nas.training.result import OBJECTIVES, Result


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a worker finds the pictures, puts weights, and how it learns that it must stop."""

    data_dir: Path
    out: Path
    interrupted: Callable[[], bool]
    memory: int | None = None


def run_trial(
    storage: BaseStorage, name: str, space: SearchSpace, claimed: FrozenTrial, place: Place
) -> None:
    """Run a claimed trial to its end; interrupted, it is due again. DataError passes through."""
    study = for_trial(storage, name, space, claimed.number)
    trial = Trial(study, trial_id_of(claimed))
    attempt = attempt_twin if "cells" in claimed.user_attrs else attempt_candidate
    checkpoint = checkpoint_file(place.out, name, claimed.number)
    try:
        paused = attempt(study, trial, space, place, checkpoint)
        if paused:
            release(storage, trial_id_of(claimed), this_worker())
            return
    except (StoppedError, UserError, KeyboardInterrupt, SystemExit):
        release(storage, trial_id_of(claimed), this_worker())
        raise
    except UpdateFinishedTrialError:
        pass  # finished by a process that took this one for dead
    except Exception as error:
        now = storage.get_trial(trial_id_of(claimed))
        if not now.state.is_finished() and not is_ours(now, this_worker()):
            return  # another's by now, with its checkpoint
        fail_with(storage, trial_id_of(claimed), error)
        if "CUDA error" in str(error):
            raise SystemExit(
                "CUDA does not recover in a process: another one is started"
            ) from error
    with contextlib.suppress(OSError):
        checkpoint.unlink()


def attempt_candidate(
    study: Study, trial: Trial, space: SearchSpace, place: Place, checkpoint: Path
) -> bool:
    """Draw, reject or reuse or train, and tell; True where it is to go on later."""
    candidate = space.candidate(trial)
    trial.set_user_attr("candidate", candidate.to_json())
    if reject(study, trial, candidate, space.excess(candidate)):
        return False
    objective, halving = learned_objective(space), halving_of(space)
    seed = seed_of_rested(study, trial, halving)
    if seed is None:
        twins = same_candidates(study, candidate)
        if twins and space.search.duplicates == "reuse":
            copy(study, trial, candidate, twins[0])
            return False
        seed = space.search.seed + len(twins)

    def on_epoch(record: dict[str, float]) -> bool:
        if objective is None:
            return False
        value, epoch = finite(record[objective], objective), int(record["epoch"])
        storage_of(study).set_trial_intermediate_value(trial_id_of(trial), epoch, value)
        return should_prune(study, trial_id_of(trial), objective, epoch)

    def rests_after(record: dict[str, float]) -> bool:
        return halving is not None and is_to_rest(study, trial, halving, record)

    trained = train(
        candidate,
        seed=seed,
        data_dir=place.data_dir,
        on_epoch=on_epoch,
        rests_after=rests_after,
        interrupted=place.interrupted,
        measure_latency="latency" in space.search.objectives,
        probes=probe_names(space),
        memory=place.memory,
        checkpoint=checkpoint,
    )
    if trained.paused:
        record(trial, candidate, trained.result, rung=len(trained.result.curve))
        return True
    record(trial, candidate, trained.result)
    tell(study, trial, space, trained.result)
    keep_weights(study, trial, trained, place)
    return False


def is_to_rest(study: Study, trial: Trial, halving: Halving, record: dict[str, float]) -> bool:
    """Whether a trial rests after an epoch, of which it notes the loss first."""
    epoch = int(record["epoch"])
    if epoch not in halving.rungs:
        return False
    losses = trial.user_attrs.get(LOSSES, {}) | {str(epoch): record["train_loss"]}
    trial.set_user_attr(LOSSES, losses)
    own = storage_of(study).get_trial(trial_id_of(trial))
    return halving.rests(study.get_trials(deepcopy=False), own, epoch)


def seed_of_rested(study: Study, trial: Trial, halving: Halving | None) -> int | None:
    """The seed of a trial that rested and goes on, None of another; it is marked where it goes on
    for being in the control set alone."""
    own = storage_of(study).get_trial(trial_id_of(trial))
    if RUNG not in own.user_attrs or "reused_from" in own.user_attrs:
        return None
    if halving and halving.is_control(own.number) and SPARED not in own.user_attrs:
        rung = own.user_attrs[RUNG]
        trials = study.get_trials(deepcopy=False)
        trial.set_user_attr(SPARED, 0 if halving.is_best(trials, own, rung) else rung)
    return int(own.user_attrs["seed"])


def attempt_twin(
    study: Study, trial: Trial, space: SearchSpace, place: Place, checkpoint: Path
) -> bool:
    """Train a twin as it was laid down: its own seed, its full budget, never pruned."""
    candidate = Candidate.from_json(trial.user_attrs["candidate"])
    if code_of(candidate.dataset) != code_of(space.dataset):
        raise StudyError(f"twin {trial.number} names other code than its space: it is not run.")

    def on_epoch(record: dict[str, float]) -> bool:
        storage_of(study).set_trial_intermediate_value(
            trial_id_of(trial), int(record["epoch"]), record["val_accuracy"]
        )
        return False

    trained = train(
        candidate,
        seed=trial.user_attrs["seed"],
        data_dir=place.data_dir,
        on_epoch=on_epoch,
        interrupted=place.interrupted,
        probes=probe_names(space),
        memory=place.memory,
        checkpoint=checkpoint,
    )
    record(trial, candidate, trained.result)
    study.tell(trial, trained.result.final["val_accuracy"])
    return False


def code_of(dataset: Dataset) -> tuple[str | None, str]:
    """What of a data set is run."""
    return dataset.class_path, dataset.init_args


def probe_names(space: SearchSpace) -> list[str]:
    """The probes a space asks for."""
    wanted = [row.name for row in PROBE_MEASURES if row.default] if space.search.probes else []
    return wanted + (["hessian_eigenvalue"] if space.search.hessian else [])


def reject(study: Study, trial: Trial, candidate: Candidate, excess: dict[str, float]) -> bool:
    """Tell the sampler how far constraints are broken; a broken one ends the trial untrained."""
    for key, value in excess.items():
        if key not in trial.constraints:
            trial.set_constraint(key, value)
    broken = [key for key, value in excess.items() if value > 0]
    if broken:
        why = f"Rejected by the constraints: {', '.join(broken)}."
        attributes = {"rejected": ", ".join(broken)}
        write(study, trial_id_of(trial), attributes, untrained_text(candidate, why))
        study.tell(trial, state=TrialState.PRUNED)
    return bool(broken)


def same_candidates(study: Study, candidate: Candidate) -> list[FrozenTrial]:
    """Trials of the same candidate that ended well or got as far as a rung, in order."""
    trials, wanted = study.get_trials(deepcopy=False), candidate.hash
    known = [t for t in trials if t.user_attrs.get("candidate_hash") == wanted]
    return [
        trial
        for trial in known
        if trial.state in DONE or (RUNG in trial.user_attrs and trial.state != TrialState.FAIL)
    ]


def copy(study: Study, trial: Trial, candidate: Candidate, twin: FrozenTrial) -> None:
    """End a trial with what its twin measured; the same seed would give the same numbers."""
    own = ("worker", "candidate", PAUSED)
    attributes = {key: value for key, value in twin.user_attrs.items() if key not in own}
    attributes["reused_from"] = twin.number
    note = untrained_text(candidate, f"The same as trial {twin.number}, which see.")
    write(study, trial_id_of(trial), attributes, note)
    for step, value in twin.intermediate_values.items():
        storage_of(study).set_trial_intermediate_value(trial_id_of(trial), step, value)
    state, values = twin.state, twin.values
    if not twin.state.is_finished():
        state, values = pruned_ending(study, twin)
    study.tell(trial, None if state == TrialState.PRUNED else values, state=state)


def finite(value: float, objective: str) -> float:
    """The value, or the worst there is where it is not a number."""
    worst = -math.inf if OBJECTIVES[objective].direction == "maximize" else math.inf
    return worst if math.isnan(value) else value


def record(trial: Trial, candidate: Candidate, result: Result, rung: int | None = None) -> None:
    """Write down all that was measured, before the trial ends, or rests at a rung."""
    note = trial_text(candidate, result)
    rest = {PAUSED: True, RUNG: rung} if rung else {}
    write(trial.study, trial_id_of(trial), measured(candidate, result) | rest, note)


def measured(candidate: Candidate, result: Result) -> dict[str, Any]:
    """All that was measured, as attributes of a trial; a number that is not finite as None."""
    attributes: dict[str, Any] = {
        "candidate_hash": candidate.hash,
        "architecture_hash": candidate.architecture.hash,
        **stored(result),
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


def stored(result: Result) -> dict[str, str]:
    """The result as JSON texts, each short enough for every storage: probes apart, by step."""
    data = rounded(asdict(result))
    probes = data.pop("probes")
    return {"result": json.dumps(data)} | {f"probes_{k}": json.dumps(v) for k, v in probes.items()}


def rounded(value: Any) -> Any:
    """Numbers to five digits; what is not finite as null."""
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [rounded(item) for item in value]
    if isinstance(value, float):
        return float(f"{value:.5g}") if math.isfinite(value) else None
    return value


def tell(study: Study, trial: Trial, space: SearchSpace, result: Result) -> None:
    """End the trial. With several objectives a pruned one has the values it was pruned at."""
    objectives = space.search.objectives
    if result.pruned and len(objectives) == 1:
        study.tell(trial, state=TrialState.PRUNED)
    else:
        study.tell(trial, [OBJECTIVES[objective](result) for objective in objectives])


def keep_weights(study: Study, trial: Trial, trained: Trained, place: Place) -> None:
    """Keep the weights of a trial that is, for now, among the best; a full disk costs no more."""
    if trained.result.pruned or not is_among_best(study, trial.number):
        return
    part = place.out / "weights" / f"trial-{trial.number}.part"
    try:
        part.parent.mkdir(parents=True, exist_ok=True)
        torch.save(trained.network.state_dict(), part)
        part.replace(part.with_suffix(".pt"))
    except (OSError, RuntimeError) as error:  # torch tells of a full disk with a RuntimeError
        part.unlink(missing_ok=True)
        warnings.warn(
            f"Weights cannot be kept in {part.parent}: {first_line(error)}.", Remark, stacklevel=2
        )
