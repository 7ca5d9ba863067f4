"""Warm start: a study of a changed space, into which the trials that still fit are imported."""

import warnings
from typing import Any

import optuna
from optuna.storages import BaseStorage
from optuna.study import Study
from optuna.trial import FixedTrial, FrozenTrial

from nas.common.errors import StudyError
from nas.search.study import create_study, has_study, refuse_foreign
from nas.search.trial_attributes import DONE, REUSED_FROM, WORKER
from nas.space.space import SearchSpace
from nas.storage.locks import locked
from nas.training.candidate import Candidate

#: the attribute of a trial with the study and number it was imported from
IMPORTED_FROM = "taken_from"
#: attributes that are true of a trial in its own study alone
NOT_IMPORTED = (WORKER, REUSED_FROM)


def warm_started(storage: BaseStorage, name: str, space: SearchSpace) -> str:
    """The name of the study to continue: `name` if its space is the same, else the first of NAME-2,
    NAME-3 and so on that is of this space or not there yet, with the trials of all studies before
    it that fit."""
    if not has_study(storage, name):
        return name
    earlier, number = [], 1
    while has_study(storage, name) and not _is_of(study := _load(storage, name), space):
        earlier.append(study)
        number += 1
        name = f"{earlier[0].study_name}-{number}"
    if earlier:
        refuse_foreign(earlier[0])
        _refuse_other_objectives(earlier[0], space)
        new = create_study(storage, name, space)
        _import_trials(storage, earlier, new, space)
    return name


def _load(storage: BaseStorage, name: str) -> Study:
    """A study by its name."""
    return optuna.load_study(study_name=name, storage=storage)


def _is_of(study: Study, space: SearchSpace) -> bool:
    """Whether a study was made from a space, or is what a command left that was killed while it
    made one."""
    if "space" not in study.user_attrs and not study.get_trials(deepcopy=False):
        return True
    return study.user_attrs.get("space_hash") == space.hash


def _refuse_other_objectives(study: Study, space: SearchSpace) -> None:
    """StudyError if the values of a study are of other objectives."""
    if study.user_attrs.get("objectives") != space.search.objectives:
        raise StudyError(
            f"study {study.study_name!r} has other objectives: its trials cannot be taken over. "
            "Start another study with --study NAME."
        )


def _import_trials(
    storage: BaseStorage, earlier: list[Study], new: Study, space: SearchSpace
) -> None:
    """Copy the finished trials of studies that another space could have drawn, each once."""
    with locked(storage):
        imported = {tuple(_origin(new, trial)) for trial in new.get_trials(deepcopy=False)}
        for study in earlier:
            for trial in study.get_trials(deepcopy=False, states=DONE):
                source = _origin(study, trial)
                if tuple(source) not in imported and (drawn := _redrawn(trial, space)):
                    imported.add(tuple(source))
                    new.add_trial(_imported(trial, drawn, source))


def _origin(study: Study, trial: FrozenTrial) -> list[Any]:
    """The study a trial was run in, and its number there."""
    return trial.user_attrs.get(IMPORTED_FROM) or [study.study_name, trial.number]


def _redrawn(trial: FrozenTrial, space: SearchSpace) -> FixedTrial | None:
    """The trial drawn again from a space; None if it gives another candidate, one that breaks
    the constraints, or none."""
    drawn = FixedTrial(trial.params)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)  # optuna warns of a value outside of its range
        try:
            candidate = space.candidate(drawn)
        except (ValueError, UserWarning):
            return None
    fits = max(space.excess(candidate).values(), default=0.0) <= 0
    same = candidate == Candidate.from_json(trial.user_attrs["candidate"])
    return drawn if fits and same and drawn.params == trial.params else None


def _imported(trial: FrozenTrial, drawn: FixedTrial, source: list[Any]) -> FrozenTrial:
    """The trial with the distributions of the new space."""
    attrs = {key: value for key, value in trial.user_attrs.items() if key not in NOT_IMPORTED}
    return optuna.trial.create_trial(
        state=trial.state,
        values=trial.values,
        params=drawn.params,
        distributions=drawn.distributions,
        user_attrs=attrs | {IMPORTED_FROM: source},
        intermediate_values=trial.intermediate_values,
    )
