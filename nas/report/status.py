"""A study in a few lines of text."""

from collections import Counter
from collections.abc import Sequence

from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from nas.common.paths import STORAGE
from nas.report.counts import ended
from nas.report.trial_rows import read_rows
from nas.search.beside import BASELINE, TWINS, search_beside, study_beside
from nas.search.best_trials import best_trials
from nas.search.coordinator import Outcome
from nas.search.exhaustion import exhausted_text
from nas.search.progress import describe_trial
from nas.search.study import load_own_study, objectives_of
from nas.search.trial_attributes import (
    CAUSE,
    PAUSED,
    REJECTED,
    REUSED_FROM,
    cause_of_failure,
    counted,
)
from nas.storage.bulk_read import trials_of
from nas.storage.open import open_storage
from nas.storage.url import hidden

#: the attributes of trials that a summary needs
TOLD = ("candidate", CAUSE, "pruned", REJECTED, PAUSED, REUSED_FROM)
#: what the studies beside a search are called
BESIDE = {BASELINE: "random search", TWINS: "twins"}


def status_lines(storage: str, name: str | None) -> list[str]:
    """How far a study is and what is best so far."""
    backend = open_storage(storage)
    study = load_own_study(backend, name)
    every = trials_of(study, only=TOLD)
    lines = [f"study {study.study_name} in {hidden(storage)}", *counts_lines(every)]
    for ending, what in BESIDE.items():
        if beside := study_beside(study, ending):
            first, *others = counts_lines(trials_of(beside, only=TOLD))
            lines += [f"  {what}: {first.strip()}", *others]
    if nothing_new := exhausted_text(study.user_attrs):
        lines.append(f"  {nothing_new}")
    objectives = objectives_of(study)
    for trial in best_trials(study, every) if has_best(study) else ():
        values = ", ".join(
            f"{name} {value:.4g}" for name, value in zip(objectives, trial.values, strict=True)
        )
        lines.append(f"  best: trial {trial.number}, {values}: {describe_trial(trial)}")
    return lines


def counts_lines(trials: Sequence[FrozenTrial]) -> list[str]:
    """How the trials of a study stand, counted as in the report, and why some failed."""
    causes = Counter(cause_of_failure(trial) for trial in trials if trial.state == TrialState.FAIL)
    failed = [f"  {count} failed of: {reason}" for reason, count in causes.most_common()]
    return [f"  {ended(read_rows(trials))}", *failed]


def has_best(study: Study) -> bool:
    """Whether a study looks for the best candidate; twins are compared, and none of them is."""
    return "twins_of" not in study.user_attrs


def finished(outcome: Outcome, storage: str, resume: str) -> list[str]:
    """What is said when a search or its twins end, and how to go on."""
    name = searched(outcome)
    where = "" if storage == STORAGE else f" --storage {hidden(storage)}"
    lines = status_lines(storage, name) + twin_lines(outcome.study)
    if outcome.how != "finished":
        word = {"timeout": "Time is up", "interrupted": "Interrupted"}[outcome.how]
        return [*lines, f"{word}; nothing that finished is lost. Resume with:", f"  {resume}"]
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
    return search_beside(outcome.study).study_name


def twin_lines(study: Study) -> list[str]:
    """The verdict, where the study is one of twins."""
    if "payoff" not in study.user_attrs:
        return []
    from nas.payoff.analysis import analyse
    from nas.payoff.verdict import verdict

    return [f"  {sentence}" for sentence in verdict(analyse(study))]
