"""Going on with a changed space: a new study that takes over the trials that still fit."""

import warnings
from typing import Any

import optuna
from optuna.storages import BaseStorage
from optuna.study import Study
from optuna.trial import FixedTrial, FrozenTrial

from nas.claims import locked
from nas.patience import silent
from nas.settings import Candidate
from nas.space import SearchSpace
from nas.study import DONE, create_study
from nas.trust import vouch

#: the attribute of a trial with the number it had in the study it was taken from
TAKEN_FROM = "taken_from"


def extended(storage: BaseStorage, name: str, space: SearchSpace) -> str:
    """The study to go on with: NAME where its space is the same, else the first of NAME-2, NAME-3
    and so on that is of this space or not there yet, with the trials of NAME that fit."""
    names = optuna.get_all_study_names(storage)
    if name not in names or is_of(storage, name, space):
        return name
    number = 2
    while f"{name}-{number}" in names and not is_of(storage, f"{name}-{number}", space):
        number += 1
    old = optuna.load_study(study_name=name, storage=storage)
    new = create_study(storage, f"{name}-{number}", space)
    vouch(new, space.dataset, False, silent)
    take_over(storage, old, new, space)
    return new.study_name


def is_of(storage: BaseStorage, name: str, space: SearchSpace) -> bool:
    """Whether a study was made from a space."""
    study = optuna.load_study(study_name=name, storage=storage)
    return study.user_attrs.get("space_hash") == space.hash


def take_over(storage: BaseStorage, old: Study, new: Study, space: SearchSpace) -> None:
    """Copy the finished trials of one study that another space could have drawn, each once."""
    with locked(storage):
        taken = {trial.user_attrs.get(TAKEN_FROM) for trial in new.get_trials(deepcopy=False)}
        for trial in old.get_trials(deepcopy=False, states=DONE):
            known = trial.number in taken or "rejected" in trial.user_attrs
            if not known and (drawn := redrawn(trial, space)):
                new.add_trial(copied(trial, drawn))


def redrawn(trial: FrozenTrial, space: SearchSpace) -> FixedTrial | None:
    """The trial drawn again from a space; None where it gives another candidate or none."""
    drawn = FixedTrial(trial.params)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)  # optuna warns of a value outside of its range
        try:
            candidate = space.candidate(drawn)
        except (ValueError, UserWarning):
            return None
    same = candidate == Candidate.from_json(trial.user_attrs["candidate"])
    return drawn if same and drawn.params == trial.params else None


def copied(trial: FrozenTrial, drawn: FixedTrial) -> FrozenTrial:
    """The trial with the distributions of the new space."""
    attrs: dict[str, Any] = trial.user_attrs | {TAKEN_FROM: trial.number}
    return optuna.trial.create_trial(
        state=trial.state,
        values=trial.values,
        params=drawn.params,
        distributions=drawn.distributions,
        user_attrs={key: value for key, value in attrs.items() if key != "worker"},
        intermediate_values=trial.intermediate_values,
    )
