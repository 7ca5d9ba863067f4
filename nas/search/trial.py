"""One trial from its lease to its end: draw the candidate, train it, write what was measured."""

import contextlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import BaseStorage
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState

from nas.common.errors import StudyError, UserError
from nas.common.paths import checkpoint_file
from nas.common.processes import this_worker
from nas.search.beside import folder_name
from nas.search.best_trials import is_among_best
from nas.search.duplicates import reuse_result, same_candidates
from nas.search.failures import fail_with
from nas.search.lease import is_held_by, requeue
from nas.search.pruners.base import Pruner
from nas.search.pruners.registry import learned_objective, pruner_of
from nas.search.study import for_trial
from nas.search.trial_attributes import AFTER_TRAINING, MEASURED_SPLIT, REJECTED, RUNG, is_reused
from nas.search.trial_results import end_trial, write_result
from nas.search.weights import keep_weights
from nas.space.space import SearchSpace
from nas.storage.bulk_write import write
from nas.storage.collecting import collected
from nas.storage.handles import storage_of, trial_id_of
from nas.training.candidate import Candidate
from nas.training.lightning import StoppedError, Trained, train
from nas.training.metrics import default_probes
from nas.training.result import OBJECTIVES
from nas.training.watching import WatchedRun

#: R^2 of guessing the mean, as which twins whose outputs are no numbers count
GUESSING_R2 = 0.0


@dataclass(frozen=True, kw_only=True)
class TrialEnvironment:
    """What a worker gives its trials: folders, when to stop, the bytes a training may take, the
    data module that a Python program handed over, and the kind of device."""

    data_dir: Path
    out: Path
    interrupted: Callable[[], bool]
    memory: int | None = None
    data: Any = None
    device: str = "auto"


def run_trial(
    storage: BaseStorage,
    name: str,
    space: SearchSpace,
    acquired: FrozenTrial,
    environment: TrialEnvironment,
) -> None:
    """Run an acquired trial to its end or its next pause. If it is interrupted, it is requeued.
    DataError passes through."""
    study = for_trial(storage, name, space, acquired.number)
    trial = Trial(study, trial_id_of(acquired))
    attempt = _attempt_twin if "cells" in acquired.user_attrs else _attempt_candidate
    checkpoint = checkpoint_file(environment.out, folder_name(study), acquired.number)
    try:
        paused = attempt(study, trial, space, environment, checkpoint)
        if paused:
            requeue(storage, trial_id_of(acquired), this_worker())
            return
    except (StoppedError, UserError, KeyboardInterrupt, SystemExit):
        requeue(storage, trial_id_of(acquired), this_worker())
        raise
    except UpdateFinishedTrialError:
        pass  # finished by a process that took this one for dead
    except Exception as error:
        now = storage.get_trial(trial_id_of(acquired))
        if not now.state.is_finished() and not is_held_by(now, this_worker()):
            return  # another worker's by now, with its checkpoint
        _fail(storage, acquired, error)
    with contextlib.suppress(OSError):
        checkpoint.unlink()


def _fail(storage: BaseStorage, trial: FrozenTrial, error: Exception) -> None:
    """End a trial as failed; after an error of CUDA the process ends too."""
    fail_with(storage, trial_id_of(trial), error)
    if "CUDA error" in str(error):
        raise SystemExit("CUDA does not recover in a process: another one is started") from error


def _attempt_candidate(
    study: Study, trial: Trial, space: SearchSpace, environment: TrialEnvironment, checkpoint: Path
) -> bool:
    """Draw a candidate, and reject it, reuse its result or train it; True if it is paused."""
    own = trial.user_attrs
    with collected(storage_of(study)):
        candidate = space.candidate(trial)
        if own.get("candidate") != candidate.to_json():
            trial.set_user_attr("candidate", candidate.to_json())
    if _reject(study, trial, space.excess(candidate)):
        return False
    pruner = pruner_of(space)
    seed = _resume(study, trial, pruner) if RUNG in own else None
    if seed is None:
        known = same_candidates(study, candidate)
        if known and space.search.duplicates == "reuse":
            reuse_result(study, trial, known[0])
            return False
        seed = space.search.seed + len(known)
    trained = train(
        candidate,
        seed=seed,
        data_dir=environment.data_dir,
        given=environment.data,
        on_epoch=partial(_after_epoch, study, trial, pruner, learned_objective(space)),
        pause_after=partial(pruner.should_pause, study, trial),
        interrupted=environment.interrupted,
        measure_latency="latency" in space.search.objectives,
        probes=probe_names(space, is_twin=False),
        memory=environment.memory,
        checkpoint=checkpoint,
        watched_as=_watched(study, trial, space, environment),
        device=environment.device,
    )
    if trained.paused:
        write_result(trial, candidate, trained.result, paused_at=len(trained.result.curve))
        return True
    write_result(trial, candidate, trained.result)
    end_trial(study, trial, trained.result)
    _keep_weights_of_best(study, trial, trained, environment)
    return False


