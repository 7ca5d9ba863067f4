"""The Optuna study of a search: created from a space, loaded again, and what it was made from."""

import json
import warnings
import zlib
from typing import Any

import optuna
from optuna.storages import BaseStorage
from optuna.study import Study

from nas.common.errors import StudyError, shown
from nas.common.waiting import log_warning
from nas.search.beside import claim_folder, is_beside, studies_in
from nas.search.foreign_studies import is_ours, not_ours
from nas.search.pruners.registry import pruner_of
from nas.search.samplers.registry import sampler_of
from nas.space.space import SearchSpace, differences
from nas.space.yaml import Source
from nas.storage.locks import locked
from nas.storage.studies import Entry, damage_of
from nas.training.result import OBJECTIVES

optuna.logging.set_verbosity(optuna.logging.ERROR)
warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)

#: how studies are stored; a change that older versions cannot read takes the next number
FORMAT = 1
#: the attribute of a study with the number of trials asked for
NUM_TRIALS = "num_trials"
NO_STUDY = "there is no study here yet: start one with `nas search digits`."


def create_study(
    storage: BaseStorage, name: str, space: SearchSpace, folder: str | None = None
) -> Study:
    """Make the study of a space, or open the one of that name if its space is the same. folder:
    what its folder is to be called if not by its name."""
    with locked(storage):  # another search may make it at the same time
        return _create(storage, name, space, folder)


def _create(storage: BaseStorage, name: str, space: SearchSpace, folder: str | None) -> Study:
    """Make or open a study while no other process does."""
    directions = [OBJECTIVES[objective].direction for objective in space.search.objectives]
    if has_study(storage, name):  # a full disk is no reason not to look
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
    claim_folder(storage, study, folder)
    study.set_user_attr("space", json.dumps(space.source.data, ensure_ascii=False))
    return study


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
    if name is None:
        name = _newest(storage)
    if not has_study(storage, name):
        names = sorted(one.name for one in studies_in(storage))
        if not names:
            raise StudyError(NO_STUDY)
        raise StudyError(f"there is no study {name!r}; there is {', '.join(names)}.")
    return optuna.load_study(study_name=name, storage=storage)


def load_own_study(storage: BaseStorage, name: str | None) -> Study:
    """An existing study of ours; without a name the newest search."""
    study = load_study(storage, name)
    if not is_ours(study.user_attrs):
        raise not_ours(study)
    return study


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
    """The name of the search that was made last; if there is none, of any study. Those that are
    damaged are named and left out, unless nothing else is there."""
    studies = studies_in(storage)
    if not studies:
        raise StudyError(NO_STUDY)
    ours = [one for one in studies if is_ours(one.attrs)]
    searches = [one for one in ours if not is_beside(one)]
    ranked = dict.fromkeys(one.id for group in (searches, ours, studies) for one in group[::-1])
    by_id = {one.id: one for one in studies}
    taken = _first_sound(storage, [by_id[number] for number in ranked])
    if is_ours(taken.attrs) and not is_ours(studies[-1].attrs):
        log_warning(
            f"This is {shown(taken.name)}, the newest study that `nas search` made; "
            f"{shown(studies[-1].name)} is newer, and another program made it with Optuna."
        )
    return taken.name


def _first_sound(storage: BaseStorage, studies: list[Entry]) -> Entry:
    """The first study that is not damaged, or if all are the first."""
    for one in studies:
        why = damage_of(storage, one)
        if why is None:
            return one
        log_warning(f"Study {shown(one.name)} is damaged and left out ({why}).")
    return studies[0]


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
