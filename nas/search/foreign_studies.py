"""Studies that Optuna keeps in the same storage and that other programs made."""

from collections.abc import Mapping
from typing import Any

from optuna.storages import BaseStorage
from optuna.study import Study, StudyDirection
from optuna.trial import TrialState

from nas.common.errors import StudyError, shown
from nas.storage.bulk_read import trials_of
from nas.storage.handles import storage_of
from nas.storage.studies import entries_of

#: attributes of which every study of ours has one
OURS = ("space", "space_hash", "twins_of", "baseline_of")
#: names of a kind that are told
MOST_NAMES = 5


def is_ours(attrs: Mapping[str, Any]) -> bool:
    """Whether a study with these attributes is a search of ours, or stands beside one."""
    return any(name in attrs for name in OURS)


def not_ours(study: Study, way: str | None = None) -> StudyError:
    """What a study of another program is, and a way on: the studies of ours that are there."""
    way = way or others(storage_of(study))
    return StudyError(
        f"study {shown(study.study_name)} was not made by `nas search`, but by another program "
        f"with Optuna: {what_it_does(study)}. `nas dashboard` shows it. {way}"
    )


def what_it_does(study: Study) -> str:
    """What a study does with how many trials, over which parameters."""
    trials = trials_of(study, only=())
    finished = sum(trial.state == TrialState.COMPLETE for trial in trials)
    over = listed(sorted({name for trial in trials for name in trial.params}))
    words = {StudyDirection.MAXIMIZE: "maximises", StudyDirection.MINIMIZE: "minimises"}
    if len(study.directions) == 1:
        does = f"it {words.get(study.directions[0], 'optimises')} one objective"
    else:
        does = f"it has {len(study.directions)} objectives"
    return f"{does}{f' over {over}' * bool(over)}, and {finished} of {len(trials)} trials finished"


def others(storage: BaseStorage) -> str:
    """The searches of ours in a storage, in a sentence."""
    names = [one.name for one in entries_of(storage, OURS) if is_ours(one.attrs)]
    if not names:
        return "There is no study of nas here yet: start one with `nas search digits`."
    return f"Studies of nas here: {listed(sorted(names))}."


def listed(names: list[str]) -> str:
    """The first of some names, and how many more there are."""
    more = len(names) - MOST_NAMES
    told = ", ".join(shown(name) for name in names[:MOST_NAMES])
    return told + (f" and {more:,} more" if more > 0 else "")