def _after_epoch(
    study: Study,
    trial: Trial,
    pruner: Pruner,
    objective: str | None,
    record: dict[str, float],
) -> bool:
    """Report the value of an epoch; True if the trial is to be pruned."""
    if objective is None:
        return False
    value, epoch = record[objective], int(record["epoch"])
    _report(study, trial, OBJECTIVES[objective].worst if math.isnan(value) else value, epoch)
    return pruner.should_prune(study, trial, epoch)


def _report(study: Study, trial: Trial, value: float, epoch: int) -> None:
    """Report a value; Optuna's `Trial.report` refuses studies of several objectives."""
    storage_of(study).set_trial_intermediate_value(trial_id_of(trial), epoch, value)


def _resume(study: Study, trial: Trial, pruner: Pruner) -> int | None:
    """The seed of a trial that was paused and goes on now; None of a copy."""
    own = storage_of(study).get_trial(trial_id_of(trial))
    if is_reused(own):
        return None
    for key, value in pruner.resumed(study.get_trials(deepcopy=False), own).items():
        trial.set_user_attr(key, value)
    return int(own.user_attrs["seed"])


def _attempt_twin(
    study: Study, trial: Trial, space: SearchSpace, environment: TrialEnvironment, checkpoint: Path
) -> bool:
    """Train a twin as it was planned: its own seed, its complete training, never pruned."""
    candidate = Candidate.from_json(trial.user_attrs["candidate"])
    if candidate.dataset.code != space.dataset.code:
        raise StudyError(f"twin {trial.number} names other code than its space: it is not run.")

    def report(record: dict[str, float]) -> bool:
        _report(study, trial, record["val_accuracy"], int(record["epoch"]))
        return False

    trained = train(
        candidate,
        seed=trial.user_attrs["seed"],
        data_dir=environment.data_dir,
        given=environment.data,
        on_epoch=report,
        interrupted=environment.interrupted,
        probes=probe_names(space, is_twin=True),
        finished=trial.user_attrs.get(AFTER_TRAINING, ()),
        finished_split=trial.user_attrs.get(MEASURED_SPLIT, "validation"),
        memory=environment.memory,
        checkpoint=checkpoint,
        watched_as=_watched(study, trial, space, environment),
        device=environment.device,
    )
    write_result(trial, candidate, trained.result)
    reached = trained.result.final["val_accuracy"]
    study.tell(trial, GUESSING_R2 if math.isnan(reached) else reached)
    return False


def _watched(
    study: Study, trial: Trial, space: SearchSpace, environment: TrialEnvironment
) -> WatchedRun | None:
    """What a trial is called by the loggers of its space; None if nothing watches it."""
    if not space.watchers:
        return None
    name = f"trial_{trial.number}"
    return WatchedRun(space.watchers, environment.out, folder_name(study), name)


def probe_names(space: SearchSpace, *, is_twin: bool) -> list[str]:
    """The probes a space asks for; where it says nothing, those of twins alone, as no page of a
    report shows those of candidates."""
    given = space.search.probes
    if given is None and not is_twin:
        return []
    named = given if isinstance(given, list) else () if given is False else default_probes()
    return list(dict.fromkeys([*named, *(["hessian_eigenvalue"] if space.search.hessian else [])]))


def _reject(study: Study, trial: Trial, excess: dict[str, float]) -> bool:
    """Tell the sampler how far constraints are broken; a broken one ends the trial untrained."""
    known = trial.constraints if excess else {}
    for key, value in excess.items():
        if key not in known:
            trial.set_constraint(key, value)
    broken = [key for key, value in excess.items() if value > 0]
    if broken:
        attributes: dict[str, Any] = {REJECTED: ", ".join(broken)}
        write(study, trial_id_of(trial), attributes)
        study.tell(trial, state=TrialState.PRUNED)
    return bool(broken)


def _keep_weights_of_best(
    study: Study, trial: Trial, trained: Trained, environment: TrialEnvironment
) -> None:
    """Keep the weights of a trial that is, for now, among the best."""
    if not trained.result.pruned and is_among_best(study, trial.number):
        keep_weights(trained.network, environment.out / "weights", trial.number)
