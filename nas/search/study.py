"""The Optuna study of a search: created from a space, loaded again, and what it was made from."""

import json
import warnings
import zlib
from collections.abc import Mapping
from typing import Any

import optuna
from optuna.storages import BaseStorage
from optuna.study import Study

from nas.common.errors import StudyError, shown
from nas.common.waiting import log_warning
from nas.search.foreign_studies import is_ours, not_ours
from nas.search.pruners.registry import pruner_of
from nas.search.samplers.registry import sampler_of
from nas.space.space import SearchSpace, differences
from nas.space.yaml import Source
from nas.storage.handles import study_id_of
from nas.storage.locks import locked
from nas.training.result import OBJECTIVES

optuna.logging.set_verbosity(optuna.logging.ERROR)
warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)

#: how studies are stored; a change that older versions cannot read takes the next number
FORMAT = 1
#: the attribute of a study with the number of trials asked for
NUM_TRIALS = "num_trials"
#: the attribute of a study with the name of its folder and checkpoints, which it keeps when it is
#: renamed; studies of earlier versions have none, and are kept under their names
FOLDER = "folder"
#: what the names of the studies beside a search end with: its twins, its random baseline
TWINS, BASELINE = "-twins", "-random"


def create_study(storage: BaseStorage, name: str, space: SearchSpace) -> Study:
    """Make the study of a space, or open the one of that name if its space is the same."""
    with locked(storage):  # another search may make it at the same time
        return _create(storage, name, space)


def _create(storage: BaseStorage, name: str, space: SearchSpace) -> Study:
    """Make or open a study while no other process does."""
    directions = [OBJECTIVES[objective].direction for objective in space.search.objectives]
    if name in optuna.get_all_study_names(storage):  # a full disk is no reason not to look
        study = optuna.load_study(study_name=name, storage=storage)
    else:
        study = optuna.create_study(study_name=name, storage=storage, directions=directions)
    identity = {
        "space_hash": space.hash,
        "seed": space.search.seed,
        "objectives": space.search.objectives,
    }
    _refuse_later_format(study)
    if "space" not in study.user_attrs:
        refuse_foreign(study)
        study.set_user_attr("format", FORMAT)
        for key, value in identity.items():
            study.set_user_attr(key, value)
        study.set_user_attr("space_file", space.source.name)
        study.set_metric_names(space.search.objectives)
    _refuse_changes(study, identity, space)
    _claim_folder(storage, study)
    study.set_user_attr("space", json.dumps(space.source.data, ensure_ascii=False))
    return study


def folder_name(study: Study) -> str:
    """What the folder of a study's results and its checkpoints are called, whatever the study is
    called by now."""
    return _folder_name(study.study_name, study.user_attrs)


def _folder_name(name: str, attrs: Mapping[str, Any]) -> str:
    """The same of a study's name and attributes."""
    folder = attrs.get(FOLDER)
    return folder if isinstance(folder, str) and folder else name


def _claim_folder(storage: BaseStorage, study: Study) -> None:
    """Give a study a folder of its own: one that was renamed keeps its first name's, and a copy
    has those of the study that it was made of."""
    own = study_id_of(study)
    others = [one for one in storage.get_all_studies() if study_id_of(one) != own]
    taken = {
        _folder_name(one.study_name, one.user_attrs)
        for one in others
        if FOLDER not in study.user_attrs or study_id_of(one) < own
    }
    first = folder = folder_name(study)
    number = 1
    while folder in taken:
        number += 1
        folder = f"{first}-{number}"
    if study.user_attrs.get(FOLDER) != folder:
        study.set_user_attr(FOLDER, folder)


def _refuse_changes(study: Study, identity: dict[str, Any], space: SearchSpace) -> None:
    """StudyError where a study of the same name was made from something else."""
    for key, value in identity.items():
        if study.user_attrs.get(key) != value:
            what = {"space_hash": "space", "seed": "seed", "objectives": "objectives"}[key]
            changed = differences(space_of(study), space) if key == "space_hash" else []
            told = f": {'; '.join(changed)}" if changed else ""
            way = "--extend to go on with its trials that still fit" if changed else ""
            raise StudyError(
                f"study {study.study_name!r} exists and was made from another {what}{told}. "
                f"Resume it with the {what} it was made from, start another with --study NAME"
                f"{f', or take {way}' if way else ''}."
            )


