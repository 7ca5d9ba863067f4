"""The finished trials of an Optuna study as a table, also of one that another program made."""

from collections.abc import Sequence
from typing import Any

from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from nas.report.trial_rows import brief, read_rows
from nas.report.writers.tables import record
from nas.search.foreign_studies import is_ours
from nas.search.study import load_study, objective_names
from nas.storage.bulk_read import trials_of
from nas.storage.open import open_storage
from nas.storage.url import hidden
from nas.tables.read import DataTable, TableError, text

#: what of a trial is no column
UNSEEN = ("candidate_hash", "worker", "provenance")
#: attributes of this many characters are no values to compare by
LONGEST = 100


def read_study(url: str, name: str | None) -> DataTable:
    """The complete trials of a study, the newest one without a name: number, objectives,
    parameters (`param.NAME`), and where `nas` made it the columns of its trials.csv, else the
    attributes (`attr.NAME`). Pruned trials are left out: where they stopped is no value.
    """
    study = load_study(open_storage(url), name)
    trials = [trial for trial in trials_of(study, UNSEEN, {"result": brief}) if is_whole(trial)]
    if not trials:
        raise TableError(f"study {study.study_name!r} in {hidden(url)} has no complete trial.")
    rows = records(study, trials)
    names = list(dict.fromkeys(name for row in rows for name in row))
    columns = {name: [text(row.get(name)) for row in rows] for name in names}
    return DataTable(study.study_name, columns, first_row=trials[0].number)


def is_whole(trial: FrozenTrial) -> bool:
    """Whether a trial ended with its values and was not pruned."""
    return trial.state == TrialState.COMPLETE and not trial.user_attrs.get("pruned")


def records(study: Study, trials: Sequence[FrozenTrial]) -> list[dict[str, Any]]:
    """One record for each trial."""
    if is_ours(study.user_attrs):
        names = objective_names(study)
        return [record(row, names) for row in read_rows(trials)]
    try:
        named = study.metric_names
    except AttributeError:
        named = None
    count = len(study.directions)
    names = list(named or (["value"] if count == 1 else [f"value_{i}" for i in range(count)]))
    return [foreign(trial, names) for trial in trials]


def foreign(trial: FrozenTrial, names: Sequence[str]) -> dict[str, Any]:
    """A trial of another program."""
    found: dict[str, Any] = {"number": trial.number}
    found |= dict(zip(names, trial.values or (), strict=False))
    found |= {f"param.{name}": value for name, value in sorted(trial.params.items())}
    attrs = {key: value for key, value in sorted(trial.user_attrs.items()) if is_scalar(value)}
    return found | {f"attr.{key}": value for key, value in attrs.items()}


def is_scalar(value: Any) -> bool:
    """Whether an attribute is one short value."""
    return isinstance(value, bool | int | float | str) and len(str(value)) <= LONGEST
