"""A study in a few lines of text."""

from collections import Counter

from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from nas.common.paths import STORAGE
from nas.search.best_trials import best_trials
from nas.search.coordinator import Outcome
from nas.search.progress import described
from nas.search.study import load_study, objectives_of, search_of
from nas.search.trial_attributes import (
    CAUSE,
    PAUSED,
    REJECTED,
    cause_of_failure,
    counted,
    is_paused,
)
from nas.storage.bulk_read import trials_of
from nas.storage.open import open_storage
from nas.storage.url import hidden

#: the attributes of trials that a summary needs
TOLD = ("candidate", CAUSE, "pruned", REJECTED, PAUSED)


def status_lines(storage: str, name: str | None) -> list[str]:
    """How far a study is and what is best so far."""
    study = load_study(open_storage(storage), name)
    every = trials_of(study, only=TOLD)
    trials = counted(every)
    states = Counter(state_word(trial) for trial in trials)
    rejected = len(every) - len(trials)
    lines = [f"study {study.study_name} in {hidden(storage)}"]
    numbers = ", ".join(f"{count} {word}" for word, count in states.items())
    lines.append(f"  {numbers or 'no trials yet'}")
    causes = Counter(cause_of_failure(trial) for trial in trials if trial.state == TrialState.FAIL)
    lines += [f"  {count} failed of: {reason}" for reason, count in causes.most_common()]
    if rejected:
        lines.append(f"  {rejected} candidates rejected by the constraints before training")
    objectives = objectives_of(study)
    for trial in best_trials(study, every):
        values = ", ".join(
            f"{name} {value:.4g}" for name, value in zip(objectives, trial.values, strict=True)
        )
        lines.append(f"  best: trial {trial.number}, {values}: {described(trial)}")
    return lines


def state_word(trial: FrozenTrial) -> str:
    """A trial's state as people say it."""
    if is_paused(trial):
        return "paused"
    state = trial.state.name
    return {"WAITING": "due", "FAIL": "failed"}.get(state, state.lower())


def finished(outcome: Outcome, storage: str, resume: str) -> list[str]:
    """What is said when a search or its twins end, and how to go on."""
    name = searched(outcome)
    where = "" if storage == STORAGE else f" --storage {hidden(storage)}"
    lines = status_lines(storage, name) + twin_lines(outcome.study)
    if outcome.how != "finished":
        word = {"timeout": "Time is up", "interrupted": "Interrupted"}[outcome.how]
        return [*lines, f"{word}; nothing that finished is lost. Resume with: {resume}"]
    return [
        *lines,
        f"Next: nas report {name}{where} | nas dashboard {name}{where} | nas export {name}{where}",
    ]


def all_failed(outcome: Outcome) -> bool:
    """Whether a study was run to its end, and no trial of it ended well."""
    trials = counted(trials_of(outcome.study, only=(REJECTED,)))
    failed = all(trial.state == TrialState.FAIL for trial in trials)
    return outcome.how == "finished" and bool(trials) and failed


def searched(outcome: Outcome) -> str:
    """The name of the search, also where its twins or its baseline were trained."""
    return search_of(outcome.study.user_attrs) or outcome.study.study_name


def twin_lines(study: Study) -> list[str]:
    """The verdict, where the study is one of twins."""
    if "payoff" not in study.user_attrs:
        return []
    from nas.payoff.analysis import analyse
    from nas.payoff.verdict import verdict

    return [f"  {sentence}" for sentence in verdict(analyse(study))]