def load_study(storage: BaseStorage, name: str | None) -> Study:
    """An existing study, whoever made it; without a name the newest search."""
    if name is None or not has_study(storage, name):
        names = optuna.get_all_study_names(storage)
        if not names:
            raise StudyError("there is no study here yet: start one with `nas search digits`.")
        name = _newest(storage) if name is None else name
    if not has_study(storage, name):
        raise StudyError(f"there is no study {name!r}; there is {', '.join(sorted(names))}.")
    return optuna.load_study(study_name=name, storage=storage)


def load_own_study(storage: BaseStorage, name: str | None) -> Study:
    """An existing study of ours; without a name the newest search."""
    study = load_study(storage, name)
    if not is_ours(study.user_attrs):
        raise not_ours(study)
    return study


def has_own_study(storage: BaseStorage, name: str) -> bool:
    """Whether there is a study of that name, and it is ours."""
    return has_study(storage, name) and is_ours(
        optuna.load_study(study_name=name, storage=storage).user_attrs
    )


def refuse_foreign(study: Study, way: str = "Start another one with --study NAME.") -> None:
    """StudyError, which says a way on, for a study in which another program has begun."""
    if not is_ours(study.user_attrs) and study.get_trials(deepcopy=False):
        raise not_ours(study, way)


def has_study(storage: BaseStorage, name: str) -> bool:
    """Whether there is a study of that name; a list would come with all their notes."""
    try:
        storage.get_study_id_from_name(name)
    except KeyError:
        return False
    return True


def _newest(storage: BaseStorage) -> str:
    """The name of the search that was made last; if there is none, of any study."""
    studies = sorted(storage.get_all_studies(), key=study_id_of)
    ours = [one for one in studies if is_ours(one.user_attrs)]
    searches = [one for one in ours if search_of(one.user_attrs) is None]
    taken = [*studies, *ours, *searches][-1]
    if ours and not is_ours(studies[-1].user_attrs):
        log_warning(
            f"This is {shown(taken.study_name)}, the newest study that `nas search` made; "
            f"{shown(studies[-1].study_name)} is newer, and another program made it with Optuna."
        )
    return taken.study_name


def search_of(attrs: Mapping[str, Any]) -> str | None:
    """The name of the search that a study of twins or of a baseline stands beside."""
    name = attrs.get("twins_of") or attrs.get("baseline_of")
    return name if isinstance(name, str) else None


def space_of(study: Study) -> SearchSpace:
    """The space a study was made from."""
    attrs = study.user_attrs
    if not is_ours(attrs):
        raise not_ours(study)
    if not isinstance(attrs.get("space"), str):
        raise StudyError(
            f"study {study.study_name!r} holds no search space that can be read: it is damaged, or "
            "not all of it was written."
        )
    _refuse_later_format(study)
    return SearchSpace.parse(Source(attrs.get("space_file", "space"), attrs["space"]))


def objectives_of(study: Study) -> list[str]:
    """What a search optimises; its space need not be readable any more. Twins optimise nothing."""
    if not is_ours(study.user_attrs):
        raise not_ours(study)
    return objective_names(study)


def objective_names(study: Study) -> list[str]:
    """A name for each direction of any study, also where another program made it."""
    known = study.user_attrs.get("objectives")
    names = [str(one) for one in known] if isinstance(known, list) else []
    count = len(study.directions)
    return names[:count] + [f"objective {index + 1}" for index in range(len(names), count)]


def _refuse_later_format(study: Study) -> None:
    """StudyError if a study was made by a later version of this program."""
    version = study.user_attrs.get("format", FORMAT)
    if not isinstance(version, int) or version > FORMAT:
        raise StudyError(
            f"study {study.study_name!r} was made by a later version of nas (format {version!r}, "
            f"this one knows {FORMAT}). Update nas, or start another study with --study NAME."
        )


def for_trial(storage: BaseStorage, name: str, space: SearchSpace, number: int) -> Study:
    """The study with a sampler whose seed belongs to the trial alone, so that resumed searches
    draw what uninterrupted ones would have drawn."""
    seed = zlib.crc32(f"{space.search.seed}/{number}".encode())
    return optuna.load_study(
        study_name=name,
        storage=storage,
        sampler=sampler_of(space, seed),
        pruner=pruner_of(space).of_optuna,
    )
