"""All that is known of a study when its report is written, read from the storage once."""

import logging
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from optuna.study import Study, StudyDirection

from nas.common.errors import UserError
from nas.common.paths import STORAGE
from nas.payoff.analysis import Payoff, analyse
from nas.payoff.records import shortened
from nas.report.trial_rows import Row, brief, read_rows
from nas.search.allow_code import missing_plugins
from nas.search.beside import BASELINE, TWINS, search_beside, study_beside
from nas.search.best_trials import pareto_front as front_of
from nas.search.study import load_own_study, objective_names, space_of
from nas.space.space import SearchSpace
from nas.storage.bulk_read import trials_of
from nas.storage.open import open_storage
from nas.storage.url import hidden
from nas.training.metrics import PROBE_STEPS

log = logging.getLogger(__name__)
#: what is not shown of the trials of a search, and what is shown in brief
UNSEEN = (
    *(f"probes_{step}" for step in PROBE_STEPS if step),
    *("architecture_hash", "candidate_hash", "worker"),
)
BRIEF = {"result": brief}
#: the same of twins
UNSEEN_OF_TWINS = (
    *("architecture_hash", "candidate_hash", "worker"),
    *("arm", "depth", "multiply_adds", "train_loss"),
)
BRIEF_OF_TWINS = {"result": shortened}


@dataclass(frozen=True)
class StudyData:
    """A study with its twins, if any: `twins` are their rows by number, `payoff` what they say.

    `baseline` are the trials of random search beside it.
    """

    study: Study
    storage: str
    name: str
    objectives: list[str]
    maximise: list[bool]
    rows: list[Row]
    attrs: dict[str, Any]
    space: SearchSpace | None = None
    baseline: list[Row] = field(default_factory=list)
    twins: dict[int, Row] = field(default_factory=dict)
    payoff: Payoff | None = None
    verdict: list[str] = field(default_factory=list)

    @property
    def has_twins(self) -> bool:
        """Whether any twin has finished."""
        return self.payoff is not None and bool(self.payoff.twins)

    @property
    def command(self) -> str:
        """What trains the twins, or those that are missing."""
        where = "" if self.storage == STORAGE else f" --storage {shlex.quote(hidden(self.storage))}"
        return f"nas payoff {shlex.quote(self.name)}{where}"


def gather(storage: str, name: str | None) -> StudyData:
    """Read a study and its twins. StudyError where there is no such study."""
    backend = open_storage(storage)
    study = search_beside(load_own_study(backend, name))
    attrs = study.user_attrs
    _warn_of_missing_plugins(study)
    rows = read_rows(trials_of(study, UNSEEN, BRIEF))
    twins, payoff, verdict = _read_twins(study)
    return StudyData(
        study=study,
        storage=storage,
        name=study.study_name,
        objectives=objective_names(study),
        maximise=[direction == StudyDirection.MAXIMIZE for direction in study.directions],
        rows=rows,
        attrs=attrs,
        space=_readable_space(study),
        baseline=_read_baseline(study),
        twins=twins,
        payoff=payoff,
        verdict=verdict or _without_twins(),
    )


def _warn_of_missing_plugins(study: Study) -> None:
    """Name the plugins of a study that the user did not import: a look runs no code of others."""
    if missing := missing_plugins(study):
        options = " ".join(f"--import {name}" for name in missing)
        log.warning(
            "The plugins of this study are not imported, so some of it may be missing from the "
            "report. If you know their code, add %s.",
            options,
        )


def _read_baseline(search: Study) -> list[Row]:
    """The trials of random search beside a study; none where it was not run."""
    beside = study_beside(search, BASELINE)
    return read_rows(trials_of(beside, UNSEEN, BRIEF)) if beside else []


def _read_twins(search: Study) -> tuple[dict[int, Row], Payoff | None, list[str]]:
    """Rows, analysis and verdict of the twins; nothing where there are none."""
    study = study_beside(search, TWINS)
    if study is None:
        return {}, None, []
    trials = trials_of(study, UNSEEN_OF_TWINS, BRIEF_OF_TWINS)
    rows = {row.number: row for row in read_rows(trials)}
    try:
        payoff = replace(analyse(study, trials), study=search.study_name)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        return rows, None, [unreadable(error), *_without_twins()[1:]]
    from nas.payoff.verdict import verdict

    sentences = verdict(payoff)
    return rows, payoff, sentences if payoff.twins else [*sentences, *_without_twins()[1:]]


def unreadable(error: Exception) -> str:
    """Why twins that exist are not analysed."""
    reason = f"{type(error).__name__}: {error}"
    return f"The twins of this study cannot be analysed by this version of nas ({reason[:200]})."


def _without_twins() -> list[str]:
    """What can be said of shortcuts without twins: that nothing is verified."""
    return [
        "No twins have been trained yet, so nothing is verified about where shortcuts pay off.",
        "What the search alone shows is observational: its sampler chose the candidates and its "
        "pruner may have cut some short.",
    ]


def _readable_space(study: Study) -> SearchSpace | None:
    """The space of the study; None where another version wrote it otherwise."""
    try:
        return space_of(study)
    except (UserError, ValueError, TypeError, KeyError, AttributeError):
        return None


def pareto_front(rows: Sequence[Row], maximise: Sequence[bool]) -> list[Row]:
    """The best trial of those trained to their end, or with several objectives the Pareto front."""
    signs = [1 if up else -1 for up in maximise]
    trained = [row for row in rows if row.outcome in ("trained", "repeated") and _is_whole(row)]
    front = front_of([row.trial for row in trained], signs)
    by_number = {row.number: row for row in trained}
    return [by_number[trial.number] for trial in front]


def _is_whole(row: Row) -> bool:
    """Whether a trial ended with its values and was not pruned."""
    return bool(row.trial.values) and not row.trial.user_attrs.get("pruned")
