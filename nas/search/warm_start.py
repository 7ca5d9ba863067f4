"""Going on with a changed space: a new study that takes over the trials that still fit."""

import warnings
from typing import Any

import optuna
from optuna.storages import BaseStorage
from optuna.study import Study
from optuna.trial import FixedTrial, FrozenTrial

from nas.common.errors import StudyError
from nas.common.waiting import no_log
from nas.search.allow_code import vouch
from nas.search.study import create_study
from nas.search.trial_attributes import DONE, REUSED_FROM, WORKER
from nas.space.space import SearchSpace
from nas.storage.locks import locked
from nas.training.candidate import Candidate

#: the attribute of a trial with the study and number it was taken from
TAKEN_FROM = "taken_from"
#: what is true of a trial in its own study alone
OWN = (WORKER, REUSED_FROM)


def extended(storage: BaseStorage, name: str, space: SearchSpace) -> str:
    """The study to go on with: NAME where its space is the same, else the first of NAME-2, NAME-3
    and so on that is of this space or not there yet, with the trials of all before it that fit."""
    names = optuna.get_all_study_names(storage)
    if name not in names:
        return name
    earlier, number = [], 1
    while name in names and not is_of(study := load(storage, name), space):
        earlier.append(study)
        number += 1
        name = f"{earlier[0].study_name}-{number}"
    if earlier:
        refuse_other_objectives(earlier[0], space)
        new = create_study(storage, name, space)
        vouch(new, space.dataset, False, no_log)
        take_over(storage, earlier, new, space)
    return name


def load(storage: BaseStorage, name: str) -> Study:
    """A study by its name."""
    return optuna.load_study(study_name=name, storage=storage)


def is_of(study: Study, space: SearchSpace) -> bool:
    """Whether a study was made from a space."""
    return study.user_attrs.get("space_hash") == space.hash


def refuse_other_objectives(study: Study, space: SearchSpace) -> None:
    """StudyError where the values of a study are of other objectives."""
    if study.user_attrs.get("objectives") != space.search.objectives:
        raise StudyError(
            f"study {study.study_name!r} has other objectives: its trials cannot be taken over. "
            "Start another study with --study NAME."
        )


def take_over(storage: BaseStorage, earlier: list[Study], new: Study, space: SearchSpace) -> None:
    """Copy the finished trials of studies that another space could have drawn, each once."""
    with locked(storage):
        taken = {tuple(origin(new, trial)) for trial in new.get_trials(deepcopy=False)}
        for study in earlier:
            for trial in study.get_trials(deepcopy=False, states=DONE):
                source = origin(study, trial)
                if tuple(source) not in taken and (drawn := redrawn(trial, space)):
                    taken.add(tuple(source))
                    new.add_trial(copied(trial, drawn, source))


def origin(study: Study, trial: FrozenTrial) -> list[Any]:
    """The study a trial was run in, and its number there."""
    return trial.user_attrs.get(TAKEN_FROM) or [study.study_name, trial.number]


def redrawn(trial: FrozenTrial, space: SearchSpace) -> FixedTrial | None:
    """The trial drawn again from a space; None where it gives another candidate, one that breaks
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


def copied(trial: FrozenTrial, drawn: FixedTrial, source: list[Any]) -> FrozenTrial:
    """The trial with the distributions of the new space."""
    attrs = {key: value for key, value in trial.user_attrs.items() if key not in OWN}
    return optuna.trial.create_trial(
        state=trial.state,
        values=trial.values,
        params=drawn.params,
        distributions=drawn.distributions,
        user_attrs=attrs | {TAKEN_FROM: source},
        intermediate_values=trial.intermediate_values,
    )
