"""Candidates that are drawn more than once: found, and their result reused."""

from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState

from nas.search.trial_attributes import DONE, PAUSED, REUSED_FROM, RUNG, WORKER
from nas.search.trial_results import ending_of_paused, tell
from nas.storage.bulk_write import write
from nas.storage.handles import storage_of, trial_id_of
from nas.training.candidate import Candidate

#: attributes of a trial that are not copied with its result
NOT_REUSED = (WORKER, "candidate", PAUSED)


def same_candidates(study: Study, candidate: Candidate) -> list[FrozenTrial]:
    """Trials of the same candidate that ended well or got as far as a rung, in order."""
    trials, wanted = study.get_trials(deepcopy=False), candidate.hash
    known = [t for t in trials if t.user_attrs.get("candidate_hash") == wanted]
    return [
        trial
        for trial in known
        if trial.state in DONE or (RUNG in trial.user_attrs and trial.state != TrialState.FAIL)
    ]


def reuse_result(study: Study, trial: Trial, known: FrozenTrial) -> None:
    """End a trial with the result of another; the same seed would give the same numbers."""
    known = storage_of(study).get_trial(trial_id_of(known))  # lists of trials may lack the result
    attributes = {key: value for key, value in known.user_attrs.items() if key not in NOT_REUSED}
    attributes[REUSED_FROM] = known.number
    write(study, trial_id_of(trial), attributes)
    for step, value in known.intermediate_values.items():
        storage_of(study).set_trial_intermediate_value(trial_id_of(trial), step, value)
    state, values = known.state, known.values
    if not known.state.is_finished():
        state, values = ending_of_paused(study, known)
    tell(study, trial, state, values)
